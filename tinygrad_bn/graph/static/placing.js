/* The places of cards, frames and arrows. Graphviz gave each scope its ranks and the order within
   them; here a rank becomes as high as its highest item, and a scope as wide as its content.

   An arrow runs vertically where it passes a rank, at an x that Graphviz kept free of cards, and
   turns only between two ranks, where there are no cards. An arrow that goes upwards, as in a circle
   between folded scopes, passes the ranks on a lane to the right of all cards. */

const PAD = 9;
const HEAD = 22; // of a frame, for its name
const LANE = 12;
const GAP = 14; // between two ranks; more where an arrow goes far to the side
const SLIM = innerWidth < 600 ? 0.74 : 1; // on a phone, cards and the distances between them are narrower
const [CARD_W, CARD_H] = [data.card[0] * SLIM, data.card[1]];
const [FOLDED_W, FOLDED_H] = [data.folded[0] * SLIM, data.folded[1]];
const [NUMBER_W, NUMBER_H] = [data.number[0] * SLIM, data.number[1]];
const unfolded = new Set();
const placed = new Map(); // "n12" or "s3" -> [x, y, width, height], the corner at the upper left

const children = data.scopes.map(() => []);
data.scopes.forEach((scope, k) => scope.parent === null || children[scope.parent].push(k));
const members = data.scopes.map(() => []);
data.nodes.forEach((node, id) => members[node.in].push(id));
const inside = data.scopes.map((_, k) => members[k].length);
for (let k = data.scopes.length - 1; k > 0; k--) inside[data.scopes[k].parent] += inside[k];

/** List the scopes around a scope, itself first, the whole graph last. */
function around(k) {
  const path = [k];
  while (k) path.push((k = data.scopes[k].parent));
  return path;
}

/** Return the name of the item that shows a node: its own, or that of the folded scope around it. */
function drawnAs(id) {
  let name = `n${id}`;
  for (let k = data.nodes[id].in; k; k = data.scopes[k].parent) if (!unfolded.has(k)) name = `s${k}`;
  return name;
}

/** Return a map of the line in which each interval [from, to, extra] grows by at least `extra`. */
function stretched(intervals) {
  const ends = [...new Set(intervals.flatMap(([from, to]) => [from, to]))].sort((a, b) => a - b);
  const pieces = ends.slice(1).map((to, i) => {
    const from = ends[i];
    const covering = intervals.filter(([a, b]) => a <= from && b >= to);
    return [from, to, Math.max(0, ...covering.map(([a, b, extra]) => extra / (b - a)))];
  });
  return (v) => v + pieces.reduce((sum, [a, b, rate]) => sum + rate * Math.max(0, Math.min(v, b) - a), 0);
}

function sizeOf(name, inner) {
  if (inner.has(name)) return [Math.max(inner.get(name).w + 2 * PAD, FOLDED_W), inner.get(name).h + HEAD + PAD];
  if (name[0] === "s") return [FOLDED_W, FOLDED_H];
  if (name[0] !== "n") return [0, 0]; // a port
  return data.nodes[name.slice(1)].small ? [NUMBER_W, NUMBER_H] : [CARD_W, CARD_H];
}

/** Measure a scope and the unfolded scopes in it. The corner of its content is at (0, 0). */
function measured(k) {
  const { ranks, edges } = data.layouts[k];
  const at = Object.fromEntries(Object.entries(data.layouts[k].at).map(([name, [x, rank]]) => [name, [x * SLIM, rank]]));
  const inner = new Map(children[k].filter((c) => unfolded.has(c)).map((c) => [`s${c}`, measured(c)]));
  const grown = [...inner.keys()].map((name) => [at[name][0] - FOLDED_W / 2, at[name][0] + FOLDED_W / 2, sizeOf(name, inner)[0] - FOLDED_W]);
  const mapX = stretched(grown);
  const items = new Map();
  const bands = Array.from({ length: ranks }, () => ({ height: 0, widest: -1, top: 0, bottom: 0 }));
  for (const [name, [x, rank]] of Object.entries(at)) {
    const [w, h] = sizeOf(name, inner);
    const centre = inner.has(name) ? (mapX(x - FOLDED_W / 2) + mapX(x + FOLDED_W / 2)) / 2 : mapX(x);
    items.set(name, { x: centre, rank, w, h });
    bands[rank].height = Math.max(bands[rank].height, h);
  }
  const scope = { k, inner, items, bands, h: 0, stops: new Map(),
    w: Math.max(...[...items.values()].map(({ x, w }) => x + w / 2), ...edges.flatMap((edge) => edge.slice(3).map(([, x]) => mapX(x * SLIM)))) };
  const lanes = new Map();
  for (const [tail, head, source, ...passed] of edges) {
    const [first, last] = [items.get(tail).rank, items.get(head).rank];
    const between = passed.map(([rank, x]) => [rank, mapX(x * SLIM)]);
    if (first >= last) {
      if (!lanes.has(source)) lanes.set(source, (scope.w += LANE));
      for (let rank = first; rank >= last; rank--) between.push([rank, lanes.get(source)]);
    }
    const stops = [[first, endOf(scope, tail, `o${source}`)], ...between, [last, endOf(scope, head, `i${source}`)]];
    scope.stops.set(`${tail} ${head} ${source}`, stops);
    stops.slice(1).forEach(([rank, x], i) => {
      const band = bands[turn(stops[i][0], rank, i === 0)];
      band.widest = Math.max(band.widest, Math.abs(x - stops[i][1]));
    });
  }
  for (const [rank, band] of bands.entries()) {
    const isEmpty = (rank === 0 || rank === ranks - 1) && band.widest < 0; // no port is there
    band.top = scope.h;
    band.bottom = scope.h += band.height;
    if (rank < ranks - 1 && !isEmpty && !(rank === ranks - 2 && band.widest < 0)) scope.h += GAP + Math.min(50, band.widest * 0.03);
  }
  return scope;
}

/** Return the rank below which an arrow turns between two of its stops. */
function turn(from, to, isFirst) {
  if (from < to) return from;
  if (from > to) return to;
  return isFirst ? from : from - 1; // an arrow that goes upwards turns below its tail and above its head
}

/** Return the x of an end of an arrow: the middle of a card, or a port of an unfolded scope. */
function endOf(scope, name, port) {
  const { x, w } = scope.items.get(name);
  const content = scope.inner.get(name);
  return content ? x - w / 2 + indent(content, w) + content.items.get(port).x : x;
}

const indent = (content, w) => (w - content.w) / 2;

/** Put a measured scope at (x, y), and all that is in it. Return the scopes with their places. */
function put(scope, x, y, scopes = new Map()) {
  scopes.set(scope.k, { ...scope, x, y });
  for (const [name, item] of scope.items) {
    const { top, bottom } = scope.bands[item.rank];
    const left = x + item.x - item.w / 2;
    const upper = y + (top + bottom - item.h) / 2;
    placed.set(name, [left, upper, item.w, item.h]);
    const content = scope.inner.get(name);
    if (content) put(content, left + indent(content, item.w), upper + HEAD, scopes);
  }
  return scopes;
}

/** Place everything that is drawn now. Return what the arrows need to find their ways. */
function placeAll() {
  placed.clear();
  const whole = measured(0);
  const scopes = put(whole, 0, 0);
  placed.set("whole", [0, 0, whole.w, whole.h]);
  return scopes;
}

/** List the parts of the arrow from a node to where another is drawn, one in each scope on its way. */
function piecesOf(tail, head) {
  const [a, b] = [around(data.nodes[tail].in), around(data.nodes[head].in)];
  const common = a.find((k) => b.includes(k));
  const item = (path, node, k) => (k === path[0] ? `n${node}` : `s${path[path.indexOf(k) - 1]}`);
  const isOpen = (k) => around(k).every((outer) => outer === 0 || unfolded.has(outer));
  return [
    ...a.slice(0, a.indexOf(common)).map((k) => [k, item(a, tail, k), `o${tail}`]),
    [common, item(a, tail, common), item(b, head, common)],
    ...b.slice(0, b.indexOf(common)).reverse().map((k) => [k, `i${tail}`, item(b, head, k)]),
  ].filter(([k]) => isOpen(k));
}

/** Return the upright lines [x, from, to] of an arrow: the first begins and the last ends on a card. */
function route(tail, head, scopes) {
  const lines = [];
  for (const [k, from, to] of piecesOf(tail, head)) {
    const { x, y, bands, items, stops } = scopes.get(k);
    const way = stops.get(`${from} ${to} ${tail}`);
    const down = way[0][0] < way.at(-1)[0];
    way.forEach(([rank, at], i) => {
      let [start, end] = [y + bands[rank].top, y + bands[rank].bottom];
      const { h } = items.get(i ? to : from);
      const middle = (start + end) / 2;
      if (i === 0) start = from[0] === "i" ? y - HEAD : middle + h / 2;
      else if (i === way.length - 1) end = to[0] === "o" ? y + scopes.get(k).h + PAD : middle - h / 2;
      else if (!down) [start, end] = [end, start];
      lines.push([x + at, start, end]);
    });
  }
  return lines;
}

/** Return the path through upright lines, which are joined by curves. */
function curve(lines) {
  const number = (v) => v.toFixed(1);
  let d = "";
  let [x, y, heading] = [0, 0, 1];
  for (const [i, [nx, from, to]] of lines.entries()) {
    const isPoint = Math.abs(to - from) < 0.5; // at the ends, which arrows leave and reach downwards
    const next = isPoint ? (i && i < lines.length - 1 ? heading : 1) : Math.sign(to - from);
    if (!i) d = `M${number(nx)} ${number(from)}`;
    else if (Math.abs(nx - x) < 0.5 && heading === next) d += `L${number(nx)} ${number(from)}`;
    else {
      const bend = heading === next ? Math.max(4, ((from - y) * heading) / 2) : 14;
      d += `C${number(x)} ${number(y + heading * bend)} ${number(nx)} ${number(from - next * bend)} ${number(nx)} ${number(from)}`;
    }
    if (!isPoint) d += `V${number(to)}`;
    [x, y, heading] = [nx, to, next];
  }
  return d;
}
