/* The panel beside the graph: the current step, a selected node, and the comparison at the end. */

const panel = byId("panel-body");
const picks = { forward: 0, parts: [] }; // which number of the result, and of each part, is shown

/** The terms of the gradient of each node, in the order of computation: [user, position]. */
const terms = data.nodes.map(() => []);
for (let id = data.nodes.length - 1; id >= 0; id--) {
  const node = data.nodes[id];
  node.users = [];
  node.inputs.forEach((i, position) => node.parts[position] !== null && terms[i].push([id, position]));
}
data.nodes.forEach((node, id) => new Set(node.inputs).forEach((i) => data.nodes[i].users.push(id)));

const partOf = (node, position) =>
  node.parts[position] === "grad" ? data.nodes[node.inputs[position]].grad : node.parts[position];

function sumOf(arrays) {
  if (!arrays.every(isWhole)) return null;
  return arrays.reduce((a, b) => a.map((x, k) => Number(x) + Number(b[k])));
}

const cotangentText = (node) => (node.title.includes(" ") ? `d(${node.title})` : `d${node.title}`);
const title = (text) => html("h3", {}, text);
const quiet = (text) => html("p", { class: "quiet" }, text);
const section = (name, ...content) => html("section", { class: name }, ...content);

function link(id, text = data.nodes[id].title) {
  const button = html("button", { type: "button", class: "link" }, text);
  button.addEventListener("click", () => select(id));
  return button;
}

function listed(ids) {
  const list = html("span", { class: "list" });
  ids.slice(0, 24).forEach((id) => list.append(link(id), " "));
  if (ids.length > 24) list.append(`and ${ids.length - 24} more`);
  return list;
}

/** Show a tensor with its name above it. */
function tensor(heading, array, shape, options = {}) {
  return html("div", { class: "tensor" },
    html("p", { class: "heading" }, ...heading, html("span", { class: "quiet" }, ` ${shapeText(shape)}`)),
    shown(array, shape, options));
}

/** Show a formula with the numbers for one place of the result, and name that place. */
function withNumbers(numbers, result, k, shape, several) {
  if (numbers === null) return quiet("The numbers of this operation are in the tables.");
  const at = several ? html("p", { class: "quiet at" }, `at ${placeText(k, shape)}`) : null;
  const left = numberOf(result, true);
  const written = numbers.classList.contains("terms") ? brokenIntoLines(left, numbers) : formula(left, sign("="), numbers);
  return html("div", { class: "numbers-in" }, at, written);
}

function forwardPanel(id) {
  const node = data.nodes[id];
  const k = Math.min(picks.forward, node.value.length - 1 || 0);
  const whole = isWhole(node.value);
  const again = (picked) => {
    picks.forward = picked;
    render();
  };
  panel.replaceChildren(
    section(`rule ${node.backward ? "backward" : "forward"}`, title(node.backward ? "Backward pass" : "Forward"), forwardFormula(node),
      whole && node.value.length ? withNumbers(forwardNumbers(node, k), node.value[k], k, node.shape, node.value.length > 1) : null),
    section("flow", title("In"), ...[...new Set(node.inputs)].map((i) => {
      const input = data.nodes[i];
      return tensor([link(i)], input.value, input.shape, { label: input.title, leaf: valueLeaf(i) });
    })),
    section("flow", title("Out"),
      tensor([link(id)], node.value, node.shape, { label: node.title, picked: whole ? k : -1, pick: again })),
  );
}

/** Show the seed of the backward pass. */
function seedPanel(id) {
  const node = data.nodes[id];
  panel.replaceChildren(
    section("rule backward", title("Backward starts here"),
      html("p", {}, "The upstream cotangent arrives at the output. Each rule now turns the cotangent of its result into those of its inputs.")),
    section("flow", tensor([cotangentText(node)], node.grad, node.shape, { label: cotangentText(node), leaf: gradLeaf(id) })));
}

function backwardPanel(id, arrived) {
  const node = data.nodes[id];
  const rules = node.inputs.map((i, position) => {
    const part = partOf(node, position);
    if (part === null) return null;
    const input = data.nodes[i];
    const k = Math.min(picks.parts[position] ?? 0, part.length - 1 || 0);
    const numbers = isWhole(part) && part.length
      ? withNumbers(backwardNumbers(node, position, k), part[k], k, input.shape, part.length > 1) : null;
    const again = (picked) => {
      picks.parts[position] = picked;
      render();
    };
    return section("rule backward", html("h3", {}, "To ", link(i)), backwardFormula(node, position, terms[i].length > 1),
      isRepeated(node, input) ? quiet(`∑: broadcasting repeated ${input.title}, so its cotangents add up.`) : null, numbers,
      tensor([terms[i].length > 1 ? "this part" : cotangentText(input)], part, input.shape,
        { label: `what ${node.op} gives to ${input.title}`, picked: isWhole(part) ? k : -1, pick: again }),
      addingUp(i, arrived));
  });
  panel.replaceChildren(
    section("flow", title("In"), tensor([cotangentText(node)], node.grad, node.shape, { label: cotangentText(node), leaf: gradLeaf(id) })),
    ...rules.filter(Boolean));
}

/** List the parts of a node's gradient; those not computed yet are gaps. */
function partsOf(id, arrived) {
  const list = html("ul", { class: "terms" });
  for (const [user, position] of terms[id]) {
    const from = data.nodes[user];
    const isHere = arrived(user);
    list.append(html("li", { class: isHere ? "here" : "" }, html("span", {}, "from ", link(user), ` (${from.op})`),
      html("span", { class: "amount" }, isHere ? rangeOf(partOf(from, position)) : "not yet")));
  }
  return list;
}

/** Show the sum of the cotangents of a node, at the current step. */
function addingUp(id, arrived) {
  const node = data.nodes[id];
  if (terms[id].length < 2) return null;
  const there = terms[id].filter(([user]) => arrived(user));
  const isComplete = there.length === terms[id].length;
  const sum = isComplete ? node.grad : sumOf(there.map(([user, position]) => partOf(data.nodes[user], position)));
  return html("div", { class: "adding" },
    html("p", { class: "heading" }, `${cotangentText(node)} adds up: ${there.length} of ${terms[id].length} there`),
    partsOf(id, arrived),
    sum && there.length > 1
      ? tensor([isComplete ? `${cotangentText(node)}, complete` : "so far"], sum, node.shape, { label: `sum at ${node.title}` }) : null);
}

function rangeOf(array) {
  if (!isWhole(array)) return `${brief(array.facts[0])} to ${brief(array.facts[1])}`;
  if (array.length <= 3) return array.map(brief).join(", ");
  const numbers = array.map(Number);
  return `${brief(Math.min(...numbers))} to ${brief(Math.max(...numbers))}`;
}

function startPanel() {
  const count = (kind) => data.nodes.filter((n) => n.kind === kind).length;
  const operations = data.nodes.filter((n) => n.op).length;
  const facts = html("dl", { class: "facts" });
  for (const [name, value] of [["operations", operations], ["inputs", count("input")], ["parameters", count("parameter")],
    ["scopes", data.scopes.length - 1]])
    facts.append(html("div", {}, html("dt", {}, name), html("dd", {}, String(value))));
  const output = data.nodes.at(-1);
  const isAllBackward = hasBackwardNodes && !forwardSteps;
  const start = html("button", { type: "button", class: "primary" }, `A tour in ${SENTENCES.length} sentences`);
  start.addEventListener("click", () => guide(0));
  panel.replaceChildren(
    section("", start),
    section("", html("p", {}, isAllBackward ? "Step through the backward pass, one operation at a time" : "Step through the graph: forward, one operation at a time",
      isAllBackward ? ". The values that it takes from the forward pass are constants here." : hasBackwardNodes ? "; what the rules of the backward pass computed are steps of their own."
        : data.hasGradients ? ", then backward, one rule at a time." : ". It carries no gradient yet: give one to tg.graph to see it flow backward."),
      facts),
    section("", html("p", { class: "keys" }, ...[["←", "→", " step"], ["PgDn", " step over a scope"], ["space", " play"], ["+", "−", "0", " zoom"],
      ["Shift ←", " move"], ["↑", "↓", " walk the nodes"], ["/", " find"], ["Esc", " close"]]
      .map((keys) => html("span", {}, ...keys.slice(0, -1).map((key) => html("kbd", {}, key)), keys.at(-1))))),
    section("", title("Key"), html("ul", { class: "key" },
      ...["input", "parameter", "constant", "result", "output"].map((kind) => html("li", { class: kind }, kind)))),
    section("flow", title("Goes in"), html("p", {}, listed(data.nodes.flatMap((n, i) => (n.op || n.small ? [] : [i]))))),
    section("flow", title("Comes out"), tensor([link(data.nodes.length - 1)], output.value, output.shape, { label: output.title })),
  );
}

const VERDICTS = {
  agrees: "The gradient from the graph agrees with all three closed forms.",
  differs: "The gradient from the graph differs from a closed form.",
  open: "A number here is not finite (0 / 0, or too large), so there is nothing to compare.",
};

function verdictOf() {
  if (!data.comparisons.every((c) => c.finite)) return "open";
  return data.comparisons.every((c) => c.agrees) ? "agrees" : "differs";
}

function endPanel() {
  const leaves = data.nodes.flatMap((n, id) => (!n.op && n.grad !== null ? [id] : []));
  const content = [];
  if (data.comparisons.length) {
    content.push(section("verdict", html("p", { class: verdictOf() }, VERDICTS[verdictOf()]),
      quiet("The graph knows no formula of batch norm; the closed forms know no graph. Largest difference of each:"),
      comparisonTable()));
  }
  for (const c of data.comparisons.slice(0, 6))
    content.push(section("flow", title(`${cotangentText(data.nodes[c.node])}${data.comparisons.length > 3 ? ` in ${c.scope}` : ""}`), beside(c)));
  if (!data.comparisons.length)
    content.push(...leaves.slice(0, 12).map((id) => section("flow", tensor(["d", link(id)], data.nodes[id].grad, data.nodes[id].shape, { label: cotangentText(data.nodes[id]) }))));
  if (data.derived.length) content.push(derivation());
  panel.replaceChildren(...content);
}

/** Show how the compact closed form follows from the recorded rules. */
function derivation() {
  const shown = (tree) => (tree ? [math("math", built(tree, {}))] : []);
  const rows = data.derived.map((step) => html("tr", step.name ? { class: "first" } : {},
    html("td", {}, ...shown(step.name)), html("td", {}, ...shown(step.formula), html("div", { class: "quiet" }, ...shown(step.law)))));
  return html("details", { class: "derivation" }, html("summary", {}, "How the compact form follows from the recorded rules"),
    quiet("For each feature of m values, with s for std; each line starts with the rules that the engine applied."),
    html("div", { class: "scroll", tabindex: 0 }, html("table", {}, html("tbody", {}, ...rows))));
}

/** Show a gradient by the graph and by each closed form, number by number. */
function beside(c) {
  const columns = [["the graph", c.graph], ...c.forms.map((f) => [f.name, f.value])];
  if (!isWhole(c.graph) || c.graph.length > 64)
    return html("div", {}, ...columns.map(([name, value]) => tensor([name], value, c.shape, { label: name })));
  const head = html("tr", {}, html("td"), ...columns.map(([name]) => html("th", { scope: "col" }, name)));
  const rows = c.graph.map((_, k) => html("tr", {}, html("th", { scope: "row" }, placeText(k, c.shape)),
    ...columns.map(([, value]) => html("td", { title: exact(value[k]) }, brief(value[k])))));
  return html("div", { class: "scroll" }, html("table", { class: "comparison beside" }, html("thead", {}, head), html("tbody", {}, ...rows)));
}

function comparisonTable() {
  const names = data.comparisons[0].forms.map((f) => f.name);
  const several = new Set(data.comparisons.map((c) => c.scope)).size > 1;
  const head = html("tr", {}, html("td"), ...names.map((n) => html("th", { scope: "col" }, n)), html("th", { scope: "col" }, "rounding allows"));
  const rows = data.comparisons.flatMap((c, i) => [...(several && data.comparisons[i - 1]?.scope !== c.scope
    ? [html("tr", { class: "of" }, html("th", { colspan: names.length + 2, scope: "rowgroup" }, c.scope))] : []),
  html("tr", {}, html("th", { scope: "row" }, cotangentText(data.nodes[c.node])),
    ...c.forms.map((f) => html("td", {}, brief(f.difference))), html("td", { class: "quiet" }, brief(c.tolerance)))]);
  return html("div", { class: "scroll" }, html("table", { class: "comparison" }, html("thead", {}, head), html("tbody", {}, ...rows)));
}

function nodePanel(id) {
  const node = data.nodes[id];
  const facts = html("dl", { class: "facts" });
  const add = (name, ...value) => facts.append(html("div", {}, html("dt", {}, name), html("dd", {}, ...value)));
  add("name", node.name ?? "none");
  add("kind", node.kind);
  if (node.op) add("operation", node.call);
  add("scope", node.scope || "none");
  add("shape", shapeText(node.shape));
  add("dtype", node.dtype);
  if (node.op) add("made from", listed([...new Set(node.inputs)]));
  if (node.users.length) add("used by", listed(node.users));
  const close = html("button", { type: "button", class: "close" }, "Back to the step");
  close.addEventListener("click", () => select(null));
  panel.replaceChildren(
    section("", close, facts),
    ...(node.op ? [section("rule forward", title("Formula"), forwardFormula(node))] : []),
    section("flow", title("Value"), shown(node.value, node.shape, { label: node.title, leaf: valueLeaf(id) })),
    section("flow", title("Gradient"), ...gradientOf(id)));
}

function gradientOf(id) {
  const node = data.nodes[id];
  if (!data.hasGradients) return [quiet("No gradient yet.")];
  if (node.grad === null) return [quiet(node.kind === "constant" ? "A constant needs none." : "No gradient flows here.")];
  const from = terms[id].length > 1 ? html("div", {}, html("p", {}, "It is a sum:"), partsOf(id, () => true))
    : terms[id].length ? html("p", {}, "It comes from ", link(terms[id][0][0]), ` (${data.nodes[terms[id][0][0]].op}).`)
      : html("p", {}, "It is the upstream cotangent, which came from outside.");
  return [shown(node.grad, node.shape, { label: cotangentText(node), leaf: gradLeaf(id) }), from];
}
