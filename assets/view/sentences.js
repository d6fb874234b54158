// Sentences: what the view says of a token, of a step and of the whole.

function patchCounts(side, shares) {
  const sum = (name) => side.patches.reduce((total, token) => total + shares[name][token], 0);
  const merged = sum('merged') + sum('intoText');
  const counts = { kept: sum('kept'), merged, dropped: sum('dropped'), evicted: sum('evicted') };
  return Object.entries(counts).map(([name, value]) => [String(Math.round(value * 10) / 10), name]);
}

// "256 image patches: 115 kept, 141 merged, 0 dropped"
function imageSummary(side, shares) {
  const counts = patchCounts(side, shares).filter(([value, name]) => name !== 'evicted' || value !== '0');
  return side.patches.length + ' image patches: ' + counts.map((count) => count.join(' ')).join(', ');
}

// "115 of 256 patches kept, 141 merged"
function idleSentence(side, shares, isMean) {
  const [[kept], ...others] = patchCounts(side, shares);
  const rest = others.filter(([value]) => value !== '0').map((count) => ', ' + count.join(' '));
  return (isMean && rest.length ? 'On average ' : '') + kept + ' of ' + side.patches.length + ' patches kept' + rest.join('');
}

// A sentence about a token: where it is and who holds its key and value.
function sentence(side, token, planes, step, grid) {
  const name = tokenName(side, token, grid);
  if (token >= side.tokens) {
    if (token - side.tokens >= step) return name + ' · not written yet';
    if (neverStored(side, token - side.tokens)) return name + ' · ended the answer and was never stored';
  }
  return name + ' · ' + (planes.length > 1 ? meanSentence(side, token, planes, step) : fateSentence(side, token, planes[0], step, grid));
}

function placeText(patch, grid) {
  return 'row ' + (Math.floor(patch / grid[1]) + 1) + ', column ' + (patch % grid[1] + 1);
}

function tokenName(side, token, grid) {
  if (token < side.tokens && side.isImage[token]) return 'Patch ' + placeText(side.patchOf[token], grid);
  const kind = token >= side.tokens ? 'Answer token ' + (token - side.tokens + 1) + ' ' : 'Token ';
  return kind + '“' + pieceOf(side, token) + '”';
}

function fateSentence(side, token, plane, step, grid) {
  const at = holder(side, plane, token, step);
  if (at === DROPPED) return 'was dropped';
  if (at === EVICTED) {
    const when = evictionStep(side, plane, token);
    return 'evicted after answer token ' + when + ' (“' + visiblePiece(side.pieces[when - 1] ?? '') + '”)';
  }
  const members = membersOf(side, plane, token, step);
  if (at === token) {
    if (members.length < 2) return 'keeps its own slot';
    const patches = members.every((member) => side.isImage[member]);
    return 'keeps its own slot (anchor of ' + members.length + (patches ? ' patches)' : ' tokens)');
  }
  const others = members.length - 2;
  const anchor = side.isImage[at]
    ? 'merged into the anchor at ' + placeText(side.patchOf[at], grid)
    : 'merged into the text token “' + pieceOf(side, at) + '”';
  return anchor + (others === 0 ? '' : ', with ' + others + (others === 1 ? ' other' : ' others'));
}

function meanSentence(side, token, planes, step) {
  const counts = { kept: 0, merged: 0, dropped: 0, evicted: 0 };
  for (const plane of planes) {
    const at = holder(side, plane, token, step);
    counts[at === token ? 'kept' : at === DROPPED ? 'dropped' : at === EVICTED ? 'evicted' : 'merged']++;
  }
  const layerOf = (plane) => Math.floor(plane / side.heads);
  const oneLayer = layerOf(planes[0]) === layerOf(planes.at(-1));
  const unit = oneLayer ? 'heads' : planes.length > side.layers ? 'layers and heads' : 'layers';
  if (counts.kept === planes.length) return 'keeps its own slot in all ' + planes.length + ' ' + unit;
  const rest = ['merged', 'dropped', 'evicted'].filter((kind) => counts[kind]).map((kind) => kind + ' in ' + counts[kind]);
  return 'keeps its own slot in ' + counts.kept + ' of ' + planes.length + ' ' + unit + ', ' + rest.join(', ');
}

// ---- what looked at what

function quoted(pieces) {
  return pieces.map((piece) => '“' + piece + '”').join(', ');
}

// " · looked at most by “dog” (token 5), “red” (9)"
function lookersText(side, top) {
  if (!top.length) return '';
  const names = top.map(([number], i) => '“' + visiblePiece(side.pieces[number]) + '” (' + (i ? '' : 'token ') + (number + 1) + ')');
  return ' · looked at most by ' + names.join(', ');
}

// " · 34 % of its attention on the image, of the words most at “:”, “What”"
function lookedText(side, gaze, top) {
  const onImage = gaze.reduce((sum, weight) => sum + weight, 0);
  if (Number.isNaN(onImage)) return '';
  const words = top.length ? ', of the words most at ' + quoted(top.slice(0, 3).map(([token]) => pieceOf(side, token))) : '';
  return ' · ' + Math.round(onImage * 100) + ' % of its attention on the image' + words;
}

// ---- what a step did

// "1–4, 7"
function rangesText(numbers) {
  const parts = [];
  numbers.forEach((number) => {
    const last = parts.at(-1);
    if (last && number === last[1] + 1) last[1] = number;
    else if (!last || number !== last[1]) parts.push([number, number]);
  });
  return parts.map(([from, to]) => (from === to ? from : from + '–' + to)).join(', ');
}

// What a side evicted after an answer token: [[token, [layers from 1]], ...], of one layer (from 1) or of all.
function evictionsAt(side, step, layer) {
  const layers = new Map();
  (side.dropped[step - 1] ?? []).forEach((perHead, l) => perHead.forEach((token) => {
    if (token < 0 || (layer && layer !== l + 1)) return;
    layers.set(token, [...(layers.get(token) ?? []), l + 1]);
  }));
  return [...layers].sort((a, b) => b[1].length - a[1].length || a[0] - b[0]);
}

// "patch row 3, column 4 (layers 1–4, 7); “the” (layer 2) and 3 more", as much as two lines hold
function evictionsText(side, step, layer, grid) {
  const gone = evictionsAt(side, step, layer);
  const name = (token) => (token < side.tokens && side.isImage[token]
    ? 'patch ' + placeText(side.patchOf[token], grid) : '“' + pieceOf(side, token) + '”');
  const shown = gone.slice(0, 2).map(([token, layers]) => {
    const ranges = rangesText(layers);
    return name(token) + (layer ? '' : ' (layer' + (ranges.length > 1 ? 's ' : ' ') + ranges + ')');
  });
  return shown.join('; ') + (gone.length > 2 ? ' and ' + (gone.length - 2) + ' more' : '');
}
