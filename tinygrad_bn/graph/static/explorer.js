/* Steps, keys and links: the input of the reader, and the state that is shown. */

const state = { step: 0, node: null, playing: 0 };

/** [phase, node]: the start, each operation, the seed, each rule, and the end. */
const steps = [["start", null], ...data.nodes.flatMap((n, id) => (n.op ? [["forward", id]] : []))];
const forwardSteps = steps.length - 1;
if (data.hasGradients) {
  steps.push(["seed", data.nodes.findLastIndex((n) => n.grad !== null)]);
  for (let id = data.nodes.length - 1; id >= 0; id--)
    if (data.nodes[id].op && data.nodes[id].grad !== null) steps.push(["backward", id]);
  steps.push(["end", null]);
}
const doneAt = new Map(); // node -> the step at which its rule has run
steps.forEach(([phase, id], at) => phase === "backward" && doneAt.set(id, at));
const madeAt = new Map(steps.flatMap(([phase, id], at) => (phase === "forward" ? [[id, at]] : [])));
const arrivedBy = (at) => (user) => doneAt.get(user) <= at;

function headline([phase, id]) {
  const node = data.nodes[id];
  if (phase === "start") return "Before the first step";
  if (phase === "forward") return `Forward through ${node.op}`;
  if (phase === "seed") return "The upstream cotangent";
  if (phase === "backward") return `Backward through ${node.op}`;
  return data.comparisons.length ? "The graph and the closed forms" : "The gradients";
}

/** Show the current state. */
function render() {
  const [phase, id] = steps[state.step];
  renderPanel();
  mark(phase, id);
}

/** Show the current state in the panel alone. */
function renderPanel() {
  const [phase, id] = steps[state.step];
  byId("step").value = state.step;
  byId("where").textContent = `${state.step} / ${steps.length - 1}`;
  const words = headline(steps[state.step]);
  byId("step").setAttribute("aria-valuetext", `${state.step} of ${steps.length - 1}: ${words}`);
  byId("panel-title").textContent = state.node === null ? words : data.nodes[state.node].title;
  document.body.dataset.phase = phase === "seed" || phase === "end" ? "backward" : phase;
  if (state.node !== null) nodePanel(state.node);
  else if (phase === "start") startPanel();
  else if (phase === "forward") forwardPanel(id);
  else if (phase === "seed") seedPanel(id);
  else if (phase === "backward") backwardPanel(id, arrivedBy(state.step));
  else endPanel();
}

/** Mark each card and arrow with its state at the current step. */
function mark(phase, active) {
  const back = state.step > forwardSteps;
  for (const [name, card] of cards) {
    if (!card.isConnected || name[0] === "s") continue;
    const id = Number(name.slice(1));
    const node = data.nodes[id];
    card.classList.toggle("todo", !back && (madeAt.get(id) ?? 0) > state.step && state.step > 0);
    card.classList.toggle("now", id === active);
    card.classList.toggle("selected", id === state.node);
    const line = card.querySelector(".grad");
    if (line) line.textContent = gradientLine(id, node, back);
    card.classList.toggle("has-grad", back && node.grad !== null && (line?.textContent ?? "").startsWith("∇"));
  }
  for (const [name, card] of cards) {
    if (name[0] !== "s" || !card.isConnected) continue;
    card.classList.toggle("now", active !== null && drawnAs(active) === name);
    card.classList.toggle("selected", state.node !== null && drawnAs(state.node) === name);
  }
  for (const arrow of arrows.values()) arrow.classList.remove("forward", "backward");
  if (phase !== "forward" && phase !== "backward") return;
  const node = data.nodes[active];
  const lit = node.inputs.flatMap((i, position) =>
    phase === "forward" || node.parts[position] !== null ? arrowBetween(i, active) : []);
  for (const arrow of lit) {
    arrow.classList.add(phase);
    arrow.parentNode.append(arrow); // drawn over the others
  }
}

function gradientLine(id, node, back) {
  if (!data.hasGradients) return node.kind === "constant" ? "" : "no gradient yet";
  if (node.grad === null) return node.kind === "constant" || !back ? "" : "none flows here";
  if (!back) return "";
  const all = terms[id].length;
  const there = terms[id].filter(([user]) => doneAt.get(user) <= state.step).length;
  if (all > there) return there ? `∇ ${there} of ${all} parts` : "";
  return `∇ ${node.gradBrief}`;
}

function go(step, { quietly = false } = {}) {
  state.step = Math.max(0, Math.min(steps.length - 1, step));
  state.node = null;
  Object.assign(picks, { forward: 0, parts: [] });
  render();
  const [, id] = steps[state.step];
  if (id !== null) reveal(drawnAs(id));
  if (!quietly) byId("said").textContent = `Step ${state.step} of ${steps.length - 1}. ${headline(steps[state.step])}`;
  byId("panel").scrollTop = 0;
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
    if (state.step === steps.length - 1) go(0);
    state.playing = setInterval(() => {
      go(state.step + 1);
      if (state.step === steps.length - 1) play(false);
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

// Keys, buttons, pointer

const KEYS = {
  ArrowRight: () => go(state.step + 1), ArrowLeft: () => go(state.step - 1),
  Home: () => go(0), End: () => go(steps.length - 1), " ": () => play(),
  "+": () => zoom(1.25), "=": () => zoom(1.25), "-": () => zoom(0.8), 0: () => fit(),
  "/": () => field.focus(),
  Escape: () => (state.node === null ? play(false) : select(null)),
};
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
  const item = event.target.closest?.("[data-id],[data-scope]");
  if (item && (event.key === "Enter" || event.key === " ")) {
    event.preventDefault();
    return activate(item);
  }
  if (event.key === " " && event.target.closest?.("button")) return;
  if (!KEYS[event.key]) return;
  event.preventDefault();
  KEYS[event.key]();
});

function activate(item) {
  if (item.dataset.scope === undefined) return select(Number(item.dataset.id));
  const k = Number(item.dataset.scope);
  toggle(k);
  render();
  (unfolded.has(k) ? layers.frames : layers.cards).querySelector(`[data-scope="${k}"]`)?.focus({ preventScroll: true });
}

const onClick = (id, action) => byId(id).addEventListener("click", action);
onClick("first", () => go(0));
onClick("back", () => go(state.step - 1));
onClick("next", () => go(state.step + 1));
onClick("play", () => play());
onClick("zoom-in", () => zoom(1.25));
onClick("zoom-out", () => zoom(0.8));
onClick("fit", () => fit());
onClick("fold", () => foldAll(false));
onClick("unfold", () => foldAll(true));
byId("step").addEventListener("input", (event) => go(Number(event.target.value)));
addEventListener("hashchange", () => /[#&](step|node|set)=/.test(location.hash) && follow());

function foldAll(open) {
  unfolded.clear();
  if (open) data.scopes.forEach((_, k) => k && unfolded.add(k));
  draw();
  render();
  fit(open ? 0.3 : 0);
}

const pointers = new Map();
let moved = 0;
drawing.addEventListener("pointerdown", (event) => {
  pointers.set(event.pointerId, [event.clientX, event.clientY]);
  moved = 0;
});
addEventListener("pointermove", (event) => {
  const before = pointers.get(event.pointerId);
  if (!before) return;
  const now = [event.clientX, event.clientY];
  moved += Math.hypot(now[0] - before[0], now[1] - before[1]);
  if (pointers.size === 2) {
    const [other] = [...pointers].filter(([key]) => key !== event.pointerId).map(([, at]) => at);
    const box = drawing.getBoundingClientRect();
    const apart = (p) => Math.hypot(p[0] - other[0], p[1] - other[1]) || 1;
    zoom(apart(now) / apart(before), (now[0] + other[0]) / 2 - box.left, (now[1] + other[1]) / 2 - box.top);
  } else if (moved > 3) {
    camera.x += now[0] - before[0];
    camera.y += now[1] - before[1];
    drawing.classList.add("held");
    look();
  }
  pointers.set(event.pointerId, now);
});
for (const kind of ["pointerup", "pointercancel"])
  addEventListener(kind, (event) => {
    pointers.delete(event.pointerId);
    drawing.classList.remove("held");
  });
drawing.addEventListener("click", (event) => {
  const item = event.target.closest("[data-id],[data-scope]");
  if (moved > 3) return;
  if (item) activate(item);
  else if (state.node !== null) select(null);
});
drawing.addEventListener("wheel", (event) => {
  event.preventDefault();
  const box = drawing.getBoundingClientRect();
  const rate = event.ctrlKey ? 0.01 : 0.0015; // a pinch on a trackpad is a wheel event with ctrl
  zoom(Math.exp(-event.deltaY * rate), event.clientX - box.left, event.clientY - box.top);
}, { passive: false });

// At the start, scopes are unfolded up to 60 items in all, which can still be read

let seen = members[0].length + children[0].length;
for (let level = children[0]; level.length; level = level.flatMap((k) => (unfolded.has(k) ? children[k] : [])))
  for (const k of level) {
    const more = members[k].length + children[k].length - 1;
    if (seen + more > 60) continue;
    seen += more;
    unfolded.add(k);
  }
byId("title").textContent = document.title;
byId("step").max = steps.length - 1;
byId("phase-forward").style.flexGrow = forwardSteps;
byId("phase-backward").style.flexGrow = steps.length - 1 - forwardSteps;
byId("phase-backward").hidden = !data.hasGradients;
byId("fold").hidden = byId("unfold").hidden = data.scopes.length === 1;
draw();
fit(0.8);
follow();
addEventListener("resize", () => fit(0.8));
addEventListener("beforeprint", () => {
  const [, , w, h] = placed.get("whole");
  drawing.setAttribute("viewBox", `-8 -8 ${w + 16} ${h + 16}`); // as large as the paper allows
  view.style.transform = "none";
});
addEventListener("afterprint", () => {
  drawing.removeAttribute("viewBox");
  look();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", render);
