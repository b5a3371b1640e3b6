/* A tour of the page, of ten sentences for a graph with a gradient. It can be left at any time. */

const tour = byId("tour");
const stepAt = (phase, more = 0) => Math.min(lastStep, steps.findIndex(([name]) => name === phase) + more);
const twoParts = steps.findIndex(([phase, id], at) => phase === "backward" && data.nodes[id].inputs.some((i) => {
  const there = terms[i].filter(([user]) => doneAt.get(user) <= at).length;
  return terms[i].length > 1 && there === 1;
}));
const SENTENCES = [
  [0, "Each card is a value: its name, its shape, its numbers. Square cards go in, and the double one comes out."],
  [stepAt("forward"), "The sign at the upper left of a card is the operation that made the value; the arrows bring what it took."],
  [stepAt("forward"), "The panel has the formula of the step, and the same formula with the numbers of one place."],
  [stepAt("forward"), "Click another number of the result to see its arithmetic, and a card to see all about its value."],
  [stepAt("forward", 1), "A frame is a scope: click its name to fold it, and a folded scope to unfold it."],
  [stepAt("seed"), "After the forward pass, the upstream cotangent arrives: the derivative of a loss by each number of the output."],
  [stepAt("backward"), "Each rule turns the cotangent of a result into those of its inputs, against the arrows."],
  [stepAt("backward", 1), "Only what was computed in the forward pass and the cotangent of the result are needed for it."],
  [twoParts, "Where a value is used more than once, its cotangent is a sum; the card counts the parts that are there."],
  [lastStep, data.comparisons.length ? "At the end, the gradient from the graph stands beside three closed forms."
    : "At the end, the panel has the gradients of all that went in."],
].filter(([at], i) => i === 0 || (at > 0 && (data.hasGradients || i < 5)));

function guide(i) {
  tour.hidden = i >= SENTENCES.length;
  if (tour.hidden) return byId("panel-title").focus({ preventScroll: true });
  const [at, sentence] = SENTENCES[i];
  go(at, { quietly: true });
  const button = (text, action, attributes = {}) => {
    const made = html("button", { type: "button", ...attributes }, text);
    made.addEventListener("click", action);
    return made;
  };
  const next = button(i + 1 < SENTENCES.length ? "Next" : "Done", () => guide(i + 1), { class: "primary" });
  tour.replaceChildren(html("p", { role: "status" }, sentence), html("div", {},
    html("span", { class: "quiet" }, `${i + 1} of ${SENTENCES.length}`), button("Leave", leaveTour), next));
  next.focus({ preventScroll: true });
}

const leaveTour = () => guide(SENTENCES.length);
tour.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  event.stopPropagation();
  leaveTour();
});
