// Start: the view on its own, fed with the component's values. The lesson, which brings its runs along, has another.

import { frame } from '../frame.js';
import { readPresenting, readWanted } from './address.js';
import { read } from './inbox.js';
import './main.js';

readPresenting();
readWanted();
frame.watch('value', read);
read();
