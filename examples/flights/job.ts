import { defineJob } from 'millrace';
import { addFlights } from './flights.js';

/** `node dist/main.js --job dist/examples/flights/job.js` */
export default defineJob('flights', addFlights);
