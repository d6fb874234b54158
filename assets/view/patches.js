// Patches: what the pictures show at this step, and what is added while something is pointed at.

const needsOne = () => state.groups || ['colours', 'mean'].includes(state.fill);
const openSides = () => state.sides.filter((side) => side.opened);

function drawPatches() {
  ink ??= readColours(root);
  openSides().forEach((side) => {
    const where = planes(side);
    const shares = sharesOf(side, where, stepOn(side));
    side.scene = sceneOf(side, where, shares, state);
    describe(ofSide('.tv-patches', side), side);
    updateStrip(ofSide('.tv-strip', side), side, shares, stepOn(side));
    drawWords(side);
    drawChannels(side);
  });
  find('.tv-key-words').hidden = !openSides().some((side) => side.scene.shares.intoText.some((share) => share > 0));
  root.classList.toggle('tv-mean', openSides().some((side) => !isSingle(side)));
}

// What a picture shows of a side; `look` says what is switched on, as the state does.
function sceneOf(side, where, shares, { fill, groups, anchors, opacity, step }) {
  const [rows, columns] = state.grid;
  const after = Math.min(step, side.steps);
  const at = where.length === 1 ? side.patches.map((token) => holder(side, where[0], token, after)) : null;
  if (fill === 'mean') state.patchColours ??= patchColours(state.picture, rows, columns);
  return {
    rows, columns, picture: state.picture, patches: side.patches, shares, at,
    colours: at && fill === 'colours' ? groupColours(side, where[0], after, columns, PALETTE) : null,
    means: at && fill === 'mean' && state.patchColours ? groupMeans(side, at, state.patchColours) : null,
    fill, borders: groups, anchors, opacity, heat: null, range: [NaN, NaN],
  };
}

// The numbers behind a canvas, for tests and for whoever looks into the page.
function describe(canvas, side) {
  const { shares, patches, colours, means, at } = side.scene;
  const names = [['kept', 'a'], ['merged', 'm'], ['intoText', 't'], ['dropped', 'd'], ['evicted', 'e']];
  canvas.dataset.fates = at ? patches.map((token) => names.find(([name]) => shares[name][token] > 0.5)[1]).join('') : '';
  canvas.dataset.shares = patches.map((token) => shares.kept[token].toFixed(3)).join(',');
  canvas.dataset.colours = colours ? colours.join(',') : '';
  canvas.dataset.means = means ? means.map((mean) => mean?.join(' ') ?? '').join(',') : '';
}

// ---- heat

// What the colours stand for now: an answer token that is pointed at comes before what is switched on.
function heatNow() {
  const numbers = hoveredNumbers();
  if (numbers && openSides().some((side) => numbers.some((number) => side.looked[number]))) return { kind: 'looked', numbers };
  if (state.heat !== 'looked') return { kind: state.heat, numbers: null };
  return { kind: 'looked', numbers: null };
}

// On a side that has ended the last token counts; before the first, the first.
const numbersOn = (side, heat) => heat.numbers ?? [Math.max(0, stepOn(side) - 1)];

function heatKey(heat) {
  return JSON.stringify([heat, openSides().map((side) => [numbersOn(side, heat), side.known])]);
}

function drawHeat(heat) {
  const open = openSides();
  open.forEach((side) => {
    side.scene.heat = heat.kind === 'importance' ? patchScores(side, state.layer)
      : heat.kind === 'looked' ? patchGaze(side, numbersOn(side, heat), state.layer) : null;
  });
  // What a token looked at is seen through nothing else.
  open.forEach((side) => { side.scene.fill = heat.numbers ? 'none' : state.fill; });
  const range = heat.kind === 'none' ? [NaN, NaN] : heatRange(open.map((side) => side.scene.heat), state.hideSinks);
  open.forEach((side) => {
    side.scene.range = range;
    const canvas = ofSide('.tv-patches', side);
    side.base ??= document.createElement('canvas');
    Object.assign(side.base, { width: canvas.width, height: canvas.height, ratio: canvas.ratio });
    if (canvas.width && canvas.ratio) paintBase(side.base, side.scene, ink);
    canvas.dataset.looked = heat.kind === 'looked' ? Array.from(side.scene.heat, (value) => value.toFixed(4)).join(',') : '';
  });
  setText(find('.tv-low'), shortNumber(range[0]));
  setText(find('.tv-high'), shortNumber(range[1]) + (state.hideSinks ? ' or more' : ''));
  setText(find('.tv-unit'), unitText(heat));
  root.dataset.scale = heat.kind === 'none' ? '' : range.join(',');
  fitLegend(heat.kind, heat.numbers ? 'none' : state.fill);
  if (heat.kind === 'looked') fetchLayer();
}

function unitText(heat) {
  // Attention is recorded per layer, for all heads together.
  const perHead = headNow() ? ', mean of all heads' : '';
  if (heat.kind !== 'looked') return 'attention received' + perHead;
  const [side] = openSides();
  const numbers = numbersOn(side, heat);
  const isMean = state.layer && openSides().some((each) => !layerSeen(each, numbersOn(each, heat), state.layer));
  const which = numbers.length > 1 ? 'the word pointed at' : 'token ' + (numbers[0] + 1);
  return 'share of the attention of ' + which + (isMean ? ', mean of all layers' : perHead);
}

// ---- hover

// The token of a side that is pointed at; a word of one side stands for the same word of the other.
function tokenOn(side) {
  const { hover } = state;
  if (!hover || !side.opened) return null;
  if (hover.patch !== undefined) return side.patches[hover.patch] ?? null;
  const own = state.sides[hover.side];
  if (side === own) return hover.token;
  if (hover.token >= own.tokens) return hover.token - own.tokens < side.known ? side.tokens + hover.token - own.tokens : null;
  return side.tokens === own.tokens && side.promptPieces[hover.token] === own.promptPieces[hover.token] ? hover.token : null;
}

// The answer tokens that are pointed at, numbered from 0.
function hoveredNumbers() {
  const { hover } = state;
  const own = hover && state.sides[hover.side];
  if (!own?.opened || hover.token === undefined || hover.token < own.tokens) return null;
  return hover.numbers ?? [hover.token - own.tokens];
}

function drawHover() {
  const numbers = hoveredNumbers();
  const shown = openSides().filter((side) => side.scene).map((side) => hoverOf(side, numbers));
  const own = shown.find(({ side }) => side.number === state.hover?.side);
  const perSide = (name) => shown.filter((each) => each[name].length)
    .map((each) => each.side.letter + ':' + each[name].map(([number]) => number).join(',')).join(';');
  Object.assign(root.dataset, {
    hover: state.hover?.patch ?? '', hoverToken: own?.token ?? '',
    anchor: own?.at >= 0 ? own.at : '', members: own?.at >= 0 ? own.members.join(',') : '',
    topTokens: perSide('lookers'), lookedPrompt: perSide('seen'),
  });
  shown.forEach(showHover);
  return own?.text ?? '';
}

function hoverOf(side, numbers) {
  const token = tokenOn(side);
  const where = planes(side);
  const step = stepOn(side);
  const at = token !== null && where.length === 1 && !state.blind ? holder(side, where[0], token, step) : -1;
  const members = at >= 0 ? membersOf(side, where[0], token, step) : [];
  const lookers = token !== null && !numbers ? topAnswer(side, token, state.layer) : [];
  const seen = token !== null && numbers ? topPrompt(side, numbers, state.layer) : [];
  const lookText = token === null ? idleGaze(side) : numbers ? lookedText(side, side.scene.heat ?? [NaN], seen) : lookersText(side, lookers);
  const text = state.blind ? (token === null ? '' : tokenName(side, token, state.grid)) : token === null
    ? idleSentence(side, side.scene.shares, where)
    : sentence(side, token, where, step, state.grid) + received(side, token);
  return { side, token, at, members, lookers, seen, numbers, text: text + lookText };
}

function idleGaze(side) {
  return state.heat === 'looked' && side.scene.heat ? lookedText(side, side.scene.heat, []) : '';
}

function showHover({ side, token, at, members, lookers, seen, numbers, text }) {
  const canvas = ofSide('.tv-patches', side);
  const patchOf = (member) => (member >= 0 && member < side.tokens ? side.patchOf[member] : -1);
  const lit = litTokens(side);
  const onPicture = (tokens) => tokens.map(patchOf).filter((patch) => patch >= 0);
  paintHover(canvas, side.base, side.scene, token === null && !lit.length ? null : {
    patch: patchOf(token ?? -1), anchor: patchOf(at), members: onPicture(members), lit: onPicture(lit), tint: state.litColour,
  }, ink);
  const says = ofSide('.tv-says', side);
  setText(says, text);
  setClass(says, 'tv-idle', token === null);
  const label = 'Image patches, ' + side.title + ', after token ' + stepOn(side) + ', ' + planesName(side) + '. ' + text
    + '. Arrow keys move from patch to patch, Enter holds one, Escape lets go.';
  if (canvas.getAttribute('aria-label') !== label) canvas.setAttribute('aria-label', label);
  lightTokens(side, 'tv-lit', token === null ? lit : [token, at, ...members, ...lit]);
  const answerTokens = [...lookers.map(([number]) => number), ...(token === null ? [] : numbers ?? [])];
  lightTokens(side, 'tv-looks', [...lookers.map(([number]) => side.tokens + number), ...seen.map(([given]) => given)]);
  side.words?.forEach((word) => setClass(word.node, 'tv-lit', answerTokens.some((number) => word.numbers.includes(number))));
}

function received(side, token) {
  const score = state.heat === 'importance' && token < side.tokens ? side.scene.heat?.[side.patchOf[token]] : undefined;
  return score === undefined || Number.isNaN(score) ? '' : ' · attention received ' + shortNumber(score);
}
