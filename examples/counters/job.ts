import { defineJob } from 'millrace';
import { addCounters } from './counters.js';

/** `node dist/main.js --job dist/examples/counters/job.js` */
export default defineJob('counters', addCounters);
