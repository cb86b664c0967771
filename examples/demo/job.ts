import { defineJob } from 'millrace';
import { addCounters } from '../counters/counters.js';
import { addEcho } from '../echo/echo.js';
import { addFlights } from '../flights/flights.js';

/** All examples in one process: what `npm start` runs. */
export default defineJob('demo', (env) => {
  addEcho(env);
  addCounters(env);
  addFlights(env);
});
