// Channels: which channels of its keys a side still holds, one row per head, where it dropped some.

// The bits of a message, one number per channel.
function readChannels(given) {
  if (!given) return null;
  const [, heads, dim] = given.shape;
  const bytes = decodeBase64(given.bits, Uint8Array);
  const bitAt = (i) => (bytes[i >> 3] >> (7 - i % 8)) & 1;
  return { heads, dim, bitAt };
}

// Per head and channel whether it is held in a layer, or (layer 0) in which share of all layers.
function channelShares({ channels, layers }, layer) {
  const { heads, dim, bitAt } = channels;
  const shown = layer ? [layer - 1] : [...Array(layers).keys()];
  return Float32Array.from({ length: heads * dim }, (_, i) => shown.reduce((sum, at) => sum + bitAt(at * heads * dim + i), 0) / shown.length);
}

// "32 of 64 channels", the mean over heads, and over layers where all are shown.
function channelsText(side, layer) {
  const { heads, dim } = side.channels;
  const kept = channelShares(side, layer).reduce((sum, share) => sum + share, 0) / heads;
  return Math.round(10 * kept) / 10 + ' of ' + dim + ' channels';
}

function drawChannels(side) {
  if (!side.channels) return;
  const box = ofSide('.tv-thin', side);
  const { heads, dim } = side.channels;
  const canvas = box.querySelector('canvas');
  const shares = channelShares(side, state.layer);
  canvas.dataset.shares = Array.from(shares, (share) => share.toFixed(2)).join(',');
  const says = 'Keys hold ' + channelsText(side, state.layer) + ' per head, ' + layerName() + '; values are whole.';
  setText(box.querySelector('.tv-thin-says'), says);
  canvas.setAttribute('aria-label', 'Channels of the keys, ' + side.title + ', a row per head. ' + says);
  if (canvas.width) paintChannels(canvas, { rows: heads, columns: dim, patches: shares });
}

// A channel that is held is lit as an anchor is, one that is not is hatched as a dropped patch is.
function paintChannels(canvas, scene) {
  const context = canvas.getContext('2d');
  context.globalAlpha = 1;
  context.fillStyle = 'rgb(' + ink.blank.join(',') + ')';
  context.fillRect(0, 0, canvas.width, canvas.height);
  const share = (cell) => scene.patches[cell];
  paintPattern(context, scene, hatching(context, canvas.ratio, ink.hatch, 'transparent'), (cell) => 1 - share(cell));
  context.globalAlpha = 1;
  paintCells(context, scene, () => hexParts(ink.anchor), share);
  context.fillStyle = 'rgb(' + ink.blank.join(',') + ')';
  for (let row = 1; row < scene.rows; row++) {
    context.fillRect(0, Math.round(row * canvas.height / scene.rows) - canvas.ratio / 2, canvas.width, canvas.ratio);
  }
}

// Rows high enough to be told apart, of which many still are a small picture.
function fitChannels(canvas, side, ratio) {
  const row = side.channels.heads > 8 ? 5 : 12;
  canvas.style.height = row * side.channels.heads + 'px';
  const [width, height] = [canvas.clientWidth, row * side.channels.heads].map((size) => Math.round(size * ratio));
  canvas.ratio = ratio;
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
}
