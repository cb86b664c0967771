import { defineJob } from 'millrace';
import { addCounters } from '../counters/counters.js';
import { addEcho } from '../echo/echo.js';
import { addFlights } from '../flights/flights.js';
import { addRisk } from '../risk/risk.js';

/** All examples in one process: what `npm start` runs. */
export default defineJob('demo', (env) => {
  addEcho(env);
  addCounters(env);
  addFlights(env);
  addRisk(env);
});
