// Start: the view on its own, fed with the component's values. The lesson, which brings its runs along, has another.

import { frame } from '../frame.js';
import { readWanted } from './address.js';
import { listenAnew } from './anew.js';
import { read } from './inbox.js';
import { showKept } from './keeping.js';
import { openWanted } from './levels.js';
import './main.js';
import { presentView } from './present.js';

presentView();
readWanted();
openWanted();
listenAnew();
frame.watch('value', read);
read();
showKept();
