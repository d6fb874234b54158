// Patterns: small tiles that repeat as a fill.

/**
 * A small tile, drawn once per paint, that repeats as a fill.
 * @param {CanvasRenderingContext2D} context
 * @param {number} size
 * @param {(pen: CanvasRenderingContext2D, size: number) => void} draw
 */
function tile(context, size, draw) {
  const small = document.createElement('canvas');
  small.width = small.height = size;
  draw(/** @type {CanvasRenderingContext2D} */ (small.getContext('2d')), size);
  return /** @type {CanvasPattern} */ (context.createPattern(small, 'repeat'));
}

/**
 * Dark lines with a light edge, or light ones with a dark edge: heat may be dark or bright behind them.
 * @param {CanvasRenderingContext2D} context
 * @param {number} ratio
 * @param {string} colour
 * @param {string} edge
 * @param {boolean} [isMirrored]
 */
export function hatching(context, ratio, colour, edge, isMirrored = false) {
  return tile(context, Math.round(8 * ratio), (pen, size) => {
    for (const [line, tint] of /** @type {[number, string][]} */ ([[3, edge], [1.4, colour]])) {
      pen.strokeStyle = tint;
      pen.lineWidth = line * ratio;
      for (const shift of [-size, 0, size]) {
        pen.beginPath();
        pen.moveTo(shift - 2, isMirrored ? -2 : size + 2);
        pen.lineTo(shift + size + 2, isMirrored ? size + 2 : -2);
        pen.stroke();
      }
    }
  });
}

/**
 * Level lines, light above dark: they leave light and dark heat as it is.
 * @param {CanvasRenderingContext2D} context
 * @param {number} ratio
 */
export function ruling(context, ratio) {
  return tile(context, Math.round(8 * ratio), (pen, size) => {
    pen.fillStyle = 'rgba(255, 255, 255, 0.7)';
    pen.fillRect(0, 0, size, ratio);
    pen.fillStyle = 'rgba(0, 0, 0, 0.6)';
    pen.fillRect(0, ratio, size, 0.6 * ratio);
  });
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {number} ratio
 * @param {string} colour
 */
export function dots(context, ratio, colour) {
  return tile(context, Math.round(5 * ratio), (pen, size) => {
    pen.fillStyle = colour;
    pen.beginPath();
    pen.arc(size / 2, size / 2, 1.3 * ratio, 0, 7);
    pen.fill();
  });
}
