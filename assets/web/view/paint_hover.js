// Paint hover: what is pointed at, over the picture as it stands.

/**
 * The base again and, over it, the hovered patch, its anchor and its fellows.
 * @param {FineCanvas} canvas
 * @param {HTMLCanvasElement | undefined} base
 * @param {Grid} scene
 * @param {{ patch: number, anchor: number, members: number[], lit?: number[], tint?: string } | null} hover
 * @param {Ink} ink
 */
export function paintHover(canvas, base, scene, hover, ink) {
  if (!base?.width || !canvas.width) return;
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'));
  const ratio = canvas.ratio;
  context.globalAlpha = 1;
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.drawImage(base, 0, 0);
  if (!hover) return;
  const w = canvas.width / scene.columns;
  const h = canvas.height / scene.rows;
  /** @type {(patch: number) => [number, number]} */
  const corner = (patch) => [(patch % scene.columns) * w, Math.floor(patch / scene.columns) * h];
  const stroke = (/** @type {Path2D} */ path, /** @type {number} */ width, /** @type {string} */ colour) => {
    for (const [line, tint] of /** @type {[number, string][]} */ ([[width + 2, 'rgba(0, 0, 0, 0.85)'], [width, colour]])) {
      context.lineWidth = line * ratio;
      context.strokeStyle = tint;
      context.stroke(path);
    }
  };
  const frame = (/** @type {number} */ patch, /** @type {string} */ colour) => {
    const path = new Path2D();
    path.rect(...corner(patch), w, h);
    stroke(path, 2.5, colour);
  };
  stroke(outline(hover.members, scene.columns, corner, w, h), 1.5, '#fff');
  if (hover.lit?.length) {
    const cells = new Path2D();
    hover.lit.forEach((patch) => cells.rect(...corner(patch), w, h));
    stroke(cells, 1.5, hover.tint || '#fff');
  }
  if (hover.anchor >= 0) frame(hover.anchor, ink.anchor);
  if (hover.patch >= 0 && hover.patch !== hover.anchor) frame(hover.patch, '#fff');
}

/**
 * The edges of a set of patches.
 * @param {number[]} patches
 * @param {number} columns
 * @param {(patch: number) => [number, number]} corner
 * @param {number} w
 * @param {number} h
 */
function outline(patches, columns, corner, w, h) {
  const inside = new Set(patches);
  const path = new Path2D();
  for (const patch of patches) {
    const [x, y] = corner(patch);
    /** @type {(isOpen: boolean, x1: number, y1: number, x2: number, y2: number) => void} */
    const edge = (isOpen, x1, y1, x2, y2) => {
      if (!isOpen) return;
      path.moveTo(x1, y1);
      path.lineTo(x2, y2);
    };
    edge(!inside.has(patch - columns), x, y, x + w, y);
    edge(!inside.has(patch + columns), x, y + h, x + w, y + h);
    edge(patch % columns === 0 || !inside.has(patch - 1), x, y, x, y + h);
    edge((patch + 1) % columns === 0 || !inside.has(patch + 1), x + w, y, x + w, y + h);
  }
  return path;
}
