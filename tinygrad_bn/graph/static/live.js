/* The state of a page that computes: the values of all variables of its program, what was changed,
   undo, the link, and the hooks of window.tinygrad. It knows no card and no panel. */

const MOST_SHOWN = 4000; // numbers of one array; of more the page shows statistics
const live = data.live.not === undefined ? data.live : null;
const values = []; // of each variable of the program: {shape, data: Float64Array}
const given = new Map(); // the leaves as they were saved
const changes = { done: [], undone: [], gesture: null };
let computed = 0; // how often all was computed; 0: what is shown is what was saved
let compared = 0; // the `computed` for which the closed forms were computed
let isChanged = false;

function decoded(stored) {
  if (isWhole(stored)) return Float64Array.from(stored, Number);
  const [[bytes, text]] = Object.entries(stored);
  const { buffer } = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return Float64Array.from(bytes === "4" ? new Float32Array(buffer) : new Float64Array(buffer));
}

/** Round to float16, ties to even. */
function half(x) {
  const size = Math.abs(x);
  if (!(size > 0) || size === Infinity) return x;
  let exponent = Math.floor(Math.log2(size));
  if (2 ** exponent > size) exponent -= 1;
  const unit = 2 ** (Math.max(exponent, -14) - 10);
  const large = unit * 1.5 * 2 ** 52;
  const rounded = x + large - large;
  return Math.abs(rounded) > 65504 ? Math.sign(x) * Infinity : rounded;
}
const ROUND = { 32: Math.fround, 16: half };

function rounded(array, bits) {
  return bits ? { shape: array.shape, data: array.data.map(ROUND[bits]) } : array;
}

/** Evaluate equations in their order; `known` has the leaves, and gets the results. */
function evaluate(equations, known) {
  for (const [out, op, inputs, params, bits] of equations)
    known[out] = rounded(kernels[op](inputs.map((i) => known[i]), params), bits);
}

/** Compute both passes. */
function compute() {
  evaluate(live.equations, values);
  computed += 1;
}

/** Return a variable of a comparison: the closed forms are computed when they are asked for. */
function inComparison(variable) {
  if (compared !== computed) evaluate(live.closed, values);
  compared = computed;
  return values[variable];
}

/** Return the node whose value, or whose upstream gradient, a leaf of the program is. */
const upstream = new Map(live?.upstream ?? []);
const ownerOf = new Map([...(live?.editable ?? []).map((id) => [id, id]), ...[...upstream].map(([id, leaf]) => [leaf, id])]);
const valueLeaf = (id) => (live?.editable.includes(id) ? id : null);
const gradLeaf = (id) => upstream.get(id) ?? null;

/** Statistics and a sample of an array that is too large to be shown. */
function statistics({ shape, data: numbers }) {
  const finite = numbers.filter(Number.isFinite);
  const [low, high] = finite.length ? finite.reduce(([a, b], x) => [Math.min(a, x), Math.max(b, x)], [Infinity, -Infinity]) : [0, 0];
  const mean = finite.reduce((sum, x) => sum + x / finite.length, 0);
  const std = Math.sqrt(finite.reduce((sum, x) => sum + (x - mean) ** 2 / finite.length, 0));
  const counts = new Array(24).fill(0);
  for (const x of finite) counts[Math.min(23, Math.floor(((x - low) / (high - low || 1)) * 24))]++;
  const columns = shape.at(-1) ?? 1;
  const rows = shape.length > 1 ? Math.min(4, shape.at(-2)) : 1;
  const sample = Array.from({ length: rows }, (_, i) => [...numbers.slice(i * columns, i * columns + Math.min(4, columns))]);
  return { size: numbers.length, sample, facts: [low, high, mean, std], notFinite: numbers.length - finite.length, counts };
}

/** Return what a node shows: what was saved, or once something is changed what was computed. */
function current(variable, saved, lists, read) {
  if (!isChanged && isWhole(saved)) return saved;
  if (!computed) compute();
  if (lists.at !== computed) {
    lists.at = computed;
    lists.clear();
  }
  if (!lists.has(variable)) {
    const array = read(variable);
    lists.set(variable, array.data.length > MOST_SHOWN && !isWhole(saved) ? statistics(array) : Array.from(array.data));
  }
  return lists.get(variable);
}

/** Let the nodes show the program's variables. */
function connect() {
  const lists = new Map();
  const shows = (object, key, variable, read = (v) => values[v]) => {
    const saved = object[key];
    Object.defineProperty(object, key, { get: () => current(variable, saved, lists, read) });
  };
  data.nodes.forEach((node, id) => {
    const saved = [node.brief, node.gradBrief];
    if (!node.weak) shows(node, "value", id);
    if (node.grad !== null) shows(node, "grad", live.grads[id]);
    node.parts?.forEach((part, k) => part !== null && part !== "grad" && shows(node.parts, k, live.parts[id][k]));
    Object.defineProperty(node, "brief", { get: () => (isChanged && !node.weak ? briefly(node.value, 17) : saved[0]) });
    Object.defineProperty(node, "gradBrief", { get: () => (isChanged && node.grad !== null ? briefly(node.grad, 15) : saved[1]) });
  });
  data.comparisons.forEach((comparison, i) => {
    const { graph, forms, tolerance } = live.comparisons[i];
    shows(comparison, "graph", graph, inComparison);
    comparison.forms.forEach((form, k) => shows(form, "value", forms[k], inComparison));
    const saved = { ...comparison, forms: comparison.forms.map((form) => form.difference) };
    const numbers = (v) => inComparison(v).data;
    const differences = (k) => numbers(graph).map((x, j) => Math.abs(x - numbers(forms[k])[j]));
    const finite = () => [graph, ...forms].every((v) => numbers(v).every(Number.isFinite));
    const within = () => forms.every((_, k) => differences(k).every((d, j) => d <= numbers(tolerance)[j]));
    const now = (object, key, kept, computeNow) => Object.defineProperty(object, key, { get: () => (isChanged ? computeNow() : kept) });
    comparison.forms.forEach((form, k) => now(form, "difference", saved.forms[k], () => differences(k).reduce((a, b) => Math.max(a, b), 0)));
    const ratios = () => forms.map((_, k) => differences(k)).reduce((a, b) => a.map((d, j) => Math.max(d, b[j]))).map((d, j) => d / numbers(tolerance)[j]);
    const closest = () => numbers(tolerance)[ratios().reduce((most, ratio, j, all) => (ratio > all[most] ? j : most), 0)] ?? 0;
    now(comparison, "tolerance", saved.tolerance, closest); // where a difference comes closest to it
    now(comparison, "finite", saved.finite, finite);
    now(comparison, "agrees", saved.agrees, within);
  });
}

/** Change leaves, a Map from variable to numbers, and compute all anew. */
function change(leaves) {
  for (const [variable, numbers] of leaves) {
    const { dtype, shape } = data.nodes[ownerOf.get(variable)];
    values[variable] = rounded({ shape, data: Float64Array.from(numbers) }, { float32: 32, float16: 16 }[dtype]);
  }
  isChanged = changedPlaces().length > 0;
  compute();
  tell();
}

/** Change leaves in a way that can be undone; changes of one gesture are undone together. */
function edit(leaves, gesture = null) {
  const before = new Map([...leaves.keys()].map((variable) => [variable, values[variable].data]));
  if (gesture === null || gesture !== changes.gesture) changes.done.push(before);
  else for (const [variable, numbers] of before) if (!changes.done.at(-1).has(variable)) changes.done.at(-1).set(variable, numbers);
  changes.gesture = gesture;
  changes.undone.length = 0;
  change(leaves);
}

function undo(from = changes.done, to = changes.undone) {
  if (!from.length) return;
  const leaves = from.pop();
  to.push(new Map([...leaves.keys()].map((variable) => [variable, values[variable].data])));
  changes.gesture = null;
  change(leaves);
}
const redo = () => undo(changes.undone, changes.done);

function reset() {
  const leaves = new Map(changedPlaces().map(([variable]) => [variable, given.get(variable)]));
  if (leaves.size) edit(leaves);
}

/** List what differs from the saved page: [variable, place, number]. */
function changedPlaces() {
  const places = [];
  for (const variable of ownerOf.keys())
    values[variable].data.forEach((x, k) => Object.is(x, given.get(variable)[k]) || places.push([variable, k, x]));
  return places;
}

/** Write the changes for the link of the page: &set=variable:place:number,... */
function changesInLink() {
  if (!isChanged) return "";
  return `&set=${changedPlaces().map((place) => place.join(":").replace("+", "")).join(",")}`;
}

/** Read the changes of a link; return whether all of them fit this graph. */
function followChanges(text) {
  const leaves = new Map(changedPlaces().map(([variable]) => [variable, given.get(variable)]));
  let fits = true;
  for (const item of text ? text.split(",") : []) {
    const [variable, k, x] = item.split(":");
    const numbers = given.get(Number(variable));
    const isThere = ownerOf.has(Number(variable)) && /^\d+$/.test(k) && numbers[k] !== undefined && x && !Number.isNaN(Number(x));
    if (!isThere) fits = false;
    else {
      if (!leaves.has(Number(variable)) || leaves.get(Number(variable)) === numbers) leaves.set(Number(variable), numbers.slice());
      leaves.get(Number(variable))[k] = Number(x);
    }
  }
  if (leaves.size) change(leaves);
  return fits;
}

// What hears of changes: the page itself, and the page around it, once that has said hello

const listeners = [];
let parentWindow = null;
function tell() {
  for (const listener of listeners) listener();
  parentWindow?.postMessage({ tinygrad: Object.fromEntries([...ownerOf].map(([v, id]) => [v === id ? id : `d${id}`, nested(values[v], inWords)])) }, "*");
}

function nested({ shape, data: numbers }, write = (x) => x) {
  const list = Array.from(numbers, write);
  const split = (inner, axis) => {
    const n = product(shape.slice(axis));
    return Array.from({ length: shape[axis - 1] }, (_, i) =>
      (axis === shape.length ? inner[i] : split(inner.slice(i * n, (i + 1) * n), axis + 1)));
  };
  return shape.length ? split(list, 1) : list[0];
}
const inWords = (x) => (Number.isFinite(x) ? x : String(x)); // JSON lacks NaN and infinities

const why = () => `this page does not compute: ${data.live.not}`;

window.tinygrad = {
  /** List the nodes: id, name, operation, inputs, and whether `set` takes a value for it. */
  nodes: () => data.nodes.map(({ name, title, kind, op = null, scope, shape, dtype, inputs }, id) =>
    ({ id, name, title, kind, op, scope, shape, dtype, inputs, canBeSet: valueLeaf(id) !== null || gradLeaf(id) !== null })),
  /** Return the value of a node as nested lists. */
  value: (id) => shownNumbers(id, data.nodes[id].value, id),
  /** Return the gradient of a node as nested lists; null if it has none. */
  grad: (id) => (data.nodes[id].grad === null ? null : shownNumbers(id, data.nodes[id].grad, live?.grads[id])),
  /** Replace the value of a leaf, or the upstream gradient of an output. */
  set(id, array) {
    if (!live) throw new Error(why());
    const variable = valueLeaf(id) ?? gradLeaf(id);
    if (variable === null) throw new Error(`node ${id} is computed: only leaves, and the gradient of an output, can be set`);
    const numbers = flatNumbers(array);
    const { shape } = data.nodes[id];
    if (numbers.length !== product(shape)) throw new Error(`node ${id} has shape ${shapeText(shape)}, but ${numbers.length} numbers came`);
    edit(new Map([[variable, numbers]]));
  },
};

/** List the numbers of nested lists; NaN and infinities may be words, as JSON lacks them. */
function flatNumbers(array) {
  return (ArrayBuffer.isView(array) ? Array.from(array) : [array].flat(Infinity)).map((x) => {
    if (typeof x === "number" || ["NaN", "Infinity", "-Infinity"].includes(x)) return Number(x);
    throw new Error(`numbers are expected, but ${JSON.stringify(x)} came`);
  });
}

function shownNumbers(id, array, variable) {
  if (isWhole(array)) return nested({ shape: data.nodes[id].shape, data: array.map(Number) });
  if (!live) throw new Error(why());
  return nested(values[variable]);
}

addEventListener("message", ({ source, data: message }) => {
  if (!live || window.parent === window || source !== window.parent || message?.tinygrad === undefined) return;
  const before = parentWindow;
  parentWindow = null; // what comes from around is not sent back
  try {
    const wanted = Object.entries(message.tinygrad ?? {}).map(([key, array]) =>
      [key[0] === "d" ? gradLeaf(Number(key.slice(1))) : valueLeaf(Number(key)), flatNumbers(array)]);
    const leaves = wanted.filter(([v, numbers]) => v !== null && numbers.length === values[v].data.length &&
      numbers.some((x, k) => !Object.is(x, values[v].data[k])));
    if (leaves.length) edit(new Map(leaves));
  } finally {
    parentWindow = before ?? source;
  }
});

if (live) {
  for (const [variable, shape, stored] of live.leaves) {
    values[variable] = { shape, data: decoded(stored) };
    if (ownerOf.has(variable)) given.set(variable, values[variable].data);
  }
  connect();
}
