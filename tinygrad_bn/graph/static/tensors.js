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
function brief(value) {
  const x = Number(value);
  if (!Number.isFinite(x)) return String(value).replace("Infinity", "∞").replace("-", "−");
  if (x === 0) return "0";
  const size = Math.abs(x);
  const text = size >= 1e-4 && size < 1e6 ? String(Number(x.toPrecision(4))) : x.toExponential(2).replace(/\.?0+e/, "e");
  return text.replace("-", "−").replace(/e\+?(.*)$/, "e$1");
}

const exact = (value) => String(value).replace("-", "−");
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

/** Show an array; `pick` is called with the index of a number that is clicked. */
function shown(array, shape, { picked = -1, pick = null, label = "" } = {}) {
  if (!isWhole(array)) return sampled(array, shape, label);
  if (array.length === 0) return html("p", { class: "quiet" }, "empty");
  const columns = shape.length ? shape[shape.length - 1] : 1;
  if (array.length <= 64 && columns <= 8) return table(array, shape, columns, picked, pick, label);
  const isList = array.length === columns; // in a column, which continues in the next block
  const [rows, across] = isList ? [columns, 1] : [array.length / columns, columns];
  return html("div", {}, heatmap(array, rows, across, shape, { label, picked, pick }), histogram(array));
}

/** Show numbers in a table. Numbers of one axis continue on the next row; of more, the table scrolls by columns. */
function table(array, shape, columns, picked, pick, label) {
  const wide = Math.ceil(Math.max(...array.map((value) => widthOf(brief(value), "cell")))) + 19;
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
      if (pick && array.length > 1) {
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

function heatmap(array, rows, columns, shape, { label, picked, pick }) {
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
  array.forEach((value, k) => {
    pen.fillStyle = shade(value, largest);
    pen.fillRect(...corner(k), side - (side > 5), side - (side > 5));
  });
  if (pick && picked >= 0) {
    const [x, y] = corner(picked);
    pen.lineWidth = 2;
    pen.strokeStyle = getComputedStyle(document.body).color;
    pen.strokeRect(x, y, side - 1, side - 1);
  }
  const caption = html("figcaption", { class: "quiet" },
    `±${brief(largest)}; point at a cell for its number${pick ? ", click for its arithmetic" : ""}`);
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
  if (pick) canvas.addEventListener("click", (event) => at(event) >= 0 && pick(at(event)));
  return html("figure", { class: "heatmap" }, canvas, caption);
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
    html("p", { class: "quiet" }, words), table(sample.flat(), part, part[1], -1, null, `sample of ${label}`));
}
