/* The camera: the drawing is moved and scaled as a whole. */

const camera = { x: 0, y: 0, k: 1, width: 0, height: 0, gliding: 0, rest: 0, isMoved: false };
const READABLE = 0.88; // the least scale at which all text of a card has 11 pixels

/** Move the drawing: as a picture while it moves (fast), drawn again when it stops (sharp). */
function look() {
  view.style.transform = `translate(${camera.x}px,${camera.y}px) scale(${camera.k})`;
  view.style.willChange = "transform";
  view.classList.toggle("far", camera.k < 0.3); // text is too small to be read, and slow to paint
  clearTimeout(camera.rest);
  camera.rest = setTimeout(() => (view.style.willChange = ""), 160);
  freshen();
}

/** Zoom by a factor about a point of the drawing. */
function zoom(factor, x = camera.width / 2, y = camera.height / 2) {
  const k = Math.min(4, Math.max(0.02, camera.k * factor));
  camera.x = x - ((x - camera.x) * k) / camera.k;
  camera.y = y - ((y - camera.y) * k) / camera.k;
  camera.k = k;
  camera.isMoved = true;
  look();
}

function pan(dx, dy) {
  cancelAnimationFrame(camera.gliding);
  camera.x += dx;
  camera.y += dy;
  camera.isMoved = true;
  look();
}

const margin = () => Math.min(12, camera.width / 32);

/** Return the largest scale, up to 1.25, at which a graph of this size is visible as a whole. */
const scaleFor = (w, h) =>
  Math.min(1.25, (camera.width - 2 * margin()) / w, (camera.height - 2 * margin()) / h);

/** Show the whole graph, with a scale of at least `least`: at the start, large enough to read. */
function fit(least = 0) {
  cancelAnimationFrame(camera.gliding);
  const [, , w, h] = placed.get("whole");
  camera.k = Math.max(least, scaleFor(w, h));
  camera.x = (camera.width - w * camera.k) / 2;
  camera.y = Math.max(margin(), (camera.height - h * camera.k) / 2);
  camera.isMoved = false;
  look();
}

/** Move the drawing so that an item is visible: its upper left corner at least, if it is too large. */
function reveal(name) {
  const [x, y, w, h] = placed.get(name);
  const edge = margin() / 2;
  const moved = (from, size, room) => {
    if (from >= edge && from + size <= room - edge) return from;
    return size > room - 2 * edge ? edge : (room - size) / 2;
  };
  const [left, top] = [camera.x + x * camera.k, camera.y + y * camera.k];
  const dx = moved(left, w * camera.k, camera.width) - left;
  const dy = moved(top, h * camera.k, camera.height) - top;
  if (dx || dy) glide(camera.x + dx, camera.y + dy);
}

function glide(x, y) {
  cancelAnimationFrame(camera.gliding);
  camera.isMoved = true;
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) {
    Object.assign(camera, { x, y });
    return look();
  }
  const [x0, y0, start] = [camera.x, camera.y, performance.now()];
  const tick = (now) => {
    const t = Math.min(1, Math.max(0, (now - start) / 260));
    const eased = 1 - (1 - t) ** 3;
    camera.x = x0 + (x - x0) * eased;
    camera.y = y0 + (y - y0) * eased;
    look();
    if (t < 1) camera.gliding = requestAnimationFrame(tick);
  };
  camera.gliding = requestAnimationFrame(tick);
}

/** After the window changed its size: fit again, or keep what the reader moved to in the middle.

    The drawing has its size in pixels: with one in percent, each change of the panel would lay out
    all of its text again. */
function resized() {
  const { width, height } = camera;
  Object.assign(camera, { width: drawing.parentNode.clientWidth, height: drawing.parentNode.clientHeight });
  drawing.style.width = `${camera.width}px`;
  drawing.style.height = `${camera.height}px`;
  if (!camera.isMoved) return fit(READABLE);
  camera.x += (camera.width - width) / 2;
  camera.y += (camera.height - height) / 2;
  look();
}
