/* Changing numbers: cells that take a number by typing, by arrow keys and by dragging; the drawer
   with the leaves, undo and reset; and the questions to play with. */

const cells = { gesture: 0, typed: null, drag: null, restoring: false, remembering: 0 };

/** Write a number for a field, so that it is read back as it is. */
const typed = (x) => String(x);
const cellOf = (target) => (target.matches?.(".cell") ? target : null);
const isTyping = (target) => Boolean(target.matches?.("input:not([type=range])"));
const placeOf = (cell) => [Number(cell.dataset.variable), Number(cell.dataset.k)];
const numberIn = (cell) => values[placeOf(cell)[0]].data[placeOf(cell)[1]];

/** Make the cell of the k-th number of a leaf. */
function editable(variable, k, title) {
  const x = values[variable].data[k];
  const cell = html("input", { class: "cell", type: "text", inputmode: "decimal", autocomplete: "off", spellcheck: "false",
    size: 6, "data-variable": variable, "data-k": k, "aria-label": title, title: `${title} ${exact(x)}`.trim() });
  cell.value = brief(x);
  return cell;
}

/** Read what was typed; NaN where it is no number. */
function read(text) {
  const plain = text.trim().replace("−", "-").replace(",", ".").replace("∞", "Infinity");
  return plain === "" ? Number.NaN : Number(plain);
}

function setCell(cell, x) {
  const [variable, k] = placeOf(cell);
  const numbers = values[variable].data.slice();
  numbers[k] = x;
  edit(new Map([[variable, numbers]]), `${cells.gesture}`);
}

/** Return how far one press of an arrow key goes: a tenth of the size of the number. */
function stepOf(x) {
  const size = Math.abs(x);
  return size > 0 && Number.isFinite(size) ? 10 ** (Math.floor(Math.log10(size)) - 1) : 0.1;
}
const stepped = (x, by) => Number((x + by).toPrecision(12));

document.addEventListener("focusin", ({ target }) => {
  const cell = cellOf(target);
  if (!cell || cells.restoring) return;
  cells.gesture += 1;
  cells.typed = { was: numberIn(cell), step: stepOf(numberIn(cell)) };
  cell.value = typed(numberIn(cell));
  cell.select();
});
document.addEventListener("focusout", ({ target }) => {
  const cell = cellOf(target);
  if (!cell || cells.restoring) return;
  cell.removeAttribute("aria-invalid");
  if (cell.isConnected) cell.value = brief(numberIn(cell));
});
document.addEventListener("input", ({ target }) => {
  const cell = cellOf(target);
  if (!cell) return;
  const x = read(cell.value);
  const isNumber = !Number.isNaN(x) || /^\s*nan\s*$/i.test(cell.value);
  if (isNumber) {
    cell.removeAttribute("aria-invalid");
    setCell(cell, x);
  } else cell.setAttribute("aria-invalid", "true");
});

const CELL_KEYS = {
  ArrowUp: (cell, by) => nudge(cell, by), ArrowDown: (cell, by) => nudge(cell, -by),
  Enter: (cell) => neighbour(cell)?.focus(),
  Escape: (cell) => {
    setCell(cell, cells.typed.was);
    document.activeElement.blur();
  },
};
function nudge(cell, by) {
  const x = stepped(numberIn(cell), by);
  cell.value = typed(x);
  setCell(cell, x);
}
function neighbour(cell) {
  const all = [...document.querySelectorAll(".cell")];
  return all[(all.indexOf(cell) + 1) % all.length];
}
document.addEventListener("keydown", (event) => {
  const cell = cellOf(event.target);
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z" && live && (cell || !isTyping(event.target))) {
    event.preventDefault();
    cells.gesture += 1;
    return event.shiftKey ? redo() : undo();
  }
  if (!cell || !CELL_KEYS[event.key] || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  CELL_KEYS[event.key](cell, cells.typed.step * (event.shiftKey ? 10 : event.altKey ? 0.1 : 1));
});

document.addEventListener("pointerdown", (event) => {
  const cell = cellOf(event.target);
  if (!cell || cell === document.activeElement || event.button) return;
  const x = numberIn(cell);
  cells.drag = { variable: cell.dataset.variable, k: cell.dataset.k, from: event.clientX, x, step: stepOf(x), isMoving: false };
});
addEventListener("pointermove", (event) => {
  const { drag } = cells;
  if (!drag) return;
  const by = Math.round((event.clientX - drag.from) / 4);
  if (!drag.isMoving && Math.abs(by) < 1) return;
  if (!drag.isMoving) {
    drag.isMoving = true;
    cells.gesture += 1;
    document.activeElement?.blur();
    document.body.classList.add("dragging");
  }
  getSelection()?.removeAllRanges();
  setCell({ dataset: drag }, stepped(drag.x, by * drag.step));
});
for (const kind of ["pointerup", "pointercancel"])
  addEventListener(kind, () => {
    if (cells.drag?.isMoving) document.body.classList.remove("dragging");
    cells.drag = null;
  });

const isSameCell = (a, b) => Boolean(cellOf(a) && cellOf(b)) && `${placeOf(a)}` === `${placeOf(b)}`;

/** Hold the focus while the panel is renewed; the result passes it on, with what is typed in a cell. */
function holding(active) {
  const { value, selectionStart, selectionEnd } = active;
  cells.restoring = true;
  return (next) => {
    cells.restoring = next !== null && isSameCell(active, next);
    next?.focus({ preventScroll: true });
    if (cells.restoring) {
      next.value = value;
      next.setSelectionRange(selectionStart, selectionEnd);
    }
    cells.restoring = false;
  };
}

// The drawer

const MOST_IN_DRAWER = 64;
const drawer = html("details", { id: "try" });
const answer = html("p", { class: "answer", role: "status" });
const verdictLine = html("p");
const changed = html("span", { class: "quiet" });
const button = (text, action, attributes = {}) => {
  const made = html("button", { type: "button", ...attributes }, text);
  made.addEventListener("click", action);
  return made;
};
const undoButton = button("Undo", () => undo(), { title: "Undo (Ctrl+Z)" });
const redoButton = button("Redo", () => redo(), { title: "Redo (Ctrl+Shift+Z)" });
const resetButton = button("Reset", () => {
  reset();
  answer.replaceChildren();
});

function fillDrawer() {
  if (!live) {
    drawer.append(html("summary", {}, "The numbers are those that were recorded"),
      html("p", { class: "quiet" }, `They cannot be changed here: ${data.live.not}.`));
    return;
  }
  const leaves = [...ownerOf].filter(([variable]) => values[variable].data.length > 0);
  const few = leaves.filter(([v]) => values[v].data.length <= MOST_IN_DRAWER && (values[v].shape.at(-1) ?? 1) <= 8);
  const many = leaves.filter((leaf) => !few.includes(leaf));
  const shownFew = few.slice(0, 8);
  drawer.append(
    html("summary", {}, "Change the numbers ", changed),
    html("p", { class: "quiet" }, "Type, press ↑ or ↓, or drag sideways. The page computes everything anew."),
    html("div", { class: "row" }, undoButton, redoButton, resetButton),
    html("div", { class: "leaves" }, ...shownFew.filter((leaf) => !isSmall(leaf)).map(leafTable),
      html("div", {}, ...shownFew.filter(isSmall).map(leafTable))),
    verdictLine);
  const others = [...many, ...few.slice(8)];
  if (others.length)
    drawer.append(html("p", { class: "quiet" }, "Also (open one to change its numbers): ",
      ...others.flatMap(([v, id]) => [link(id, v === id ? data.nodes[id].title : cotangentText(data.nodes[id])), " "])));
  const asked = questions();
  if (asked.length)
    drawer.append(html("div", { class: "row questions" }, ...asked.map(([text, ask]) => button(text, ask))), answer);
}

const isSmall = ([variable]) => values[variable].data.length <= 4;

function leafTable([variable, id]) {
  const node = data.nodes[id];
  const name = variable === id ? node.title : cotangentText(node);
  return html("div", { class: "tensor" }, html("p", { class: "heading" }, name),
    table(Array.from(values[variable].data), node.shape, node.shape.at(-1) ?? 1, { label: name, leaf: variable }));
}

function refreshDrawer() {
  const count = isChanged ? changedPlaces().length : 0;
  changed.textContent = count ? `${count} changed` : "";
  undoButton.disabled = !changes.done.length;
  redoButton.disabled = !changes.undone.length;
  resetButton.disabled = !count;
  if (data.comparisons.length && drawer.open) {
    verdictLine.className = verdictOf();
    verdictLine.textContent = VERDICTS[verdictOf()];
  }
  for (const cell of drawer.querySelectorAll(".cell")) {
    cell.title = `${cell.getAttribute("aria-label")} ${exact(numberIn(cell))}`.trim();
    if (cell !== document.activeElement) cell.value = brief(numberIn(cell));
  }
}

// Questions about a batch norm whose input can be changed. Each answer has what was measured.

const largest = (numbers) => numbers.reduce((most, x) => (Number.isNaN(x) || Number.isNaN(most) ? Number.NaN : Math.max(most, Math.abs(x))), 0);
const distance = (a, b) => largest(a.map((x, k) => x - b[k]));

function questions() {
  const norm = live.comparisons.find((c) => valueLeaf(c.x) !== null && live.grads[c.x] !== null);
  if (!norm) return [];
  const { x, y, eps, axis } = norm;
  const dx = live.grads[x];
  const dy = gradLeaf(y);
  const numbers = (variable) => values[variable].data;
  const withFirst = (variable) => { // every example is the first one
    const { shape, data: all } = values[variable];
    return all.map((_, k) => all[place(k, shape).reduce((at, p, i) => at * shape[i] + (axis.includes(i) ? 0 : p), 0)]);
  };
  const ask = (leaves, explain) => () => {
    if (!computed) compute();
    const before = [numbers(y), numbers(dx)];
    cells.gesture += 1;
    edit(new Map(leaves()));
    const size = brief(Math.max(largest(before[0]), largest(numbers(y))));
    const by = [distance(numbers(y), before[0]), distance(numbers(dx), before[1])].map(brief);
    answer.replaceChildren(html("strong", {}, `y moved by at most ${by[0]} (its largest value is ${size}), dx by ${by[1]}. `), explain());
  };
  const nothing = () => "With ε = 0 and a variance of 0 this divides 0 by 0: NaN. That is what ε is for.";
  const isUndefined = () => Number.isNaN(largest(numbers(y)));
  const list = [
    ["Shift x by 100", ask(() => [[x, numbers(x).map((v) => v + 100)]],
      () => "The mean moves along, so x − μ stays, and all that follows. What is left of the change is rounding.")],
    ["Scale x by 10", ask(() => [[x, numbers(x).map((v) => v * 10)]],
      () => "σ grows by 10 too, so x̂ and y stay (up to ε), and dx is divided by 10: a change of x now counts for a tenth.")],
    ["Make x constant", ask(() => [[x, withFirst(x)]],
      () => (isUndefined() ? nothing() : "x − μ = 0, so y = β whatever γ is. The variance is 0 and σ = √ε is small, so dx is large: dx = γ (dy − mean dy) / √ε."))],
  ];
  if (dy !== null) {
    list.push(["A batch of one", ask(() => [[x, withFirst(x)], [dy, withFirst(dy)]],
      () => (isUndefined() ? nothing() : "The shapes of this page are fixed, so all examples were made equal to the first, which computes the same: x̂ = 0, y = β, and dx = 0. One example cannot be told from its own mean."))],
    ["Cotangent of ones", ask(() => [[dy, numbers(dy).map(() => 1)]],
      () => "dx is the gradient of the sum of y now. That sum is m β for each feature, whatever x is, so dx = 0 (with rounding), and dγ = 0 since the x̂ add up to 0.")]);
  }
  if (valueLeaf(eps) !== null)
    list.push(["Make ε large", ask(() => [[eps, [1e4 * Math.max(1, ...numbers(x).map((v) => v * v))]]],
      () => "σ = √(var + ε) is nearly √ε, the same for all features: nothing is normalized any more, y is close to β, and dx is small.")]);
  return list;
}

// After each change

function refresh() {
  renderPanel();
  for (let id = 0; id < data.nodes.length; id++) stale.add(id);
  freshen();
  refreshDrawer();
  clearTimeout(cells.remembering);
  cells.remembering = setTimeout(remember, 300); // browsers limit how often a link may change
}

addEventListener("beforeprint", () => freshen(true));
fillDrawer();
byId("panel-body").before(drawer);
if (live) {
  refreshDrawer();
  drawer.addEventListener("toggle", refreshDrawer);
  listeners.push(refresh);
}
