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
    anchor: get('anchor'), veil: get('veil'), blank: get('blank'), hatch: get('hatch'), text: get('merged'), plain: get('plain'),
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
  context.globalAlpha = 0.62;
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
    if (scene.shares.intoText[scene.patches[patch]]) fill(context, cell(patch), 0.7, ink.blank, dot);
  });
  context.globalAlpha = 1;
  context.strokeStyle = 'rgba(0, 0, 0, 0.75)';
  context.lineWidth = ratio;
  const isAlone = (patch) => scene.colours[patch] < 0 && scene.at[patch] >= 0;
  strokeBorders(scene, context, cell, (p, q) => (scene.at[p] === scene.at[q] ? 0 : isAlone(p) && isAlone(q) ? 0.2 : 0.9));
}

function paintKept(scene, { context, cell, ink, dot }) {
  scene.patches.forEach((token, patch) => {
    const merged = scene.shares.merged[token];
    const intoText = scene.shares.intoText[token];
    if (merged) fill(context, cell(patch), 0.6 * merged, ink.veil);
    if (intoText) fill(context, cell(patch), 0.7 * intoText, ink.blank, dot);
  });
}

function fill(context, box, alpha, colour, pattern) {
  context.globalAlpha = alpha;
  context.fillStyle = colour;
  context.fillRect(...box);
  if (!pattern) return;
  context.globalAlpha = Math.min(1, alpha / 0.7);
  context.fillStyle = pattern;
  context.fillRect(...box);
}

function paintGone(scene, { context, cell, ink, hatch }) {
  // The heat of a dropped patch is worth seeing: only lines go over it.
  const cover = scene.mode === 'importance' ? 0 : 0.7;
  scene.patches.forEach((token, patch) => {
    const gone = scene.shares.dropped[token] + scene.shares.evicted[token];
    if (!gone) return;
    fill(context, cell(patch), cover * gone, ink.blank);
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
  const w = canvas.width / scene.columns;
  const h = canvas.height / scene.rows;
  const corner = (patch) => [(patch % scene.columns) * w, Math.floor(patch / scene.columns) * h];
  const stroke = (path, width, colour) => {
    for (const [line, tint] of [[width + 2, 'rgba(0, 0, 0, 0.85)'], [width, colour]]) {
      context.lineWidth = line * ratio;
      context.strokeStyle = tint;
      context.stroke(path);
    }
  };
  const frame = (patch, colour) => {
    const path = new Path2D();
    path.rect(...corner(patch), w, h);
    stroke(path, 2.5, colour);
  };
  stroke(outline(hover.members, scene.columns, corner, w, h), 1.5, '#fff');
  if (hover.anchor >= 0) frame(hover.anchor, ink.anchor);
  if (hover.patch >= 0 && hover.patch !== hover.anchor) frame(hover.patch, '#fff');
}

// The edges of a set of patches.
function outline(patches, columns, corner, w, h) {
  const inside = new Set(patches);
  const path = new Path2D();
  for (const patch of patches) {
    const [x, y] = corner(patch);
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
