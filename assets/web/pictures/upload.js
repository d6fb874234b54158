// Files on their way to the page: chosen, or dropped or pasted anywhere on it; made such as the server takes them.
// Gradio 6.31 takes the shown picture away before it looks at the file that comes in its place, and forgets photographs
// whose type the browser does not know. So every file comes through here, and what would be refused never gets there.

const OF_PHONES = /\.(heic|heif)$/i; // photographs that only some browsers know by their type
const OF_RUNS = /\.zip$/i; // saved traces have a place of their own
let isPassed = false; // whether the file that the picture's input has is one of those that went through here

/**
 * @typedef {{ mostBytes: number, mostPixels: number }} Limits - bytes of a file, and pixels of a side that are looked at
 * @param {Limits} limits
 */
export function takeFiles(limits) {
  document.addEventListener('change', (event) => onChange(event, limits), true);
  document.addEventListener('click', offerPhotographs, true);
  document.addEventListener('dragover', (event) => { if (carriesFiles(event.dataTransfer)) event.preventDefault(); });
  document.addEventListener('drop', (event) => onDrop(event, limits), true);
  document.addEventListener('paste', (event) => onPaste(event, limits), true);
}

/** @returns {HTMLElement | null} */
const place = () => document.querySelector('#picture');

/** @param {string} selector */
const inputOf = (selector) => /** @type {HTMLInputElement | null} */ (document.querySelector(selector + ' input[type=file]'));

/** @param {DataTransfer | null} data */
const carriesFiles = (data) => Boolean(data?.types.includes('Files'));

/** The list of files to choose from shows photographs of phones too. */
function offerPhotographs() {
  const input = inputOf('#picture');
  if (input) input.accept = 'image/*,.heic,.heif';
}

/**
 * @param {Event} event
 * @param {Limits} limits
 */
function onChange(event, limits) {
  const input = inputOf('#picture');
  if (!input || event.target !== input || isPassed) return;
  const file = input.files?.[0];
  if (!file) return;
  event.stopPropagation();
  take(file, limits);
}

/**
 * @param {DragEvent} event
 * @param {Limits} limits
 */
function onDrop(event, limits) {
  const file = event.dataTransfer?.files[0];
  const target = event.target instanceof Element ? event.target : null;
  if (!file || target?.closest('#open-trace')) return;
  event.preventDefault();
  event.stopPropagation();
  // Gradio lit its zone up when the file came above it, and is not told that it was dropped.
  place()?.querySelectorAll('button').forEach((button) => button.dispatchEvent(new DragEvent('dragleave')));
  take(file, limits);
}

/**
 * @param {ClipboardEvent} event
 * @param {Limits} limits
 */
function onPaste(event, limits) {
  const file = event.clipboardData?.files[0];
  // Who copies from a text processor has a picture of the words as well: in a field, the words are meant.
  const isField = event.target instanceof HTMLInputElement || event.target instanceof HTMLTextAreaElement;
  if (!file || (isField && event.clipboardData?.types.includes('text/plain'))) return;
  event.preventDefault();
  event.stopPropagation();
  take(file, limits);
}

/**
 * @param {File} file
 * @param {Limits} limits
 */
async function take(file, { mostBytes, mostPixels }) {
  if (OF_RUNS.test(file.name)) {
    await openRuns();
    give('#open-trace', file);
    return;
  }
  const isOfPhone = OF_PHONES.test(file.name);
  const isLarge = file.size > mostBytes;
  const small = isLarge && isPicture(file) ? await smaller(file, mostPixels) : isLarge ? null : file;
  if (!isLarge && !isPicture(file)) refuse('#no-picture');
  else if (!small || small.size > mostBytes) refuse('#too-large');
  else give('#picture', isOfPhone && !small.type ? new File([small], file.name, { type: 'image/heic' }) : small);
}

/** The place of saved traces is there once it is unfolded, some frames later. */
async function openRuns() {
  if (inputOf('#open-trace')) return;
  /** @type {HTMLElement | null} */ (document.querySelector('#recorded button'))?.click();
  for (let frames = 0; frames < 120 && !inputOf('#open-trace'); frames++) await new Promise(requestAnimationFrame);
}

/** @param {File} file */
const isPicture = (file) => file.type.startsWith('image/') || OF_PHONES.test(file.name);

/** @param {string} button - that says why a file is not taken */
function refuse(button) {
  const input = inputOf('#picture');
  if (input) input.value = '';
  /** @type {HTMLElement | null} */ (document.querySelector(button))?.click();
}

/**
 * @param {string} selector
 * @param {File} file
 */
function give(selector, file) {
  const input = inputOf(selector);
  if (!input) return;
  const files = new DataTransfer();
  files.items.add(file);
  input.files = files.files;
  isPassed = true;
  input.dispatchEvent(new Event('change', { bubbles: true }));
  isPassed = false;
}

/**
 * A photograph upright on white, at most so many pixels wide and high; null where the browser cannot read it.
 *
 * @param {File} file
 * @param {number} most
 * @returns {Promise<File | null>}
 */
async function smaller(file, most) {
  try {
    const whole = await createImageBitmap(file);
    const scale = Math.min(1, most / Math.max(whole.width, whole.height));
    const canvas = document.createElement('canvas');
    canvas.width = Math.max(1, Math.round(whole.width * scale));
    canvas.height = Math.max(1, Math.round(whole.height * scale));
    const brush = canvas.getContext('2d');
    if (!brush) return null;
    brush.fillStyle = 'white';
    brush.fillRect(0, 0, canvas.width, canvas.height);
    brush.imageSmoothingQuality = 'high';
    brush.drawImage(whole, 0, 0, canvas.width, canvas.height);
    whole.close();
    const content = await new Promise((/** @type {(blob: Blob | null) => void} */ done) => canvas.toBlob(done, 'image/jpeg', 0.92));
    return content && new File([content], file.name.replace(/\.\w*$/, '') + '.jpg', { type: 'image/jpeg' });
  } catch {
    return null;
  }
}
