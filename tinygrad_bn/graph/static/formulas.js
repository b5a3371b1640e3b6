/* Formulas and rules in MathML, with the names of the tensors, and with their numbers. */

const math = (tag, ...children) => made("http://www.w3.org/1998/Math/MathML", tag, {}, children);
const row = (...children) => math("mrow", ...children);
const sign = (text) => math("mo", text);
const OPERANDS = { a: 0, b: 1 };
const MOST_TERMS = 8;

/** Build the elements of a tree, with each letter that is in `put` replaced by its content. */
function built(tree, put, tight = false) {
  const [tag, ...children] = tree;
  if (tag === "mspace") return put.times ? sign("·") : thinSpace();
  if (tag === "mi" && put.letter) {
    const stands = put.letter(children[0], tight);
    if (stands) return stands;
  }
  const snug = tag === "mfrac" || tag === "msqrt";
  const inner = children.map((child) => (Array.isArray(child) ? built(child, put, snug) : child));
  if (tag === "msup" && inner[1].textContent === "2−1") return inner[0];
  return math(tag, ...inner);
}

function thinSpace() {
  const space = math("mspace");
  space.setAttribute("width", "0.22em");
  return space;
}

const bracketed = (inner) => row(sign("("), inner, sign(")"));

function nameOf(title, tight = true) {
  const name = math("mi", title);
  return title.includes(" ") && !title.startsWith("(") && !tight ? bracketed(name) : name;
}
const cotangentOf = (title) =>
  title.includes(" ") ? row(math("mtext", "d"), bracketed(math("mi", title))) : math("mi", `d${title}`);

function numberOf(value, tight = false) {
  const text = brief(value);
  const [, minus, digits, exponent] = /^(−?)([^e]*)(?:e(.*))?$/.exec(text);
  let number = math("mn", digits);
  if (exponent) number = row(number, sign("·"), math("msup", math("mn", "10"), math("mn", exponent)));
  if (!minus) return number;
  const negative = row(sign("−"), number);
  return tight ? negative : bracketed(negative);
}

const named = (node) => ({
  letter(letter, tight) {
    if (letter === "g") return cotangentOf(node.title);
    const input = data.nodes[node.inputs[OPERANDS[letter]]];
    return input ? nameOf(input.title, tight) : null;
  },
});

/** Return the index in an array of shape `narrow`, broadcast to `shape`, of the k-th number. */
function spread(k, shape, narrow) {
  const at = place(k, shape).slice(shape.length - narrow.length);
  return narrow.reduce((index, n, axis) => index * n + (n === 1 ? 0 : at[axis]), 0);
}

const valueAt = (id, k, shape) => data.nodes[id].value[spread(k, shape, data.nodes[id].shape)];

/** Return the numbers that replace the letters, at the k-th place of the result. */
const numbered = (node, k) => ({
  times: true,
  letter(letter, tight) {
    if (letter === "g") return numberOf(node.grad[k], tight);
    const input = node.inputs[OPERANDS[letter]];
    return input === undefined ? null : numberOf(valueAt(input, k, node.shape), tight);
  },
});

/** Write a sum, a part for each term, so that it can continue on a new line between two of them. */
function summed(terms, before = [], after = []) {
  const written = terms.slice(0, MOST_TERMS).map((term, i) => {
    const made = term();
    return i && !/^[-−]/.test(made.textContent) ? [sign("+"), made] : [made];
  });
  if (terms.length > MOST_TERMS) written.push([sign("+"), sign("⋯")]);
  written.at(0)?.unshift(...before);
  written.at(-1)?.push(...after);
  const sum = row(...written.map((term) => row(...term)));
  if (written.length > 1) sum.classList.add("terms");
  return sum;
}

const range = (n) => Array.from({ length: n }, (_, i) => i);

/** List the numbers of the input that a reduction combines into the k-th of its result. */
function gathered(node, k) {
  const { shape } = data.nodes[node.inputs[0]];
  const axes = node.params.axis;
  const kept = place(k, node.params.keepdims ? node.shape : shape.map((n, i) => (axes.includes(i) ? 1 : n)));
  const wanted = node.params.keepdims ? kept : place(k, shape.map((n, i) => (axes.includes(i) ? 1 : n)));
  return range(product(shape)).filter((j) => place(j, shape).every((p, i) => axes.includes(i) || p === wanted[i]));
}

const isMatrixProduct = (node) =>
  node.op === "matmul" && node.inputs.every((i) => data.nodes[i].shape.length === 2);
const isReduction = (node) => (node.op === "sum" || node.op === "mean") && node.params.axis;

const times = (a, b) => row(numberOf(a), sign("·"), numberOf(b));

/** Write the k-th number of the result with the numbers of the inputs; null without a short form. */
function forwardNumbers(node, k) {
  if (![node, ...node.inputs.map((i) => data.nodes[i])].every((n) => isWhole(n.value))) return null;
  if (node.elementwise) return built(node.formula, numbered(node, k));
  if (isReduction(node)) {
    const values = data.nodes[node.inputs[0]].value;
    const from = gathered(node, k);
    const around = node.op === "sum" ? [[], []] : [[math("mfrac", math("mn", "1"), math("mn", from.length)), sign("(")], [sign(")")]];
    return summed(from.map((j) => () => numberOf(values[j])), ...around);
  }
  if (isMatrixProduct(node)) {
    const [x, y] = node.inputs.map((i) => data.nodes[i]);
    const [i, j] = place(k, node.shape);
    const [inner, columns] = y.shape;
    return summed(range(inner).map((n) => () => times(x.value[i * inner + n], y.value[n * columns + j])));
  }
  return null;
}

/** Write the k-th number of the cotangent that the rule passes to input `position`, likewise. */
function backwardNumbers(node, position, k) {
  const inputs = node.inputs.map((i) => data.nodes[i]);
  if (![node.grad, node.value, ...inputs.map((n) => n.value)].every(isWhole)) return null;
  const { shape } = inputs[position];
  if (node.elementwise) {
    const spreads = range(product(node.shape)).filter((j) => spread(j, node.shape, shape) === k);
    return summed(spreads.map((j) => () => built(node.rules[position], numbered(node, j))));
  }
  if (isReduction(node)) {
    const from = range(product(node.shape)).find((j) => gathered(node, j).includes(k));
    const g = numberOf(node.grad[from], node.op === "mean");
    const count = product(shape) / product(node.shape);
    return node.op === "sum" ? g : math("mfrac", g, math("mn", count));
  }
  if (isMatrixProduct(node)) {
    const [x, y] = inputs;
    const [n, inner] = x.shape;
    const columns = y.shape[1];
    const [i, j] = place(k, shape);
    return position === 0
      ? summed(range(columns).map((c) => () => times(node.grad[i * columns + c], y.value[j * columns + c])))
      : summed(range(n).map((r) => () => times(x.value[r * inner + i], node.grad[r * columns + j])));
  }
  return null;
}

function formula(...parts) {
  const element = math("math", ...parts);
  element.setAttribute("display", "block");
  return html("div", { class: "formula" }, element);
}

/** Write an equation whose right side is a sum: the lines break between the terms. */
function brokenIntoLines(left, sum) {
  const pieces = [row(left, sign("=")), ...sum.children].map((piece) => math("math", piece));
  return html("div", { class: "formula lines" }, ...pieces);
}

function forwardFormula(node) {
  const right = built(node.formula, named(node));
  const isItsName = node.name === null || right.textContent === node.title.replaceAll(" ", "");
  return isItsName ? formula(right) : formula(nameOf(node.title), sign("="), right);
}

/** Return whether broadcasting repeated the input, so that its cotangent is a sum. */
const isRepeated = (node, input) => node.elementwise && product(input.shape) < product(node.shape);

function backwardFormula(node, position, isOneOfSeveral) {
  const input = data.nodes[node.inputs[position]];
  const rule = built(node.rules[position], named(node));
  const right = isRepeated(node, input) ? row(sign("∑"), rule) : rule;
  return formula(cotangentOf(input.title), sign(isOneOfSeveral ? "+=" : "="), right);
}
