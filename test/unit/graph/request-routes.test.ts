import { describe, expect, it } from 'vitest';
import { declaredRoutes, type RequestAtTheDoor } from '../../../src/graph/request-routes.js';
import { graphOf } from '../../helpers/build-job.js';

const request: RequestAtTheDoor = {
  method: 'POST',
  path: '/counters/a',
  route: 'POST /counters/:name',
  params: { name: 'a' },
  query: {},
  headers: {},
  body: { amount: 1 },
};

describe('declaredRoutes', () => {
  it('lists the routes of all sources in their order, with the uid of each', () => {
    const routes = declaredRoutes(
      graphOf((env) => {
        env.requests(['POST /a', 'GET /a'], { headers: ['x-user'] }).uid('a');
        env.fromCollection([1]);
        env.requests('GET /b');
      }),
    );
    expect(routes.map(({ route, sourceUid, forwardHeaders, key }) => [route, sourceUid, forwardHeaders, key])).toEqual([
      ['POST /a', 'a', ['x-user'], null],
      ['GET /a', 'a', ['x-user'], null],
      ['GET /b', 'requests-get-b', [], null],
    ]);
  });

  it('gives each route the key function of its source, which may look at the route that matched', () => {
    const [post, get] = declaredRoutes(
      graphOf((env) => {
        env.requests(['POST /counters/:name', 'GET /counters/:name'], {
          key: (seen) => `${seen.route} ${seen.params.name}`,
        });
      }),
    );
    expect(post?.key?.(request)).toBe('POST /counters/:name a');
    expect(get?.key?.({ ...request, route: 'GET /counters/:name' })).toBe('GET /counters/:name a');
  });
});
