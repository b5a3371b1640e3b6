/* The graph on the page: the layouts of the unfolded scopes are combined, cards and arrows are
   drawn, and the drawing is panned and zoomed. */

const PAD = 16;
const HEAD = 26;
const [CARD_W, CARD_H] = data.card;
const [FOLDED_W, FOLDED_H] = data.folded; // with GAP above and below
const GAP = 12;
const BADGE = 12;
const SMOOTHLY = 400; // above this number of nodes, folding is not animated
const unfolded = new Set();
const cards = new Map(); // "n12" or "s3" -> its element
const arrows = new Map(); // "scope tail head source" -> its path
const placed = new Map(); // "n12" or "s3" -> [x, y, width, height], the corner at the upper left
const camera = { x: 0, y: 0, k: 1, gliding: 0, rest: 0 };
const drawing = byId("drawing");
const view = byId("view");
const layers = { frames: svg("g"), arrows: svg("g", { class: "arrows" }), cards: svg("g") };
view.append(layers.frames, layers.arrows, layers.cards);

const children = data.scopes.map(() => []);
data.scopes.forEach((scope, k) => scope.parent === null || children[scope.parent].push(k));
const members = data.scopes.map(() => []);
data.nodes.forEach((node, id) => members[node.in].push(id));
const inside = data.scopes.map((_, k) => members[k].length);
for (let k = data.scopes.length - 1; k > 0; k--) inside[data.scopes[k].parent] += inside[k];

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

/** Lay out a scope with the unfolded scopes in it; the corner of its content is at (0, 0). */
function composed(k) {
  const { w, h, at, edges } = data.layouts[k];
  const grown = children[k].filter((c) => unfolded.has(c)).map((c) => {
    const inner = composed(c);
    return { c, inner, x: at[`s${c}`][0], y: at[`s${c}`][1],
      w: Math.max(inner.w + 2 * PAD, FOLDED_W), h: inner.h + 2 * PAD + HEAD + 2 * GAP };
  });
  const mapX = stretched(grown.map((g) => [g.x - FOLDED_W / 2, g.x + FOLDED_W / 2, g.w - FOLDED_W]));
  const mapY = stretched(grown.map((g) => [g.y - FOLDED_H / 2, g.y + FOLDED_H / 2, g.h - FOLDED_H]));
  const out = { w: mapX(w), h: mapY(h), items: [], frames: [], paths: [], ports: {} };
  const frames = {};
  for (const g of grown) {
    const left = (mapX(g.x - FOLDED_W / 2) + mapX(g.x + FOLDED_W / 2) - g.w) / 2;
    const height = g.h - 2 * GAP;
    const top = (mapY(g.y - FOLDED_H / 2) + mapY(g.y + FOLDED_H / 2) - height) / 2;
    const [dx, dy] = [left + (g.w - g.inner.w) / 2, top + HEAD + PAD];
    frames[`s${g.c}`] = { top, bottom: top + height, ports: g.inner.ports, dx };
    out.frames.push([g.c, left, top, g.w, height], ...g.inner.frames.map(([c, x, y, fw, fh]) => [c, x + dx, y + dy, fw, fh]));
    out.items.push(...g.inner.items.map(([name, x, y]) => [name, x + dx, y + dy]));
    for (const [key, points] of g.inner.paths) out.paths.push([key, points.map(([x, y]) => [x + dx, y + dy])]);
  }
  for (const [name, [x, y]] of Object.entries(at)) {
    if (name[0] === "i" || name[0] === "o") out.ports[name] = mapX(x);
    else if (!frames[name]) out.items.push([name, mapX(x), mapY(y)]);
  }
  for (const [tail, head, source, ...raw] of edges) {
    const points = raw.map(([x, y]) => [mapX(x), mapY(y)]);
    const last = points.length - 1;
    const [start, end] = [points[0], points.at(-1)];
    if (frames[head]) points.splice(-1, 1, [frames[head].ports[`i${source}`] + frames[head].dx, frames[head].top]);
    else if (head[0] === "s") points.splice(-1, 1, [end[0], end[1] + GAP]);
    if (frames[tail]) points.splice(0, 1, [frames[tail].ports[`o${source}`] + frames[tail].dx, frames[tail].bottom]);
    else if (tail[0] === "s") points.splice(0, 1, [start[0], start[1] - GAP]);
    if (frames[head] || frames[tail]) upright(points);
    if (tail[0] === "i") points.unshift(...straight([out.ports[tail], -PAD - HEAD], points[0]));
    if (head[0] === "o") {
      const end = [out.ports[head], out.h + PAD];
      points.push(...straight(points.at(-1), end).slice(1), end);
    }
    out.paths.push([`${k} ${tail} ${head} ${source}`, points]);
  }
  return out;
}

/** Make a curve vertical at both ends, after its ends were moved. */
function upright(points) {
  const [[x0, y0], [x1, y1]] = [points[0], points.at(-1)];
  const reach = Math.min(60, Math.max(14, Math.abs(y1 - y0) / 2));
  points[1] = [x0, y0 + reach];
  points[points.length - 2] = [x1, y1 - reach];
}

/** Return the first three points of a straight curve from `a` to `b`. */
const straight = (a, b) => [a, [a[0], (a[1] + b[1]) / 2], [b[0], (a[1] + b[1]) / 2]];

/** Draw the outline of a card by its kind: square input, cut parameter, round result, double output. */
function outline(kind, w, h, top) {
  const [l, r, t, b] = [-w / 2, w / 2, top, h / 2];
  const c = 9;
  if (kind === "parameter")
    return [svg("path", { class: "card", d: `M${l + c} ${t}H${r - c}L${r} ${t + c}V${b - c}L${r - c} ${b}H${l + c}L${l} ${b - c}V${t + c}z` })];
  const box = (by, cls) => svg("rect", { class: cls, x: l + by, y: t + by, width: r - l - 2 * by, height: b - t - 2 * by,
    rx: kind === "input" ? 1 : kind === "constant" ? 3 : 8 - by });
  return kind === "output" ? [box(0, "card"), box(3.5, "second")] : [box(0, "card")];
}

const clipped = (text, n) => ([...text].length > n ? `${[...text].slice(0, n - 1).join("")}…` : text);

const wordsOf = (node) => (node.name === null || node.title === brief(node.value[0]) ? node.title : `${clipped(node.title, 6)} = ${node.brief}`);

const stale = new Set(); // nodes whose cards have old numbers: they are written when they are seen

/** Write the current numbers on the cards that can be seen, or on all. */
function freshen(all = false) {
  if (view.classList.contains("far") && !all) return;
  const [W, H] = [drawing.clientWidth, drawing.clientHeight]; // read once: it costs a layout
  const isSeen = ([x, y, w, h]) => {
    const [left, top] = [camera.x + x * camera.k, camera.y + y * camera.k];
    return left < W && top < H && left + w * camera.k > 0 && top + h * camera.k > 0;
  };
  const seen = [...stale].filter((id) => all || (placed.has(`n${id}`) && isSeen(placed.get(`n${id}`))));
  for (const id of seen) {
    stale.delete(id);
    relabel(id);
  }
}

/** Write the current numbers on the card of a node. */
function relabel(id) {
  const node = data.nodes[id];
  const card = cards.get(`n${id}`);
  const put = (cls, text) => {
    const line = card?.querySelector(cls);
    if (line && line.textContent !== text) line.textContent = text;
  };
  if (node.small) return put(".only", wordsOf(node));
  put(".value", node.brief);
  put(".grad", gradientLine(id, node, state.step > forwardSteps));
}

function nodeCard(id) {
  const node = data.nodes[id];
  const group = svg("g", { class: `node ${node.kind}`, tabindex: 0, role: "button", "data-id": id });
  const kind = node.op ? `result of ${node.op}` : node.kind;
  group.setAttribute("aria-label", `${node.title}, ${kind}, shape ${shapeText(node.shape)}`);
  group.append(svg("title", {}, node.name ?? node.title));
  if (node.small) {
    const [w, h] = data.number;
    group.append(...outline(node.kind, w, h, -h / 2), svg("text", { class: "only", y: 4 }, wordsOf(node)));
    return group;
  }
  const top = -CARD_H / 2 + BADGE;
  group.append(...outline(node.kind, CARD_W, CARD_H, top));
  const shape = shapeText(node.shape);
  const left = -CARD_W / 2 + 11;
  group.append(
    svg("text", { class: "name", x: left, y: top + 22 }, clipped(node.title, 17 - shape.length / 2)),
    svg("text", { class: "shape", x: CARD_W / 2 - 11, y: top + 22 }, shape),
    svg("text", { class: "value", x: left, y: top + 38 }, node.brief),
    svg("text", { class: "grad", x: left, y: top + 53 }),
  );
  if (node.op) group.append(badge(node.symbol, top));
  return group;
}

function badge(symbol, y) {
  const wide = Math.max(2 * BADGE, [...symbol].length * 8 + 14);
  return svg("g", { class: "badge" }, svg("rect", { x: -wide / 2, y: y - BADGE, width: wide, height: 2 * BADGE, rx: BADGE }),
    svg("text", { y: y + 4 }, symbol));
}

function scopeCard(k) {
  const { name } = data.scopes[k];
  const group = svg("g", { class: "scope", tabindex: 0, role: "button", "data-scope": k, "aria-expanded": false });
  group.setAttribute("aria-label", `scope ${name}, ${inside[k]} nodes, folded`);
  group.append(svg("title", {}, name),
    svg("rect", { class: "behind", x: -FOLDED_W / 2 + 4, y: -FOLDED_H / 2 + GAP + 4, width: FOLDED_W - 4, height: FOLDED_H - 2 * GAP - 4, rx: 6 }),
    svg("rect", { class: "card", x: -FOLDED_W / 2, y: -FOLDED_H / 2 + GAP, width: FOLDED_W - 4, height: FOLDED_H - 2 * GAP - 4, rx: 6 }),
    svg("text", { class: "fold", x: -FOLDED_W / 2 + 14, y: 3 }, "+"),
    svg("text", { class: "name", x: -FOLDED_W / 2 + 30, y: -3 }, clipped(name, 17)),
    svg("text", { class: "shape start", x: -FOLDED_W / 2 + 30, y: 13 }, `${inside[k]} nodes`));
  return group;
}

function frame(k, x, y, w, h) {
  const { name } = data.scopes[k];
  const handle = svg("g", { class: "handle", tabindex: 0, role: "button", "data-scope": k, "aria-expanded": true });
  handle.setAttribute("aria-label", `scope ${name}, ${inside[k]} nodes, unfolded`);
  const wide = Math.min(w - 16, clipped(name, 30).length * 7.5 + 34);
  handle.append(svg("rect", { x: x + 8, y: y + 6, width: wide, height: 20, rx: 5 }),
    svg("text", { class: "fold", x: x + 19, y: y + 20.5 }, "−"),
    svg("text", { class: "label", x: x + 30, y: y + 20 }, clipped(name, 30)));
  return svg("g", { class: "frame" }, svg("rect", { class: "area", x, y, width: w, height: h, rx: 12 }), handle);
}

function curve(points) {
  let d = `M${points[0][0].toFixed(1)} ${points[0][1].toFixed(1)}C`;
  for (const [x, y] of points.slice(1)) d += `${x.toFixed(1)} ${y.toFixed(1)} `;
  return d;
}

/** Draw the graph with the scopes that are unfolded now. */
function draw() {
  const whole = composed(0);
  placed.clear();
  arrows.clear();
  layers.frames.replaceChildren(...whole.frames.map(([k, x, y, w, h]) => {
    placed.set(`s${k}`, [x, y, w, h]);
    return frame(k, x, y, w, h);
  }));
  layers.arrows.replaceChildren(...whole.paths.map(([key, points]) => {
    const path = svg("path", { d: curve(points), class: /^\S+ \S+ o/.test(key) ? "arrow" : "arrow tipped" });
    if (/^\S+ (\S+) s(\d+)/.test(key) && unfolded.has(Number(/^\S+ \S+ s(\d+)/.exec(key)[1]))) path.classList.remove("tipped");
    arrows.set(key, path);
    return path;
  }));
  const before = new Set(layers.cards.children);
  view.classList.toggle("gliding", whole.items.length <= SMOOTHLY);
  const now = whole.items.sort((a, b) => order(a[0]) - order(b[0])).map(([name, x, y]) => {
    if (!cards.has(name)) cards.set(name, name[0] === "n" ? nodeCard(Number(name.slice(1))) : scopeCard(Number(name.slice(1))));
    const card = cards.get(name);
    card.style.transform = `translate(${x.toFixed(1)}px,${y.toFixed(1)}px)`;
    const [w, h] = name[0] === "s" ? [FOLDED_W, FOLDED_H] : data.nodes[name.slice(1)].small ? data.number : [CARD_W, CARD_H];
    placed.set(name, [x - w / 2, y - h / 2, w, h]);
    return card;
  });
  const shownNow = new Set(now);
  for (const card of before) if (!shownNow.has(card)) card.remove();
  if (now.some((card, i) => layers.cards.children[i] !== card)) layers.cards.append(...now);
  placed.set("whole", [0, 0, whole.w, whole.h]);
  freshen();
}
const order = (name) => (name[0] === "n" ? Number(name.slice(1)) : Math.min(...firstInside(Number(name.slice(1)))));
function firstInside(k) {
  return members[k].length ? [members[k][0]] : children[k].flatMap(firstInside);
}

/** Return the name of the item that shows a node: its own, or that of the folded scope around it. */
function drawnAs(id) {
  let name = `n${id}`;
  for (let k = data.nodes[id].in; k; k = data.scopes[k].parent) if (!unfolded.has(k)) name = `s${k}`;
  return name;
}

/** List the scopes around a scope, itself first, the whole graph last. */
function around(k) {
  const path = [k];
  while (k) path.push((k = data.scopes[k].parent));
  return path;
}

/** List the drawn pieces of the arrow between two nodes. */
function arrowBetween(tail, head) {
  const [a, b] = [around(data.nodes[tail].in), around(data.nodes[head].in)];
  const common = a.find((k) => b.includes(k));
  const item = (path, node, k) => (k === path[0] ? `n${node}` : `s${path[path.indexOf(k) - 1]}`);
  const keys = [`${common} ${item(a, tail, common)} ${item(b, head, common)} ${tail}`];
  for (const k of a.slice(0, a.indexOf(common))) keys.push(`${k} ${item(a, tail, k)} o${tail} ${tail}`);
  for (const k of b.slice(0, b.indexOf(common))) keys.push(`${k} i${tail} ${item(b, head, k)} ${tail}`);
  return keys.map((key) => arrows.get(key)).filter(Boolean);
}

/** Move the drawing: as a picture while it moves (fast), drawn again when it stops (sharp). */
function look() {
  view.style.transform = `translate(${camera.x}px,${camera.y}px) scale(${camera.k})`;
  view.style.willChange = "transform";
  view.classList.toggle("far", camera.k < 0.3); // text is too small to be read, and slow to paint
  clearTimeout(camera.rest);
  camera.rest = setTimeout(() => (view.style.willChange = ""), 160);
  if (stale.size) freshen();
}

/** Zoom by a factor about a point of the drawing. */
function zoom(factor, x = drawing.clientWidth / 2, y = drawing.clientHeight / 2) {
  const k = Math.min(4, Math.max(0.02, camera.k * factor));
  camera.x = x - ((x - camera.x) * k) / camera.k;
  camera.y = y - ((y - camera.y) * k) / camera.k;
  camera.k = k;
  look();
}

/** Show the whole graph, with a scale of at least `least`: at the start, large enough to read. */
function fit(least = 0) {
  const [, , w, h] = placed.get("whole");
  const [W, H] = [drawing.clientWidth, drawing.clientHeight];
  camera.k = Math.max(least, Math.min(1.25, (W - 48) / w, (H - 48) / h));
  camera.x = (W - w * camera.k) / 2;
  camera.y = Math.max(24, (H - h * camera.k) / 2);
  if (h * camera.k > H - 48) camera.y = 24;
  look();
}

/** Move the drawing so that an item is visible, if it is not. */
function reveal(name) {
  const [x, y, w, h] = placed.get(name);
  const [left, top] = [camera.x + x * camera.k, camera.y + y * camera.k];
  const [W, H] = [drawing.clientWidth, drawing.clientHeight];
  const isIn = left > 12 && top > 12 && left + w * camera.k < W - 12 && top + h * camera.k < H - 12;
  if (isIn) return;
  const target = [W / 2 - (x + w / 2) * camera.k, H / 2 - (y + h / 2) * camera.k];
  glide(left > 12 && left + w * camera.k < W - 12 ? camera.x : target[0], target[1]);
}

function glide(x, y) {
  cancelAnimationFrame(camera.gliding);
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) {
    Object.assign(camera, { x, y });
    return look();
  }
  const [x0, y0, start] = [camera.x, camera.y, performance.now()];
  const tick = (now) => {
    const t = Math.min(1, (now - start) / 260);
    const eased = 1 - (1 - t) ** 3;
    camera.x = x0 + (x - x0) * eased;
    camera.y = y0 + (y - y0) * eased;
    look();
    if (t < 1) camera.gliding = requestAnimationFrame(tick);
  };
  camera.gliding = requestAnimationFrame(tick);
}

/** Fold or unfold a scope; its corner stays where it is on the screen. */
function toggle(k, open = !unfolded.has(k)) {
  const [x, y] = placed.get(`s${k}`) ?? [0, 0];
  if (open) unfolded.add(k);
  else for (const c of [...unfolded]) if (around(c).includes(k)) unfolded.delete(c);
  draw();
  const [nx, ny] = placed.get(`s${k}`) ?? [0, 0];
  camera.x += (x - nx) * camera.k;
  camera.y += (y - ny) * camera.k;
  look();
}
