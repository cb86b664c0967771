/**
 * The peer of the HTTP benchmarks: a bare fastify server that echoes a JSON body. It stores nothing and has no second
 * thread, so it is what HTTP alone costs here.
 *
 * `node build/bench/peers/fastify-echo.js [--port 0]` prints one line, `{"url":"http://127.0.0.1:PORT"}`, when it serves.
 */
import { parseArgs } from 'node:util';

import { fastify } from 'fastify';

const { values } = parseArgs({ options: { port: { type: 'string', default: '0' } } });

const app = fastify({ logger: false });
app.post('/event', (request, reply) => {
  reply.send(request.body);
});
app.post('/counters/:name', (request, reply) => {
  reply.send(request.body);
});
app.get('/healthz', (_request, reply) => {
  reply.send({ status: 'alive' });
});

const url = await app.listen({ host: '127.0.0.1', port: Number(values.port) });
process.stdout.write(`${JSON.stringify({ url })}\n`);

const stop = (): void => {
  void app.close();
};
process.once('SIGTERM', stop);
process.once('SIGINT', stop);
