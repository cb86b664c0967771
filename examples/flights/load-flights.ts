import { readFile } from 'node:fs/promises';
import type { Flight } from './running-delays.js';

/** 20,000 flights within the United States in early 2001, in order of departure, as reported to its Bureau of Transportation Statistics. */
export async function loadFlights(): Promise<Flight[]> {
  // The package exports its code alone; the data lies beside it.
  const packageEntry = import.meta.resolve('vega-datasets');
  const file = new URL('../data/flights-20k.json', packageEntry);
  return JSON.parse(await readFile(file, 'utf8')) as Flight[];
}
