// Strip: the tokens in reading order, the image folded into one block, each with what became of it.

function pieceOf(side, token) {
  return visiblePiece(token < side.tokens ? side.promptPieces[token] : side.pieces[token - side.tokens] ?? '');
}

function stripBox(token, className) {
  const box = document.createElement('span');
  box.className = className;
  box.setAttribute('role', 'option');
  box.tabIndex = -1;
  if (token !== null) box.dataset.token = token;
  return box;
}

// Boxes for the tokens before the answer; answer tokens follow as they come.
function buildStrip(strip, side) {
  side.boxes = [];
  side.imageBoxes = [];
  const nodes = [];
  for (let token = 0; token < side.tokens; token++) {
    if (!side.isImage[token]) {
      nodes.push(side.boxes[token] = tokenBox(side, token));
    } else if (!side.isImage[token - 1]) {
      const block = stripBox(null, 'tv-token tv-image');
      side.imageBoxes.push(block);
      nodes.push(block);
    }
  }
  if (nodes.length) nodes[0].tabIndex = 0;
  strip.replaceChildren(...nodes);
}

function tokenBox(side, token) {
  const box = stripBox(token, 'tv-token');
  box.dataset.by = token >= side.tokens || !side.isPrompt[token] ? 'model' : 'prompt';
  const word = document.createElement('bdi');
  word.textContent = pieceOf(side, token);
  box.append(word);
  return box;
}

// Bring the strip to a step. `shares` of the side's planes; a token is what it is in most of them.
function updateStrip(strip, side, shares, planes, step) {
  for (let i = 0; i < side.steps; i++) {
    const token = side.tokens + i;
    if (!side.boxes[token] && side.pieces[i] !== undefined) {
      strip.append(side.boxes[token] = tokenBox(side, token));
    }
  }
  side.boxes.forEach((box, token) => {
    const [fate, share] = token < side.tokens
      ? fateOf(shares, token)
      : answerFate(side, token - side.tokens, planes, step);
    if (box.dataset.fate !== fate) box.dataset.fate = fate;
    const fill = share.toFixed(2);
    if (box.dataset.share !== fill) {
      box.dataset.share = fill;
      box.style.setProperty('--tv-share', fill);
    }
  });
  const text = imageSummary(side, shares);
  side.imageBoxes.forEach((box) => { if (box.textContent !== text) box.textContent = text; });
}

function fateOf(shares, token) {
  const merged = shares.merged[token] + shares.intoText[token];
  const kinds = [['kept', shares.kept[token]], ['merged', merged], ['dropped', shares.dropped[token]], ['evicted', shares.evicted[token]]];
  const [fate] = kinds.reduce((best, kind) => (kind[1] > best[1] + 1e-6 ? kind : best));
  return [fate, shares.kept[token]];
}

function answerFate(side, number, planes, step) {
  if (number >= step) return ['coming', 0];
  if (neverStored(side, number)) return ['unstored', 0];
  const inPlay = new Set(planes);
  const gone = (side.evictedAnswers[number] ?? []).filter(([plane, at]) => at <= step && inPlay.has(plane)).length;
  const kept = 1 - gone / planes.length;
  return [kept >= 0.5 ? 'kept' : 'evicted', kept];
}

// The token that ends an answer is written but never read again.
function neverStored(side, number) {
  return side.finish === 'end' && number === side.steps - 1;
}

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
