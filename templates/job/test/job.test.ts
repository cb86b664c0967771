import assert from 'node:assert/strict';
import { test } from 'node:test';
import { JobDriver } from 'millrace/testing';
import job from '../src/job.js';

/** A request as the gateway would hand it over. */
function visit(page: string) {
  return {
    method: 'POST',
    path: `/visits/${page}`,
    route: 'POST /visits/:page',
    params: { page },
    query: {},
    headers: {},
    body: undefined,
  };
}

test('counts the visits of each page by itself', () => {
  const driver = new JobDriver(job, { parallelism: 2 });
  for (const page of ['home', 'about', 'home']) {
    const request = { correlationId: page, replyTo: 'test', deadline: 0 };
    driver.send('requests-post-visits-page', visit(page), { request });
  }
  assert.deepEqual(
    driver.responses.map(({ value }) => value),
    [
      { page: 'home', visits: 1 },
      { page: 'about', visits: 1 },
      { page: 'home', visits: 2 },
    ],
  );
});
