import { describe, expect, it } from 'vitest';
import { addHourlyFlights, dateOf, timeOf, type HourOfFlights } from '../../../examples/flights/hourly.js';
import { loadFlights } from '../../../examples/flights/load-flights.js';
import { defineJob } from '../../../src/index.js';
import { JobDriver } from '../../../src/testing/index.js';
import { hoursByHand, sortedHours } from '../../helpers/flights-by-hand.js';

const hoursOf = (driver: JobDriver): HourOfFlights[] =>
  driver.topic('flights-per-hour').map(({ value }) => value as HourOfFlights);

describe('the example of flights per hour', () => {
  it.each([1, 2, 4])('counts 20,000 flights as a plain loop does, at parallelism %d', async (parallelism) => {
    const flights = await loadFlights();
    const job = defineJob('hourly', (env) => addHourlyFlights(env, flights));
    const driver = new JobDriver(job, { parallelism });
    driver.runSources();
    driver.endInput();
    expect(sortedHours(hoursOf(driver))).toEqual(hoursByHand(flights));
  });

  it('tells an hour as soon as the flights that are read have passed it by a quarter', async () => {
    const flights = (await loadFlights()).slice(0, 200);
    const driver = new JobDriver(defineJob('hourly', (env) => addHourlyFlights(env, flights)));
    driver.runSources(120);
    driver.emitWatermarks();
    const lastRead = timeOf(flights[119]?.date ?? '');
    const told = hoursByHand(flights).filter(({ hour }) => timeOf(hour) + 75 * 60_000 <= lastRead);
    expect(sortedHours(hoursOf(driver))).toEqual(told);
    expect(told.length).toBeGreaterThan(10);
  });

  it('reads dates as they are written', () => {
    expect(dateOf(timeOf('2001/02/28 23:59'))).toBe('2001/02/28 23:59');
    expect(timeOf('2001/03/01 00:00') - timeOf('2001/02/28 23:00')).toBe(3_600_000);
  });
});
