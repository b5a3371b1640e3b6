/* Return what is wrong with the drawing as it is on the screen, in words. Run in the page. */
() => {
  const faults = [];
  const box = (element) => element.getBoundingClientRect();
  const slack = 1.5;
  const holds = (outer, inner) => inner.left >= outer.left - slack && inner.right <= outer.right + slack &&
    inner.top >= outer.top - slack && inner.bottom <= outer.bottom + slack;
  const meet = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
  const outline = (card) => { // a folded scope is drawn as two sheets, one behind the other
    const [front, behind = front] = [box(card.querySelector(".card")), ...[...card.querySelectorAll(".behind")].map(box)];
    return { left: front.left, top: front.top, right: behind.right, bottom: behind.bottom, height: behind.bottom - front.top };
  };
  const shown = [...document.querySelectorAll("#drawing .node, #drawing .scope")].map((card) => ({
    card, name: card.dataset.node ? `n${card.dataset.node}` : `s${card.dataset.scope}`, at: outline(card) }));
  const boxes = new Map(shown.map(({ name, at }) => [name, at]));

  // cards and frames
  shown.forEach(({ name, at }, i) => shown.slice(i + 1).forEach((other) =>
    meet(at, other.at) && faults.push(`cards ${name} and ${other.name} overlap`)));
  const scopeOf = (name) => (name[0] === "n" ? data.nodes[name.slice(1)].in : data.scopes[name.slice(1)].parent);
  const frames = new Map([...document.querySelectorAll("#drawing .frame")].map((frame) =>
    [Number(frame.querySelector(".handle").dataset.scope), box(frame.querySelector(".area"))]));
  for (const [k, at] of frames) {
    for (const { name, at: card } of shown) {
      const isIn = around(scopeOf(name)).includes(k);
      if (isIn ? !holds(at, card) : meet(at, card)) faults.push(`card ${name} and frame ${k}, ${isIn ? "not inside" : "overlap"}`);
    }
    for (const [other, there] of frames)
      if (other > k && meet(at, there) && !around(other).includes(k) && !around(k).includes(other)) faults.push(`frames ${k}, ${other} overlap`);
  }

  // texts
  for (const { card, name, at } of shown) {
    const texts = [...card.querySelectorAll("text")].filter((text) => text.textContent && getComputedStyle(text).display !== "none");
    texts.forEach((text, i) => {
      if (!holds(at, box(text))) faults.push(`"${text.textContent}" leaves the card ${name}`);
      for (const other of texts.slice(i + 1)) {
        const [a, b] = [box(text), box(other)];
        const lines = Math.abs(a.bottom - b.bottom) < a.height / 2;
        if (lines && a.left < b.right - 1 && b.left < a.right - 1) faults.push(`"${text.textContent}" is over "${other.textContent}" on ${name}`);
      }
    });
  }

  // arrows
  const wanted = new Set();
  data.nodes.forEach((node, head) => node.inputs.forEach((tail) => {
    if (drawnAs(tail) !== drawnAs(head)) wanted.add(`${tail} ${head}`);
  }));
  for (const path of document.querySelectorAll(".arrow")) {
    const matrix = path.getScreenCTM();
    const length = path.getTotalLength();
    const point = (at) => path.getPointAtLength(at).matrixTransform(matrix);
    const on = (p, at, edge) => p.x >= at.left - slack && p.x <= at.right + slack && Math.abs(p.y - at[edge]) <= slack;
    const { from } = path.dataset;
    const tail = drawnAs(from);
    const words = `arrow ${from} to ${path.dataset.to}`;
    if (!on(point(0), boxes.get(tail), "bottom")) faults.push(`${words} does not start on ${tail}`);
    for (const to of path.dataset.to.split(" ")) {
      wanted.delete(`${from} ${to}`);
      if (!on(point(length), boxes.get(drawnAs(to)), "top")) faults.push(`${words} does not end on ${drawnAs(to)}`);
    }
    for (let at = 3; at < length - 3; at += Math.max(4, length / 60)) {
      const p = point(at);
      for (const { name, at: card } of shown)
        if (p.x > card.left + slack && p.x < card.right - slack && p.y > card.top + slack && p.y < card.bottom - slack) {
          faults.push(`${words} crosses ${name}`);
          at = length;
        }
    }
  }
  for (const pair of wanted) faults.push(`no arrow for ${pair}`);
  return faults;
}
