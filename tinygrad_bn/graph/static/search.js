/* Search for a node by its name, operation or scope. */

const field = byId("search");
const found = byId("found");
let choice = 0;

/** Return how a node fits: 0 by the start of its name, 1 by name or operation, 2 by scope, 3 not. */
function fitness(node, words) {
  const names = [node.name ?? "", node.title, node.op ?? node.kind].map((name) => name.toLowerCase());
  if (names.slice(0, 2).some((name) => name.startsWith(words))) return 0;
  if (names.some((name) => name.includes(words))) return 1;
  return node.scope.toLowerCase().includes(words) ? 2 : 3;
}

function search() {
  const words = field.value.trim().toLowerCase();
  const hits = words === "" ? [] : data.nodes.map((node, id) => [fitness(node, words), id])
    .filter(([rank]) => rank < 3).sort((a, b) => a[0] - b[0] || a[1] - b[1]).map(([, id]) => id);
  choice = 0;
  found.replaceChildren(...hits.slice(0, 12).map((id, i) => {
    const node = data.nodes[id];
    const item = html("li", { role: "option", id: `hit-${i}`, "aria-selected": i === 0, "data-id": id },
      html("span", { class: "hit" }, node.title), html("span", { class: "quiet" }, `${node.op ?? node.kind}${node.scope && ` in ${node.scope}`}`));
    item.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      take(id);
    });
    return item;
  }));
  if (words && !hits.length) found.append(html("li", { class: "quiet", role: "presentation" }, "No node has that in its name."));
  if (hits.length > 12) found.append(html("li", { class: "quiet", role: "presentation" }, `and ${hits.length - 12} more`));
  found.hidden = words === "";
  field.setAttribute("aria-expanded", String(words !== ""));
  field.setAttribute("aria-activedescendant", hits.length ? "hit-0" : "");
}

function choose(by) {
  const options = [...found.querySelectorAll("[role=option]")];
  if (!options.length) return;
  choice = (choice + by + options.length) % options.length;
  options.forEach((option, i) => option.setAttribute("aria-selected", String(i === choice)));
  field.setAttribute("aria-activedescendant", `hit-${choice}`);
}

function take(id) {
  field.value = "";
  search();
  field.blur();
  select(id);
}

field.addEventListener("input", search);
field.addEventListener("blur", () => (found.hidden = true));
field.addEventListener("focus", search);
field.addEventListener("keydown", (event) => {
  const option = found.querySelectorAll("[role=option]")[choice];
  if (event.key === "ArrowDown" || event.key === "ArrowUp") choose(event.key === "ArrowDown" ? 1 : -1);
  else if (event.key === "Enter" && option) take(Number(option.dataset.id));
  else if (event.key === "Escape") {
    field.value = "";
    search();
    field.blur();
  } else return event.stopPropagation();
  event.preventDefault();
  event.stopPropagation();
});
