/* The steps, and the state that is shown: at which step the reader is, and which node is selected. */

const state = { step: 0, node: null, playing: 0 };

/** Whether the graph has the operations of the backward pass as nodes. */
const hasBackwardNodes = data.nodes.some((node) => node.backward);
/** [phase, node]: the start, each operation, the seed, each rule, and the end. */
const steps = [["start", null], ...data.nodes.flatMap((n, id) => (n.op ? [[n.backward ? "rules" : "forward", id]] : []))];
const doneAt = new Map(); // node -> the step at which its rule has run
if (data.hasGradients && !hasBackwardNodes) {
  steps.push(["seed", data.nodes.findLastIndex((n) => n.grad !== null)]);
  for (let id = data.nodes.length - 1; id >= 0; id--)
    if (data.nodes[id].op && data.nodes[id].grad !== null) doneAt.set(id, steps.push(["backward", id]) - 1);
}
if (data.hasGradients) steps.push(["end", null]);
const lastStep = steps.length - 1;
const forwardSteps = steps.filter(([phase]) => phase === "forward").length;
const madeAt = new Map(steps.flatMap(([phase, id], at) => (phase === "forward" || phase === "rules" ? [[id, at]] : [])));
const arrivedBy = (at) => (user) => (doneAt.get(user) ?? lastStep) <= at;

function headline([phase, id]) {
  const node = data.nodes[id];
  if (phase === "start") return "Before the first step";
  if (phase === "forward") return `Forward through ${node.op}`;
  if (phase === "rules") return `Backward pass: ${node.op}`;
  if (phase === "seed") return "The upstream cotangent";
  if (phase === "backward") return `Backward through ${node.op}`;
  return data.comparisons.length ? "The graph and the closed forms" : "The gradients";
}

/** Show the current state. */
function render() {
  renderPanel();
  mark(...steps[state.step]);
}

/** Show the current state in the panel alone. */
function renderPanel() {
  const [phase, id] = steps[state.step];
  byId("step").value = state.step;
  byId("where").textContent = `${state.step} / ${lastStep}`;
  const words = headline(steps[state.step]);
  byId("step").setAttribute("aria-valuetext", `${state.step} of ${lastStep}: ${words}`);
  byId("panel-title").textContent = state.node === null ? words : data.nodes[state.node].title;
  const colour = phase === "start" || phase === "forward" ? phase : "backward";
  if (document.body.dataset.phase !== colour) document.body.dataset.phase = colour; // the same again costs as much
  keepingFocus(() => {
    byId("panel-scope").replaceChildren(...crumbs(state.node ?? id));
    if (state.node !== null) nodePanel(state.node);
    else if (phase === "start") startPanel();
    else if (phase === "forward" || phase === "rules") forwardPanel(id);
    else if (phase === "seed") seedPanel(id);
    else if (phase === "backward") backwardPanel(id, arrivedBy(state.step));
    else endPanel();
  });
}

/** Renew the panel; a control in it that has the focus passes it to the one that takes its place. */
function keepingFocus(renew) {
  const controls = () => [...panel.parentNode.querySelectorAll("button, input, [tabindex='0']")];
  const before = controls();
  const active = document.activeElement ?? document.body;
  const at = before.indexOf(active);
  const passTo = holding(active);
  renew();
  const after = controls();
  const next = after.length === before.length ? after[at] : byId("panel-title");
  passTo(at < 0 || active.isConnected ? null : next);
}

/** Say in which scopes a node is; each can be folded and unfolded, and the innermost skipped. */
function crumbs(id) {
  const path = id === null ? [] : around(data.nodes[id].in).slice(0, -1);
  if (!path.length) return [];
  const content = path.map((k) => {
    const button = html("button", { type: "button", class: "link" }, data.scopes[k].name);
    button.title = `${unfolded.has(k) ? "Fold" : "Unfold"} ${data.scopes[k].name}`;
    button.addEventListener("click", () => {
      toggle(k);
      render();
      reveal(drawnAs(id));
    });
    return button;
  }).reverse();
  const skip = html("button", { type: "button", class: "link skipping" }, "step over");
  skip.title = "To the first step after this scope (Page down)";
  skip.addEventListener("click", () => stepOver(1));
  return ["in ", ...content.flatMap((button, i) => (i ? [" › ", button] : [button])), ...(state.node === null ? [skip] : [])];
}

/** Go to the next step, or the one before, that is not in the innermost scope of this one. */
function stepOver(by) {
  const scopeAt = (at) => (steps[at][1] === null ? 0 : data.nodes[steps[at][1]].in);
  const scope = scopeAt(state.step);
  let at = state.step + by;
  while (scope && at > 0 && at < lastStep && around(scopeAt(at)).includes(scope)) at += by;
  go(at);
}

const marks = new Map(); // "n12" or "s3" -> how its card is marked now

/** Mark each card and arrow with its state at the current step. Cards that stay as they are cost nothing. */
function mark(phase, active) {
  const isBack = state.step > forwardSteps;
  const now = active === null ? null : drawnAs(active);
  const selected = state.node === null ? null : drawnAs(state.node);
  for (const [name, card] of cards) {
    if (!placed.has(name)) continue;
    const id = Number(name.slice(1));
    const isNode = name[0] === "n";
    const line = isNode ? gradientLine(id, data.nodes[id], isBack) : "";
    const isTodo = isNode && state.step > 0 && (madeAt.get(id) ?? 0) > state.step;
    const wanted = [isTodo && "todo", name === now && "now", name === selected && "selected"].filter(Boolean).join(" ");
    const key = `${wanted}|${line}`;
    if (marks.get(name) === key) continue;
    marks.set(name, key);
    for (const mark of ["todo", "now", "selected"]) card.classList.toggle(mark, wanted.includes(mark));
    const text = isNode && card.querySelector(".grad");
    if (text) text.textContent = onCard(line);
  }
  for (const arrow of layers.arrows.querySelectorAll(".forward, .backward, .rules")) arrow.classList.remove("forward", "backward", "rules");
  if (!["forward", "backward", "rules"].includes(phase)) return;
  const node = data.nodes[active];
  for (const [position, i] of node.inputs.entries()) {
    const arrow = arrowBetween(i, active);
    if (!arrow || (phase === "backward" && node.parts[position] === null)) continue;
    arrow.classList.add(phase);
    layers.arrows.append(arrow); // drawn over the others
  }
}

function gradientLine(id, node, isBack) {
  if (node.backward) return "";
  if (!data.hasGradients) return node.kind === "constant" || hasBackwardNodes ? "" : "no gradient yet";
  if (node.grad === null) return node.kind === "constant" || !isBack ? "" : "none flows here";
  if (!isBack) return "";
  const all = terms[id].length;
  const there = terms[id].filter(([user]) => arrivedBy(state.step)(user)).length;
  if (all > there) return there ? `∇ ${there} of ${all} parts` : "";
  return `∇ ${node.gradBrief}`;
}

function go(step, { quietly = false } = {}) {
  state.step = Math.max(0, Math.min(lastStep, step));
  state.node = null;
  Object.assign(picks, { forward: 0, parts: [] });
  render();
  const [, id] = steps[state.step];
  if (id !== null) reveal(drawnAs(id));
  if (!quietly) byId("said").textContent = `Step ${state.step} of ${lastStep}. ${headline(steps[state.step])}`;
  requestAnimationFrame(() => (byId("panel").scrollTop = 0));
  remember();
}

/** Show a node in the panel; with null, show the current step again. */
function select(id) {
  state.node = id;
  if (id !== null) {
    let isFolded = false;
    for (const k of around(data.nodes[id].in)) if (k && !unfolded.has(k)) isFolded = Boolean(unfolded.add(k));
    if (isFolded) draw();
    reveal(`n${id}`);
    byId("said").textContent = `${data.nodes[id].title}, ${data.nodes[id].kind}`;
    byId("panel").scrollTop = 0;
  }
  render();
  remember();
}

function play(on = !state.playing) {
  clearInterval(state.playing);
  state.playing = 0;
  if (on) {
    if (state.step === lastStep) go(0);
    state.playing = setInterval(() => {
      go(state.step + 1);
      if (state.step === lastStep) play(false);
    }, 1100);
  }
  document.body.classList.toggle("playing", on);
  byId("play").setAttribute("aria-label", on ? "Pause" : "Play");
}

/** Store what is shown in the link of the page: #step=12, #node=x_hat (or its number), or both. */
function remember() {
  const node = state.node === null ? "" : `&node=${state.node}`;
  if (location.protocol === "about:") return; // embedded in another page, whose link this is not
  history.replaceState(null, "", `#step=${state.step}${node}${changesInLink()}`);
}

function follow() {
  const wanted = new URLSearchParams(location.hash.slice(1));
  const fits = !live || followChanges(wanted.get("set"));
  const step = Number.parseInt(wanted.get("step") ?? "0", 10);
  const name = wanted.get("node");
  let id = name === null ? -1 : data.nodes.findIndex((n) => n.name === name);
  if (id < 0 && /^\d+$/.test(name ?? "") && data.nodes[name]) id = Number(name);
  go(Number.isNaN(step) ? 0 : step, { quietly: true });
  if (id >= 0) select(id);
  if (!fits) byId("said").textContent = "Some numbers of this link do not fit this graph.";
}
