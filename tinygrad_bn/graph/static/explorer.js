/* Keys, buttons and links: the input of the reader; and the start of the page. */

const KEYS = {
  ArrowRight: () => go(state.step + 1), ArrowLeft: () => go(state.step - 1),
  PageDown: () => stepOver(1), PageUp: () => stepOver(-1),
  Home: () => go(0), End: () => go(lastStep), " ": () => play(),
  "+": () => zoom(1.25), "=": () => zoom(1.25), "-": () => zoom(0.8), 0: () => fit(),
  "/": () => field.focus(),
  Escape: () => (state.node === null ? play(false) : select(null)),
};
const PAN = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
  const scrolls = event.target.id === "panel";
  if (event.shiftKey && PAN[event.key]) {
    event.preventDefault();
    return pan(...PAN[event.key].map((to) => 80 * to));
  }
  if (/^Page|^(Home|End)$/.test(event.key) && scrolls) return;
  if (/^Arrow(Up|Down)$/.test(event.key) && event.target.closest?.("#drawing")) {
    event.preventDefault();
    return walk(event.target, event.key === "ArrowDown" ? 1 : -1);
  }
  const item = event.target.closest?.("[data-node],[data-scope]");
  if (item && (event.key === "Enter" || event.key === " ")) {
    event.preventDefault();
    return activate(item);
  }
  if (event.key === " " && event.target.closest?.("button")) return;
  if (!KEYS[event.key]) return;
  event.preventDefault();
  KEYS[event.key]();
});

/** List what can be focused in the drawing, from the top to the bottom. */
function stops() {
  const nameOf = ({ dataset }) => (dataset.node ? `n${dataset.node}` : `s${dataset.scope}`);
  const at = new Map([...drawing.querySelectorAll("[tabindex]")].map((item) => [item, placed.get(nameOf(item))]));
  return [...at.keys()].sort((a, b) => at.get(a)[1] - at.get(b)[1] || at.get(a)[0] - at.get(b)[0]);
}

/** Move the focus to the next or the previous item of the drawing, which has one stop for the Tab key. */
function walk(from, by) {
  const all = stops();
  const next = all[Math.max(0, Math.min(all.length - 1, all.indexOf(from.closest("[tabindex]")) + by))];
  next.focus({ preventScroll: true });
  reveal(next.dataset.node ? `n${next.dataset.node}` : `s${next.dataset.scope}`);
}

function holdTabStop(item) {
  for (const other of drawing.querySelectorAll("[tabindex='0']")) other.setAttribute("tabindex", -1);
  item?.setAttribute("tabindex", 0);
}
drawing.addEventListener("focusin", (event) => holdTabStop(event.target.closest("[tabindex]")));

function activate(item) {
  if (item.dataset.scope === undefined) return select(Number(item.dataset.node));
  const k = Number(item.dataset.scope);
  toggle(k);
  render();
  (unfolded.has(k) ? layers.frames : layers.cards).querySelector(`[data-scope="${k}"]`)?.focus({ preventScroll: true });
}

const onClick = (id, action) => byId(id).addEventListener("click", action);
onClick("first", () => go(0));
onClick("back", () => go(state.step - 1));
onClick("next", () => go(state.step + 1));
onClick("play", () => play());
onClick("zoom-in", () => zoom(1.25));
onClick("zoom-out", () => zoom(0.8));
onClick("fit", () => fit());
onClick("fold", () => foldAll(false));
onClick("unfold", () => foldAll(true));
byId("step").addEventListener("input", (event) => go(Number(event.target.value)));
addEventListener("hashchange", () => /[#&](step|node|set)=/.test(location.hash) && follow());

function foldAll(open) {
  unfolded.clear();
  if (open) data.scopes.forEach((_, k) => k && unfolded.add(k));
  draw();
  render();
  fit(open ? 0.3 : 0);
}

const pointers = new Map();
let moved = 0;
drawing.addEventListener("pointerdown", (event) => {
  pointers.set(event.pointerId, [event.clientX, event.clientY]);
  moved = 0;
});
addEventListener("pointermove", (event) => {
  const before = pointers.get(event.pointerId);
  if (!before) return;
  const now = [event.clientX, event.clientY];
  moved += Math.hypot(now[0] - before[0], now[1] - before[1]);
  if (pointers.size === 2) {
    const [other] = [...pointers].filter(([key]) => key !== event.pointerId).map(([, at]) => at);
    const box = drawing.getBoundingClientRect();
    const apart = (p) => Math.hypot(p[0] - other[0], p[1] - other[1]) || 1;
    zoom(apart(now) / apart(before), (now[0] + other[0]) / 2 - box.left, (now[1] + other[1]) / 2 - box.top);
  } else if (moved > 3) {
    pan(now[0] - before[0], now[1] - before[1]);
    drawing.classList.add("held");
  }
  pointers.set(event.pointerId, now);
});
for (const kind of ["pointerup", "pointercancel"])
  addEventListener(kind, (event) => {
    pointers.delete(event.pointerId);
    drawing.classList.remove("held");
  });
drawing.addEventListener("click", (event) => {
  const item = event.target.closest("[data-node],[data-scope]");
  if (moved > 3) return;
  if (item) activate(item);
  else if (state.node !== null) select(null);
});
drawing.addEventListener("wheel", (event) => {
  event.preventDefault();
  const box = drawing.getBoundingClientRect();
  const rate = event.ctrlKey ? 0.01 : 0.0015; // a pinch on a trackpad is a wheel event with ctrl
  zoom(Math.exp(-event.deltaY * rate), event.clientX - box.left, event.clientY - box.top);
}, { passive: false });

/** Unfold scopes, the outer ones first, as long as the whole graph is visible with text that can be read. */
function unfoldWhatFits() {
  for (let level = children[0]; level.length; level = level.flatMap((k) => (unfolded.has(k) ? children[k] : [])))
    for (const k of level) {
      unfolded.add(k);
      const { w, h } = measured(0);
      if (scaleFor(w, h) < READABLE) unfolded.delete(k);
    }
}

byId("title").textContent = document.title;
byId("step").max = lastStep;
byId("phase-forward").style.flexGrow = forwardSteps;
byId("phase-backward").style.flexGrow = lastStep - forwardSteps;
byId("phase-forward").hidden = !forwardSteps;
byId("phase-backward").hidden = lastStep === forwardSteps;
byId("fold").hidden = byId("unfold").hidden = data.scopes.length === 1;
Object.assign(camera, { width: drawing.parentNode.clientWidth, height: drawing.parentNode.clientHeight });
unfoldWhatFits();
draw();
holdTabStop(stops()[0]);
resized();
follow();
addEventListener("resize", () => {
  resized();
  render(); // tables are as wide as the panel
});
addEventListener("beforeprint", () => {
  const [, , w, h] = placed.get("whole");
  drawing.setAttribute("viewBox", `-8 -8 ${w + 16} ${h + 16}`); // as large as the paper allows
  view.style.transform = "none";
});
addEventListener("afterprint", () => {
  drawing.removeAttribute("viewBox");
  look();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", render);
