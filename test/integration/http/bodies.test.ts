import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';

import { GatewayUnderTest } from '../../helpers/gateway-under-test.js';

let server: GatewayUnderTest | null = null;

afterEach(async () => {
  await server?.stop();
  server = null;
});

const large = JSON.stringify({ text: 'x'.repeat(300_000) });

function headOf(body: string): string {
  const length = String(Buffer.byteLength(body));
  return `POST /echo HTTP/1.1\r\nhost: here\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\n\r\n`;
}

describe('a body', () => {
  it('that comes byte by byte is taken whole, and the connection goes on', async () => {
    server = await GatewayUnderTest.start();
    const wire = server.connect();
    for (const byte of `${headOf('{"a":1}')}{"a":1}`) {
      wire.send(byte);
      await nextTurn();
    }
    await wire.until(/\{"a":1\}$/);
    wire.send(`${headOf('{"b":2}')}{"b":2}`);
    await wire.until(/\{"b":2\}$/);
    wire.hangUp();
  });

  it('in chunks of its sender, and one in the same packet as the next request, are taken whole', async () => {
    server = await GatewayUnderTest.start();
    const wire = server.connect();
    const head =
      'POST /echo HTTP/1.1\r\nhost: here\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n';
    wire.send(`${head}3\r\n{"a\r\n4\r\n":1}\r\n0\r\n\r\n${headOf('{"b":2}')}{"b":2}`);
    await wire.until(/\{"a":1\}HTTP.*\{"b":2\}$/s);
    wire.hangUp();
  });

  it('that came while a hook of the author waited is taken whole', async () => {
    server = await GatewayUnderTest.start({}, undefined, {
      plugin: (app) => {
        app.addHook('onRequest', async () => {
          for (let turn = 0; turn < 20; turn++) await nextTurn();
        });
      },
    });
    for (const body of ['{"a":1}', large]) expect(await (await server.post('/echo', body)).text()).toBe(body);
  });

  it('that breaks off leaves nothing behind', async () => {
    server = await GatewayUnderTest.start();
    const wire = server.connect();
    wire.send(headOf(large)).send(large.slice(0, 100_000));
    await expect.poll(() => server?.metric('millrace_http_receiving_bytes'), { timeout: 10_000 }).toBe(100_000);
    wire.hangUp();
    await expect.poll(() => server?.metric('millrace_http_receiving_bytes'), { timeout: 10_000 }).toBe(0);
  });
});
