// Paint: the picture with its patches. A base layer per side is painted when something changes, hover goes on top.

// Cividis reads the same with every kind of colour vision.
const CIVIDIS = ['00224e', '123570', '3b496c', '575d6d', '707173', '8a8678', 'a59c74', 'c3b369', 'e1cc55', 'fee838']
  .map((hex) => [0, 2, 4].map((at) => parseInt(hex.slice(at, at + 2), 16)));
const PALETTE = 6;

function cividis(share) {
  const at = Math.min(1, Math.max(0, share)) * (CIVIDIS.length - 1);
  const low = Math.min(CIVIDIS.length - 2, Math.floor(at));
  const mix = CIVIDIS[low].map((value, i) => Math.round(value + (at - low) * (CIVIDIS[low + 1][i] - value)));
  return 'rgb(' + mix.join(',') + ')';
}

function readColours(root) {
  const style = getComputedStyle(root);
  const get = (name) => style.getPropertyValue('--tv-' + name).trim();
  return {
    anchor: get('anchor'), veil: get('veil'), hatch: get('hatch'), text: get('merged'), plain: get('plain'),
    groups: [...Array(PALETTE).keys()].map((number) => get('group-' + number)),
  };
}

// A small tile, drawn once per paint, that repeats as a fill.
function tile(context, size, draw) {
  const small = document.createElement('canvas');
  small.width = small.height = size;
  draw(small.getContext('2d'), size);
  return context.createPattern(small, 'repeat');
}

function hatching(context, ratio, colour) {
  return tile(context, Math.round(6 * ratio), (pen, size) => {
    pen.strokeStyle = colour;
    pen.lineWidth = 1.4 * ratio;
    for (const shift of [-size, 0, size]) {
      pen.beginPath();
      pen.moveTo(shift - 1, size + 1);
      pen.lineTo(shift + size + 1, -1);
      pen.stroke();
    }
  });
}

function dots(context, ratio, colour) {
  return tile(context, Math.round(5 * ratio), (pen, size) => {
    pen.fillStyle = colour;
    pen.beginPath();
    pen.arc(size / 2, size / 2, 1.3 * ratio, 0, 7);
    pen.fill();
  });
}

// Everything the base of one canvas needs to know is in `scene`:
// {mode, rows, columns, picture, shares, scores, range, at (holder per patch, null for a mean), colours, patches}
function paintBase(canvas, scene, ink) {
  const ratio = canvas.ratio;
  const context = canvas.getContext('2d');
  const { width, height } = canvas;
  const cell = (patch) => {
    const row = Math.floor(patch / scene.columns);
    const column = patch % scene.columns;
    const x = Math.round(column * width / scene.columns);
    const y = Math.round(row * height / scene.rows);
    const right = Math.round((column + 1) * width / scene.columns);
    const bottom = Math.round((row + 1) * height / scene.rows);
    return [x, y, right - x, bottom - y];
  };
  context.globalAlpha = 1;
  context.fillStyle = ink.plain;
  context.fillRect(0, 0, width, height);
  if (scene.picture?.complete && scene.picture.naturalWidth) context.drawImage(scene.picture, 0, 0, width, height);
  if (!scene.shares) return;
  const tools = { context, cell, ratio, ink, hatch: hatching(context, ratio, ink.hatch), dot: dots(context, ratio, ink.text) };
  ({ importance: paintImportance, groups: paintGroups, kept: paintKept })[scene.mode](scene, tools);
  paintGone(scene, tools);
  paintAnchors(scene, tools);
}

function paintImportance(scene, { context, cell }) {
  const [low, high] = scene.range;
  context.globalAlpha = 0.72;
  scene.scores.forEach((score, patch) => {
    if (Number.isNaN(score)) return;
    context.fillStyle = cividis(high > low ? (score - low) / (high - low) : 0);
    context.fillRect(...cell(patch));
  });
}

function paintGroups(scene, { context, cell, ink, dot, ratio }) {
  scene.colours.forEach((colour, patch) => {
    if (colour >= 0) {
      context.globalAlpha = 0.62;
      context.fillStyle = ink.groups[colour];
      context.fillRect(...cell(patch));
    }
    if (scene.shares.intoText[scene.patches[patch]]) veil(context, cell(patch), 0.55, ink, dot);
  });
  context.globalAlpha = 1;
  context.strokeStyle = 'rgba(0, 0, 0, 0.75)';
  context.lineWidth = ratio;
  strokeBorders(scene, context, cell, (p, q) => (scene.at[p] === scene.at[q] ? 0 : 1));
}

function paintKept(scene, { context, cell, ink, dot }) {
  scene.patches.forEach((token, patch) => {
    const merged = scene.shares.merged[token];
    if (merged) veil(context, cell(patch), 0.78 * merged, ink);
    if (scene.shares.intoText[token]) veil(context, cell(patch), 0.78 * scene.shares.intoText[token], ink, dot);
  });
}

function veil(context, box, alpha, ink, pattern) {
  context.globalAlpha = alpha;
  context.fillStyle = ink.veil;
  context.fillRect(...box);
  if (!pattern) return;
  context.globalAlpha = 1;
  context.fillStyle = pattern;
  context.fillRect(...box);
}

function paintGone(scene, { context, cell, ink, hatch }) {
  scene.patches.forEach((token, patch) => {
    const gone = scene.shares.dropped[token] + scene.shares.evicted[token];
    if (!gone) return;
    context.globalAlpha = 0.8 * gone;
    context.fillStyle = ink.veil;
    context.fillRect(...cell(patch));
    context.globalAlpha = gone;
    context.fillStyle = hatch;
    context.fillRect(...cell(patch));
  });
  context.globalAlpha = 1;
}

// Outlines around anchors, as strong as the share of layers in which they are; a dot each where groups are shown.
function paintAnchors(scene, { context, cell, ratio, ink }) {
  const kept = scene.patches.map((token) => scene.shares.kept[token]);
  context.strokeStyle = ink.anchor;
  context.fillStyle = ink.anchor;
  if (scene.mode === 'groups') {
    kept.forEach((share, patch) => { if (share) paintDot(context, cell(patch), ratio, ink); });
    return;
  }
  // Where every patch is an anchor, one frame says it and leaves the picture readable.
  if (kept.every((share) => share > 0.999)) {
    context.lineWidth = 2 * ratio;
    context.strokeRect(ratio, ratio, context.canvas.width - 2 * ratio, context.canvas.height - 2 * ratio);
    return;
  }
  const line = 1.5 * ratio;
  context.lineWidth = line;
  kept.forEach((share, patch) => {
    if (!share) return;
    const [x, y, w, h] = cell(patch);
    context.globalAlpha = share;
    context.strokeRect(x + line / 2 + 0.5, y + line / 2 + 0.5, w - line - 1, h - line - 1);
  });
  context.globalAlpha = 1;
}

function paintDot(context, [x, y, w, h], ratio, ink) {
  const size = Math.max(3 * ratio, Math.min(w, h) * 0.28);
  const left = x + (w - size) / 2;
  const top = y + (h - size) / 2;
  context.fillStyle = 'rgba(0, 0, 0, 0.8)';
  context.fillRect(left - ratio, top - ratio, size + 2 * ratio, size + 2 * ratio);
  context.fillStyle = ink.anchor;
  context.fillRect(left, top, size, size);
}

// A line between neighbouring patches, as strong as `strength` of the two says.
function strokeBorders(scene, context, cell, strength) {
  for (let patch = 0; patch < scene.patches.length; patch++) {
    const [x, y, w, h] = cell(patch);
    const line = (other, x1, y1, x2, y2) => {
      context.globalAlpha = strength(patch, other);
      if (!context.globalAlpha) return;
      context.beginPath();
      context.moveTo(x1, y1);
      context.lineTo(x2, y2);
      context.stroke();
    };
    if ((patch + 1) % scene.columns) line(patch + 1, x + w, y, x + w, y + h);
    if (patch + scene.columns < scene.patches.length) line(patch + scene.columns, x, y + h, x + w, y + h);
  }
  context.globalAlpha = 1;
}

// The base again and, over it, the hovered patch, its anchor and its fellows.
function paintHover(canvas, base, scene, hover, ink) {
  const context = canvas.getContext('2d');
  const ratio = canvas.ratio;
  context.globalAlpha = 1;
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.drawImage(base, 0, 0);
  if (!hover) return;
  const frame = (patch, width, colour) => {
    const x = (patch % scene.columns) * canvas.width / scene.columns;
    const y = Math.floor(patch / scene.columns) * canvas.height / scene.rows;
    const w = canvas.width / scene.columns;
    const h = canvas.height / scene.rows;
    context.lineWidth = (width + 2) * ratio;
    context.strokeStyle = 'rgba(0, 0, 0, 0.85)';
    context.strokeRect(x, y, w, h);
    context.lineWidth = width * ratio;
    context.strokeStyle = colour;
    context.strokeRect(x, y, w, h);
  };
  hover.members.forEach((patch) => frame(patch, 1.5, '#fff'));
  if (hover.anchor >= 0) frame(hover.anchor, 2.5, ink.anchor);
  if (hover.patch >= 0 && hover.patch !== hover.anchor) frame(hover.patch, 2.5, '#fff');
}
