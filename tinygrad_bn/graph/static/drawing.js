/* The graph on the page: a card for each node and folded scope, a frame for each unfolded scope,
   and the arrows between them. */

const BADGE = 18; // the height of the sign of an operation
const SIDE = 9; // between the border of a card and its text
const SMOOTHLY = 400; // above this number of nodes, folding is not animated
const cards = new Map(); // "n12" or "s3" -> its element
const arrows = new Map(); // "tail head", a node and an item -> the path between them
const drawing = byId("drawing");
const view = byId("view");
const layers = { frames: svg("g"), arrows: svg("g", { class: "arrows" }), cards: svg("g") };
view.append(layers.frames, layers.arrows, layers.cards);

const pen = document.createElement("canvas").getContext("2d");
const family = (name) => getComputedStyle(document.documentElement).getPropertyValue(name);
const FONTS = { name: `600 13.5px ${family("--sans")}`, sign: `600 12.5px ${family("--sans")}`,
  plain: `12.5px ${family("--sans")}`, value: `12.5px ${family("--mono")}`, cell: `700 12px ${family("--mono")}` };

function widthOf(text, font) {
  pen.font = FONTS[font];
  return pen.measureText(text).width;
}

/** Shorten a text so that it is at most `room` wide. */
function clipped(text, font, room) {
  if (widthOf(text, font) <= room) return text;
  const letters = [...text];
  while (letters.length && widthOf(`${letters.join("")}…`, font) > room) letters.pop();
  return `${letters.join("")}…`;
}

/** Draw the outline of a card by its kind: square input, cut parameter, round result, double output. */
function outline(kind, w, h) {
  const [l, r, t, b] = [-w / 2, w / 2, -h / 2, h / 2];
  const c = 7;
  if (kind === "parameter")
    return [svg("path", { class: "card", d: `M${l + c} ${t}H${r - c}L${r} ${t + c}V${b - c}L${r - c} ${b}H${l + c}L${l} ${b - c}V${t + c}z` })];
  const box = (by, cls) => svg("rect", { class: cls, x: l + by, y: t + by, width: r - l - 2 * by, height: b - t - 2 * by,
    rx: kind === "input" ? 1 : kind === "constant" ? 3 : 8 - by });
  return kind === "output" ? [box(0, "card"), box(2.5, "second")] : [box(0, "card")];
}

/** Return what stands on the card of a single number. */
function wordsOf(node) {
  const isItself = node.name === null || node.title === brief(node.value[0]);
  return clipped(isItself ? node.title : `${node.title} = ${node.brief}`, "plain", NUMBER_W - 6);
}

const onCard = (line) => clipped(line, "value", CARD_W - 2 * SIDE);

const stale = new Set(); // nodes whose cards have old numbers: they are written when they are seen

/** Write the current numbers on the cards that can be seen, or on all. */
function freshen(all = false) {
  if (!stale.size || (view.classList.contains("far") && !all)) return;
  const isSeen = ([x, y, w, h]) => {
    const [left, top] = [camera.x + x * camera.k, camera.y + y * camera.k];
    return left < camera.width && top < camera.height && left + w * camera.k > 0 && top + h * camera.k > 0;
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
  put(".value", onCard(node.brief));
  put(".grad", onCard(gradientLine(id, node, state.step > forwardSteps)));
}

function nodeCard(id) {
  const node = data.nodes[id];
  const group = svg("g", { class: `node ${node.kind}`, tabindex: -1, role: "button", "data-node": id });
  const kind = node.op ? `result of ${node.op}` : node.kind;
  group.setAttribute("aria-label", `${node.title}, ${kind}, shape ${shapeText(node.shape)}`);
  group.append(svg("title", {}, [node.name ?? node.title, kind, shapeText(node.shape), node.scope && `in ${node.scope}`].filter(Boolean).join(", ")));
  if (node.small) {
    const [w, h] = [NUMBER_W, NUMBER_H];
    group.append(...outline(node.kind, w, h), svg("text", { class: "only", y: 4.5 }, wordsOf(node)));
    return group;
  }
  group.append(...outline(node.kind, CARD_W, CARD_H));
  const [left, right, top] = [-CARD_W / 2 + SIDE, CARD_W / 2 - SIDE, -CARD_H / 2];
  const sign = node.op ? clipped(node.symbol, "sign", 84) : "";
  const wide = sign && Math.max(BADGE + 4, widthOf(sign, "sign") + 11);
  const start = left + (sign ? wide + 5 : 0);
  const name = node.title.startsWith(`${node.op} #`) ? node.title.slice(node.op.length + 1) : node.title;
  const room = right - start - Math.min(widthOf(name, "name"), 40) - 6;
  const shape = [shapeText(node.shape), node.shape.join("×")].find((text) => widthOf(text, "plain") <= room) ?? "";
  group.append(
    svg("text", { class: "name", x: start, y: top + 18.5 }, clipped(name, "name", right - start - (shape && widthOf(shape, "plain") + 6))),
    svg("text", { class: "shape", x: right, y: top + 18.5 }, shape),
    svg("text", { class: "value", x: left, y: top + 35 }, onCard(node.brief)),
    svg("text", { class: "grad", x: left, y: top + 50 }),
  );
  if (sign) group.append(svg("g", { class: "badge" }, svg("rect", { x: left - 3, y: top + 5, width: wide, height: BADGE, rx: 5 }),
    svg("text", { x: left - 3 + wide / 2, y: top + 18.5 }, sign)));
  return group;
}

function scopeCard(k) {
  const { name } = data.scopes[k];
  const group = svg("g", { class: "scope", tabindex: -1, role: "button", "data-scope": k, "aria-expanded": false });
  group.setAttribute("aria-label", `scope ${name}, ${inside[k]} nodes, folded`);
  const [x, y, width, height] = [-FOLDED_W / 2, -FOLDED_H / 2, FOLDED_W - 4, FOLDED_H - 4];
  group.append(svg("title", {}, name),
    svg("rect", { class: "behind", x: x + 4, y: y + 4, width, height, rx: 6 }),
    svg("rect", { class: "card", x, y, width, height, rx: 6 }),
    svg("text", { class: "fold", x: x + 12, y: 3.5 }, "+"),
    svg("text", { class: "name", x: x + 23, y: -5 }, clipped(name, "name", FOLDED_W - 32)),
    svg("text", { class: "shape start", x: x + 23, y: 13 }, `${inside[k]} nodes`));
  return group;
}

function frame(k) {
  const [x, y, w, h] = placed.get(`s${k}`);
  const name = clipped(data.scopes[k].name, "plain", w - 50);
  const handle = svg("g", { class: "handle", tabindex: -1, role: "button", "data-scope": k, "aria-expanded": true });
  handle.setAttribute("aria-label", `scope ${data.scopes[k].name}, ${inside[k]} nodes, unfolded`);
  handle.append(svg("title", {}, `Fold ${data.scopes[k].name}`),
    svg("rect", { x: x + 6, y: y + 2, width: widthOf(name, "plain") + 34, height: 18, rx: 5 }),
    svg("text", { class: "fold", x: x + 16, y: y + 16.5 }, "−"),
    svg("text", { class: "label", x: x + 27, y: y + 15.5 }, name));
  return svg("g", { class: "frame" }, svg("rect", { class: "area", x, y, width: w, height: h, rx: 10 }), handle);
}

/** Draw the arrows: one for each pair of a node and an item that uses it. */
function drawArrows(scopes) {
  const users = new Map();
  data.nodes.forEach((node, head) => node.inputs.forEach((tail) => {
    const item = drawnAs(head);
    if (item === drawnAs(tail)) return;
    const key = `${tail} ${item}`;
    users.set(key, (users.get(key) ?? new Set()).add(head));
  }));
  arrows.clear();
  for (const [key, heads] of users) {
    const [tail] = key.split(" ");
    const [head] = heads;
    arrows.set(key, svg("path", { class: "arrow", d: curve(route(Number(tail), head, scopes)),
      "data-from": tail, "data-to": [...heads].join(" ") }));
  }
  layers.arrows.replaceChildren(...arrows.values());
}

const arrowBetween = (tail, head) => arrows.get(`${tail} ${drawnAs(head)}`);

/** Draw the graph with the scopes that are unfolded now. */
function draw() {
  drawArrows(placeAll());
  const names = [...placed.keys()].filter((name) => name !== "whole" && /^[ns]/.test(name));
  const isFrame = (name) => name[0] === "s" && unfolded.has(Number(name.slice(1)));
  layers.frames.replaceChildren(...names.filter(isFrame).map((name) => frame(Number(name.slice(1)))));
  const shown = names.filter((name) => !isFrame(name)).sort((a, b) => order(a) - order(b));
  view.classList.toggle("gliding", shown.length <= SMOOTHLY);
  const before = new Set(layers.cards.children);
  const now = shown.map((name) => {
    const id = Number(name.slice(1));
    if (!cards.has(name)) cards.set(name, name[0] === "n" ? nodeCard(id) : scopeCard(id));
    const [x, y, w, h] = placed.get(name);
    const card = cards.get(name);
    card.style.transform = `translate(${(x + w / 2).toFixed(1)}px,${(y + h / 2).toFixed(1)}px)`;
    return card;
  });
  const shownNow = new Set(now);
  for (const card of before) if (!shownNow.has(card)) card.remove();
  if (now.some((card, i) => layers.cards.children[i] !== card)) layers.cards.append(...now);
  freshen();
}
const order = (name) => (name[0] === "n" ? Number(name.slice(1)) : Math.min(...firstInside(Number(name.slice(1)))));
function firstInside(k) {
  return members[k].length ? [members[k][0]] : children[k].flatMap(firstInside);
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
