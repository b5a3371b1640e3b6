/* What each primitive computes forward, on arrays {shape, data: Float64Array}, as NumPy does.
   There is no rule of differentiation here: the backward pass is a program of these too. Truth
   values are 0 and 1. The caller rounds results to float32 or float16. */

const kernels = (() => {
const remembered = new Map();

/** Compute once for each key: positions depend on shapes, which never change in a page. */
function once(key, compute) {
  if (!remembered.has(key)) remembered.set(key, compute());
  return remembered.get(key);
}

const stridesOf = (shape) => shape.map((_, axis) => product(shape.slice(axis + 1)));

/** List the positions that an array of `shape` visits in memory with these strides. */
function walked(shape, strides, start = 0) {
  return once(`${shape}|${strides}|${start}`, () => {
    const places = new Int32Array(product(shape));
    const at = shape.map(() => 0);
    let place = start;
    for (let k = 0; k < places.length; k++) {
      places[k] = place;
      for (let axis = shape.length - 1; axis >= 0; axis--) {
        place += strides[axis];
        if (++at[axis] < shape[axis]) break;
        place -= strides[axis] * shape[axis];
        at[axis] = 0;
      }
    }
    return places;
  });
}

function common(shapes) {
  const axes = Math.max(...shapes.map((shape) => shape.length));
  return Array.from({ length: axes }, (_, axis) => {
    const lengths = shapes.map((shape) => shape[axis - axes + shape.length] ?? 1);
    return lengths.find((n) => n !== 1) ?? 1;
  });
}

/** List the position in an array of shape `narrow` for each place of `shape`, to which it broadcasts. */
function repeated(shape, narrow) {
  const added = shape.length - narrow.length;
  const strides = stridesOf(narrow);
  return walked(shape, shape.map((_, axis) => (axis < added || narrow[axis - added] === 1 ? 0 : strides[axis - added])));
}

const taken = (x, shape, places) => ({ shape, data: Float64Array.from(places, (place) => x.data[place]) });

/** Make a kernel of a function of numbers; its operands broadcast. */
function elementwise(f) {
  return (xs, params) => {
    const shape = common(xs.map((x) => x.shape));
    const data = new Float64Array(product(shape));
    const [a, b, c] = xs.map((x) => (x.data.length === data.length ? x : taken(x, shape, repeated(shape, x.shape))).data);
    if (xs.length === 1) for (let k = 0; k < data.length; k++) data[k] = f(a[k], params);
    else if (xs.length === 2) for (let k = 0; k < data.length; k++) data[k] = f(a[k], b[k]);
    else for (let k = 0; k < data.length; k++) data[k] = f(a[k], b[k], c[k]);
    return { shape, data };
  };
}

/** Make a kernel that combines the numbers along axes, from `start`; `finish` gets their count. */
function reduction(start, combine, finish = (total) => total) {
  return ([x], { axis, keepdims }) => {
    const kept = x.shape.map((n, i) => (axis.includes(i) ? 1 : n));
    const data = new Float64Array(product(kept)).fill(start);
    const places = repeated(x.shape, kept);
    for (let k = 0; k < places.length; k++) data[places[k]] = combine(data[places[k]], x.data[k]);
    const count = product(axis.map((i) => x.shape[i]));
    for (let k = 0; k < data.length; k++) data[k] = finish(data[k], count);
    return { shape: keepdims ? kept : kept.filter((_, i) => !axis.includes(i)), data };
  };
}

const mean = reduction(0, (total, x) => total + x, (total, count) => total / count);

function variance([x], { axis, ddof, keepdims }) {
  const centre = mean([x], { axis, keepdims: true });
  const squares = elementwise((a, m) => (a - m) ** 2)([x, centre]);
  const total = all.sum([squares], { axis, keepdims });
  const count = product(axis.map((i) => x.shape[i]));
  return { shape: total.shape, data: total.data.map((value) => (value / count) * (count / (count - ddof))) };
}

/** Find along an axis (null: in all numbers) the first place of the extreme; NaN is the most extreme. */
function extreme(isBeyond) {
  return ([x], { axis = null, keepdims = false }) => {
    const shape = axis === null ? [x.data.length] : x.shape;
    const along = axis === null ? 0 : (axis + shape.length) % shape.length;
    const kept = shape.map((n, i) => (i === along ? 1 : n));
    const data = new Float64Array(product(kept));
    const [starts, step] = [walked(kept, stridesOf(shape)), stridesOf(shape)[along]];
    starts.forEach((start, k) => {
      let best = x.data[start];
      for (let i = 1; i < shape[along] && !Number.isNaN(best); i++) {
        const value = x.data[start + i * step];
        if (isBeyond(value, best) || Number.isNaN(value)) [best, data[k]] = [value, i];
      }
    });
    const whole = axis === null ? x.shape.map(() => 1) : kept;
    return { shape: keepdims ? whole : axis === null ? [] : kept.filter((_, i) => i !== along), data };
  };
}

function matmul([x, y]) {
  const [left, right] = [x.shape.length > 1 ? x.shape : [1, ...x.shape], y.shape.length > 1 ? y.shape : [...y.shape, 1]];
  const [rows, inner, columns] = [left.at(-2), left.at(-1), right.at(-1)];
  const batch = common([left.slice(0, -2), right.slice(0, -2)]);
  const [a, b] = [left, right].map((shape) => repeated(batch, shape.slice(0, -2)));
  const data = new Float64Array(product(batch) * rows * columns);
  for (let n = 0, out = 0; n < a.length; n++)
    for (let i = 0; i < rows; i++, out += columns)
      for (let k = 0; k < inner; k++) {
        const factor = x.data[(a[n] * rows + i) * inner + k];
        const from = (b[n] * inner + k) * columns;
        for (let j = 0; j < columns; j++) data[out + j] += factor * y.data[from + j];
      }
  const ends = [...(x.shape.length > 1 ? [rows] : []), ...(y.shape.length > 1 ? [columns] : [])];
  return { shape: [...batch, ...ends], data };
}

function concatenate(xs, { axis }) {
  const shape = xs[0].shape.map((n, i) => (i === axis ? xs.reduce((total, x) => total + x.shape[i], 0) : n));
  const data = new Float64Array(product(shape));
  let start = 0;
  for (const x of xs) {
    walked(x.shape, stridesOf(shape), start).forEach((place, k) => (data[place] = x.data[k]));
    start += x.shape[axis] * stridesOf(shape)[axis];
  }
  return { shape, data };
}

function stack(xs, { axis }) {
  const longer = (shape) => [...shape.slice(0, axis), 1, ...shape.slice(axis)];
  return concatenate(xs.map((x) => ({ shape: longer(x.shape), data: x.data })), { axis });
}

function added(x, shape, places) {
  const data = new Float64Array(product(shape));
  for (let k = 0; k < places.length; k++) if (places[k] >= 0) data[places[k]] += x.data[k];
  return { shape, data };
}

/** List the places in an array of `shape` that an array of indices names along an axis. */
function along(shape, indices, axis) {
  const strides = stridesOf(shape);
  const others = strides.map((stride, i) => (i === axis ? 0 : stride));
  return walked(indices.shape, others).map((place, k) => place + ((indices.data[k] + shape[axis]) % shape[axis]) * strides[axis]);
}

/** List for each number of the windows its place in the image, -1 in the padding. */
function windowPlaces([n, channels, height, width], kernel, stride, padding) {
  const [rows, columns] = [height, width].map((size, i) => Math.floor((size + 2 * padding[i] - kernel[i]) / stride[i]) + 1);
  const shape = [channels, ...kernel, n, rows, columns];
  const places = once(`windows|${n}|${shape}|${[height, width]}|${stride}|${padding}`, () =>
    Int32Array.from({ length: product(shape) }, (_, k) => {
      const [channel, i, j, image, row, column] = place(k, shape);
      const [y, x] = [row * stride[0] + i - padding[0], column * stride[1] + j - padding[1]];
      return y < 0 || x < 0 || y >= height || x >= width ? -1 : ((image * channels + channel) * height + y) * width + x;
    }));
  return [shape, places];
}

function windows([x], { kernel, stride, padding, fill }) {
  const [shape, places] = windowPlaces(x.shape, kernel, stride, padding);
  return { shape, data: Float64Array.from(places, (at) => (at < 0 ? Number(fill) : x.data[at])) };
}

function overlapAdd([x], { size, stride, padding }) {
  const [channels, high, wide, n] = x.shape;
  const shape = [n, channels, ...size];
  return added(x, shape, windowPlaces(shape, [high, wide], stride, padding)[1]);
}

/** Compute a^b as C does; JavaScript has NaN for 1^NaN and (-1)^Infinity. */
function power(a, b) {
  if (b === 2) return a * a;
  return a === 1 || (a === -1 && Math.abs(b) === Infinity) ? 1 : a ** b;
}

function sigmoid(a) {
  const e = Math.exp(-Math.abs(a));
  return (a >= 0 ? 1 : e) / (1 + e);
}

const CONVERT = { b: (a) => Number(a !== 0), i: Math.trunc, u: Math.trunc, f: (a) => a };

const truth = (f) => elementwise((a, b) => Number(f(a, b)));

const all = {
  add: elementwise((a, b) => a + b), sub: elementwise((a, b) => a - b), mul: elementwise((a, b) => a * b),
  div: elementwise((a, b) => a / b), neg: elementwise((a) => -a), pow: elementwise(power),
  sqrt: elementwise(Math.sqrt), exp: elementwise((a) => Math.exp(a)), log: elementwise((a) => Math.log(a)),
  sin: elementwise((a) => Math.sin(a)), cos: elementwise((a) => Math.cos(a)), tanh: elementwise((a) => Math.tanh(a)),
  sigmoid: elementwise(sigmoid), relu: elementwise((a) => Math.max(a, 0)),
  leaky_relu: elementwise((a, { negative_slope }) => (a > 0 ? a : negative_slope * a)),
  sign: elementwise((a) => Math.sign(a)), abs: elementwise((a) => Math.abs(a)),
  maximum: elementwise((a, b) => Math.max(a, b)), minimum: elementwise((a, b) => Math.min(a, b)),
  where: elementwise((a, b, c) => (a !== 0 ? b : c)), clip: elementwise((a, low, high) => Math.min(Math.max(a, low), high)),
  sum: reduction(0, (total, x) => total + x), mean, var: variance,
  max: reduction(-Infinity, (so_far, x) => Math.max(so_far, x)), min: reduction(Infinity, (so_far, x) => Math.min(so_far, x)),
  matmul, concatenate, stack, windows, overlap_add: overlapAdd,
  reshape: ([x], { shape }) => ({ shape, data: x.data }),
  transpose: ([x], { axes }) => {
    const [shape, strides] = [axes.map((i) => x.shape[i]), axes.map((i) => stridesOf(x.shape)[i])];
    return taken(x, shape, walked(shape, strides));
  },
  broadcast_to: ([x], { shape }) => taken(x, shape, repeated(shape, x.shape)),
  getitem: ([x], { shape, places }) => taken(x, shape, places),
  scatter: ([x], { shape, places }) => added(x, shape, places),
  take_along_axis: ([x, indices], { axis }) => taken(x, indices.shape, along(x.shape, indices, axis)),
  add_along_axis: ([x, indices], { axis, shape }) => added(x, shape, along(shape, indices, axis)),
  astype: elementwise((a, { dtype }) => CONVERT[dtype](a)), detach: ([x]) => x,
  less: truth((a, b) => a < b), less_equal: truth((a, b) => a <= b), greater: truth((a, b) => a > b),
  greater_equal: truth((a, b) => a >= b), equal: truth((a, b) => a === b), not_equal: truth((a, b) => a !== b),
  logical_and: truth((a, b) => a !== 0 && b !== 0), logical_or: truth((a, b) => a !== 0 || b !== 0),
  logical_xor: truth((a, b) => (a !== 0) !== (b !== 0)), logical_not: truth((a) => a === 0),
  isnan: truth(Number.isNaN), isinf: truth((a) => Math.abs(a) === Infinity), isfinite: truth(Number.isFinite),
  signbit: truth((a) => a < 0 || Object.is(a, -0)),
  any: reduction(0, (so_far, x) => Number(so_far || x !== 0)), all: reduction(1, (so_far, x) => Number(so_far && x !== 0)),
  count_nonzero: reduction(0, (so_far, x) => so_far + Number(x !== 0)),
  argmax: extreme((a, b) => a > b), argmin: extreme((a, b) => a < b),
};
return all;
})();
