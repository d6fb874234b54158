// Draw: what the reader of the lesson draws and picks, and the movements over a picture, on a page of their own.

import { layOut } from '../../assets/web/core/views.js';
import { frame } from '../../assets/web/frame.js';
import { buildLine } from '../../assets/web/lesson/line.js';
import { cutMotion, slideMotion } from '../../assets/web/lesson/motion.js';
import { buildPicks } from '../../assets/web/lesson/picks.js';
import { fitCanvases } from '../../assets/web/view/controls.js';
import { find, root } from '../../assets/web/view/dom.js';
import { listenCanvas } from '../../assets/web/view/pointer.js';
import { state } from '../../assets/web/view/state.js';

const picture = frame.props.picture;
const rows = frame.props.rows;
const columns = frame.props.columns;
const oneView = (high, wide) => ({ layout: layOut([{ rows: high, columns: wide, box: [0, 0, 1, 1], picture: 0 }]) });
Object.assign(state, { ...oneView(rows, columns), pictures: [new Image()] });
const canvas = find('.tv-patches');
const keys = [];
state.pictures[0].src = picture;
listenCanvas(canvas, 0);
root.addEventListener('keydown', (event) => keys.push(event.key));
new ResizeObserver(fitCanvases).observe(canvas);
fitCanvases();
window.draw = { state, keys, canvas, buildLine, buildPicks, cutMotion, slideMotion, oneView, heard: [] };
