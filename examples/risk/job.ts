import { defineJob } from 'millrace';
import { addRisk } from './risk.js';

/** `node dist/main.js --job dist/examples/risk/job.js` */
export default defineJob('risk', addRisk);
