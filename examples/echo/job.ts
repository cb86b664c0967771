import { defineJob } from 'millrace';
import { addEcho } from './echo.js';

/** `node dist/main.js --job dist/examples/echo/job.js` */
export default defineJob('echo', addEcho);
