import { defineJob } from 'millrace';
import { addHourlyFlights } from './hourly.js';
import { loadFlights } from './load-flights.js';

const flights = await loadFlights();

/** Ends by itself: `node dist/main.js --job dist/examples/flights/hourly-job.js` */
export default defineJob('flights-per-hour', (env) => {
  addHourlyFlights(env, flights);
});
