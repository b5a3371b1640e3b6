"use strict";
/* The data of the page, small helpers for elements, and the display of an array of numbers:
   a table if it is small, otherwise a heatmap and a histogram. */

const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);

function made(space, tag, attributes, children) {
  const element = document.createElementNS(space, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children.filter((child) => child !== null && child !== ""));
  return element;
}
const html = (tag, attributes = {}, ...children) =>
  made("http://www.w3.org/1999/xhtml", tag, attributes, children);
const svg = (tag, attributes = {}, ...children) =>
  made("http://www.w3.org/2000/svg", tag, attributes, children);

/** Write a number with four digits, as in the pictures. */
const brief = (value) => written(value, 4);

function written(value, digits) {
  const x = Number(value);
  if (!Number.isFinite(x)) return String(value).replace("Infinity", "∞").replace("-", "−");
  if (x === 0) return "0";
  const size = Math.abs(x);
  const text = size >= 1e-4 && size < 1e6 ? String(Number(x.toPrecision(digits))) : x.toExponential(Math.min(2, digits - 1)).replace(/\.?0+e/, "e");
  return text.replaceAll("-", "−").replace(/e\+?(.*)$/, "e$1");
}

/** Write an array so that it fits on a card: its numbers, their range, or their largest size. */
function briefly(array, width) {
  const numbers = isWhole(array) ? array.map(Number) : array.facts.slice(0, 2);
  if (!numbers.length) return "empty";
  for (let digits = 4; digits > 2 && numbers.length * 2 - 1 <= width && isWhole(array); digits--) {
    const line = numbers.map((x) => written(x, digits)).join(", ");
    if (line.length <= width) return line;
  }
  if (numbers.every((x) => Object.is(x, numbers[0]))) return `all ${brief(numbers[0])}`;
  const [low, high] = numbers.reduce(([a, b], x) => [Math.min(a, x), Math.max(b, x)], [Infinity, -Infinity]);
  const range = `${written(low, 3)} to ${written(high, 3)}`;
  return range.length <= width + 2 ? range : `up to ±${written(Math.max(-low, high), 3)}`;
}

const exact = (value) => String(value).replaceAll("-", "−");
const isWhole = (array) => Array.isArray(array);
const product = (shape) => shape.reduce((a, b) => a * b, 1);
const shapeText = (shape) => `(${shape.join(", ")}${shape.length === 1 ? "," : ""})`;

/** Return the place of the k-th number, such as [2, 0]. */
function place(k, shape) {
  const at = [];
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    at.unshift(k % shape[axis]);
    k = Math.floor(k / shape[axis]);
  }
  return at;
}
const placeText = (k, shape) => (shape.length ? `[${place(k, shape).join(", ")}]` : "");

/** Show an array; `pick` is called with the index of a number that is clicked. `leaf` is the
    variable of the program whose numbers these are, if they can be changed. */
function shown(array, shape, options = {}) {
  if (!isWhole(array)) return sampled(array, shape, options.label);
  if (array.length === 0) return html("p", { class: "quiet" }, "empty");
  const columns = shape.length ? shape[shape.length - 1] : 1;
  if (array.length <= 64 && columns <= 8) return table(array, shape, columns, options);
  const isList = array.length === columns; // in a column, which continues in the next block
  const [rows, across] = isList ? [columns, 1] : [array.length / columns, columns];
  return html("div", {}, heatmap(array, rows, across, shape, options), histogram(array));
}

/** Show numbers in a table. Numbers of one axis continue on the next row; of more, the table scrolls by columns. */
function table(array, shape, columns, { picked = -1, pick = null, label = "", leaf = null }) {
  const widest = Math.ceil(Math.max(...array.map((value) => widthOf(brief(value), "cell"))));
  const wide = leaf === null ? widest + 19 : Math.max(widest + 19, FIELD);
  const fit = Math.max(1, Math.floor((byId("panel").clientWidth - 80) / wide));
  const isList = array.length === columns;
  const across = isList && columns > fit ? Math.ceil(columns / Math.ceil(columns / fit)) : columns;
  const body = html("tbody");
  for (let start = 0; start < array.length; start += across) {
    const row = html("tr");
    for (let k = start; k < Math.min(start + across, array.length); k++) {
      const title = `${placeText(k, shape)} ${exact(array[k])}`.trim();
      const cell = html("td", { title, class: k === picked ? "picked" : "" });
      cell.style.minWidth = `${wide}px`;
      if (leaf !== null) cell.append(editable(leaf, k, `${label} ${placeText(k, shape)}`.trim()));
      else if (pick && array.length > 1) {
        const button = html("button", { type: "button", "aria-label": title }, brief(array[k]));
        if (k === picked) button.setAttribute("aria-current", "true");
        button.addEventListener("click", () => pick(k));
        cell.append(button);
      } else cell.append(brief(array[k]));
      row.append(cell);
    }
    body.append(row);
  }
  const scrolls = across > fit;
  const frame = html("div", { class: "scroll", ...(scrolls && { tabindex: 0, role: "region", "aria-label": `${label}, scrolls sideways` }) },
    html("table", { class: "numbers", "aria-label": label }, body));
  if (scrolls) frame.style.maxWidth = `${fit * wide + 1}px`; // whole columns
  return frame;
}

const FIELD = 67; // the least width of a number that can be changed

/** Return a colour from blue (negative) through the background (0) to orange (positive). */
function shade(value, largest) {
  const x = Number(value);
  if (!Number.isFinite(x)) return "#888";
  const strength = largest ? Math.min(1, Math.abs(x) / largest) : 0;
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const zero = dark ? [38, 45, 52] : [250, 250, 248];
  const end = x < 0 ? (dark ? [96, 168, 232] : [24, 90, 156]) : dark ? [240, 150, 86] : [184, 84, 16];
  return `rgb(${zero.map((c, i) => Math.round(c + (end[i] - c) * strength)).join(",")})`;
}

/** Find how to divide the rows of a heatmap into blocks side by side, so that it is compact. */
function blocksOf(rows, columns) {
  for (let side = 22; side > 1; side--) {
    const blocks = Math.min(rows, Math.floor((350 + BETWEEN) / (columns * side + BETWEEN)));
    if (blocks && Math.ceil(rows / blocks) * side <= 240) return { side, high: Math.ceil(rows / blocks) };
  }
  return { side: 2, high: Math.ceil(rows / Math.max(1, Math.floor(350 / (2 * columns + BETWEEN)))) };
}
const BETWEEN = 6; // blocks, in pixels
const changing = new Map(); // leaf -> the place of a heatmap whose number can be changed

function heatmap(array, rows, columns, shape, { picked = -1, pick = null, label = "", leaf = null }) {
  const { side, high } = blocksOf(rows, columns);
  const block = columns * side + BETWEEN;
  const canvas = html("canvas", { role: "img", width: Math.ceil(rows / high) * block - BETWEEN, height: Math.min(rows, high) * side });
  const largest = Math.max(...array.map((v) => (Number.isFinite(Number(v)) ? Math.abs(v) : 0)));
  canvas.setAttribute("aria-label", `${label}: heatmap of ${rows} by ${columns} numbers`);
  const pen = canvas.getContext("2d");
  const corner = (k) => {
    const row = Math.floor(k / columns);
    return [Math.floor(row / high) * block + (k % columns) * side, (row % high) * side];
  };
  const paint = (marked) => {
    pen.clearRect(0, 0, canvas.width, canvas.height);
    array.forEach((value, k) => {
      pen.fillStyle = shade(value, largest);
      pen.fillRect(...corner(k), side - (side > 5), side - (side > 5));
    });
    if (marked < 0) return;
    const [x, y] = corner(marked);
    pen.lineWidth = 2;
    pen.strokeStyle = getComputedStyle(document.body).color;
    pen.strokeRect(x, y, side - 1, side - 1);
  };
  const caption = html("figcaption", { class: "quiet" },
    `±${brief(largest)}; point at a cell for its number${pick ? ", click for its arithmetic" : leaf === null ? "" : ", click to change it"}`);
  const rest = caption.textContent;
  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * canvas.width;
    const column = Math.floor((x % block) / side);
    const row = Math.floor(x / block) * high + Math.floor(((event.clientY - box.top) / box.height) * (canvas.height / side));
    return column < columns && row < rows ? row * columns + column : -1;
  };
  canvas.addEventListener("pointermove", (event) => {
    const k = at(event);
    caption.textContent = k < 0 ? rest : `${placeText(k, shape)} = ${exact(array[k])}`;
  });
  canvas.addEventListener("pointerleave", () => (caption.textContent = rest));
  const onPick = pick ?? (leaf === null ? null : (k) => choose(k));
  if (onPick) canvas.addEventListener("click", (event) => at(event) >= 0 && onPick(at(event)));
  if (leaf === null) {
    paint(pick ? picked : -1);
    return html("figure", { class: "heatmap" }, canvas, caption);
  }
  const chosen = html("p", { class: "chosen" });
  const field = html("input", { type: "text", autocomplete: "off", "aria-label": `place in ${label}` });
  const choose = (k) => {
    changing.set(leaf, k);
    paint(k);
    field.value = placeText(k, shape);
    chosen.replaceChildren(field, "=", editable(leaf, k, `${label} ${placeText(k, shape)}`));
  };
  field.addEventListener("change", () => {
    const wanted = (field.value.match(/\d+/g) ?? []).map(Number);
    const isThere = wanted.length === shape.length && wanted.every((i, axis) => i < shape[axis]);
    choose(isThere ? wanted.reduce((k, i, axis) => k * shape[axis] + i, 0) : changing.get(leaf));
  });
  choose(changing.get(leaf) ?? 0);
  return html("figure", { class: "heatmap" }, canvas, caption, chosen);
}

function histogram(array) {
  const finite = array.map(Number).filter(Number.isFinite);
  const low = Math.min(...finite);
  const high = Math.max(...finite);
  const counts = new Array(24).fill(0);
  for (const x of finite) counts[Math.min(23, Math.floor(((x - low) / (high - low || 1)) * 24))]++;
  return bars(counts, low, high);
}

function bars(counts, low, high) {
  const most = Math.max(...counts, 1);
  const drawing = svg("svg", { class: "histogram", viewBox: "0 0 240 48", role: "img",
    "aria-label": `Histogram from ${brief(low)} to ${brief(high)}` });
  counts.forEach((count, k) => {
    const tall = (46 * count) / most;
    const bar = svg("rect", { x: k * 10 + 0.5, y: 48 - tall, width: 9, height: tall });
    bar.append(svg("title", {}, `${count} number${count === 1 ? "" : "s"}`));
    drawing.append(bar);
  });
  const ends = html("figcaption", { class: "ends quiet" }, html("span", {}, brief(low)), html("span", {}, brief(high)));
  return html("figure", { class: "histogram" }, drawing, ends);
}

function sampled(array, shape, label) {
  const [low, high, mean, std] = array.facts.map(brief);
  const { sample } = array;
  const facts = html("dl", { class: "facts" });
  for (const [name, value] of [["from", low], ["to", high], ["mean", mean], ["std", std]])
    facts.append(html("div", {}, html("dt", {}, name), html("dd", {}, value)));
  const part = [sample.length, sample[0].length];
  const words = `${array.size.toLocaleString("en")} numbers are too many for this page: it has their ` +
    `statistics, their histogram, and of the numbers themselves the first ${part[0]} × ${part[1]}.` +
    (array.notFinite ? ` ${array.notFinite} are not finite.` : "");
  return html("div", { class: "sampled" }, facts, bars(array.counts, array.facts[0], array.facts[1]),
    html("p", { class: "quiet" }, words), table(sample.flat(), part, part[1], { label: `sample of ${label}` }));
}
