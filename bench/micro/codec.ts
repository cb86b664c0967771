import { pathToFileURL } from 'node:url';
import { join } from 'node:path';
import type * as msgpackModule from '../../src/protocol/msgpack-serde.js';
import type * as standardModule from '../../src/api/standard-serdes.js';
import type * as structModule from '../../src/api/struct-serde.js';
import type { Serde } from '../../src/api/serde.js';
import { projectDir } from '../lib/child.js';
import { atLeast, median, type Row } from '../lib/report.js';

/**
 * What values cost on their way into bytes and back: a struct beside MessagePack, which is what state and exchanges take by default,
 * and JSON. Each round takes them in turn, so that what drifts meets all alike.
 */

const ROUNDS = 7;
const VALUES = 1_000;
const PASSES = 200;

const load = async <T>(path: string): Promise<T> =>
  (await import(pathToFileURL(join(projectDir, 'dist', path)).href)) as T;
const { struct } = await load<typeof structModule>('api/struct-serde.js');
const { jsonSerde } = await load<typeof standardModule>('api/standard-serdes.js');
const { MessagePackSerde } = await load<typeof msgpackModule>('protocol/msgpack-serde.js');

interface Order {
  readonly id: number;
  readonly customer: string;
  readonly product: string;
  readonly price: number;
  readonly isPaid: boolean;
}

interface Wide {
  readonly id: number;
  readonly [text: `text${number}`]: string;
}

export async function run(): Promise<Row[]> {
  const orders = Array.from({ length: VALUES }, (_, id): Order => ({
    id,
    customer: `customer-${String(id % 97)}`,
    product: `product-${String(id % 31)}`,
    price: id / 8,
    isPaid: id % 2 === 0,
  }));
  const order = struct('order', {
    id: 'int32',
    customer: 'text',
    product: 'text',
    price: 'float64',
    isPaid: 'boolean',
  }) as Serde<Order>;
  const others = [new MessagePackSerde<Order>(), jsonSerde<Order>()];
  const [ofStruct = [], ofMessagePack = [], ofJson = []] = measured([order, ...others], orders, (value) => value.price);
  const what = 'an object of five fields, written and read';
  const ratio = median(ofStruct) / median(ofMessagePack);
  return [
    { name: `${what}: JSON`, value: median(ofJson), unit: 'values/s' },
    { name: `${what}: MessagePack`, value: median(ofMessagePack), unit: 'values/s' },
    {
      name: `${what}: struct`,
      value: median(ofStruct),
      unit: 'values/s',
      against: { name: 'MessagePack', ratio },
      target: atLeast(ratio, 1, '1 × MessagePack'),
    },
    wide(),
  ];
}

/** Twenty texts, of which a function looks at one. */
function wide(): Row {
  const names = Array.from({ length: 20 }, (_, index) => `text${String(index)}` as const);
  const values = Array.from({ length: VALUES }, (_, id) => ({
    id,
    ...Object.fromEntries(names.map((name) => [name, `${name} of ${String(id)}`])),
  })) as Wide[];
  const whole = struct('wide', { id: 'int32', ...Object.fromEntries(names.map((name) => [name, 'text'])) });
  const serdes = [whole.lazily(), whole] as unknown as readonly Serde<Wide>[];
  const [lazily = [], eagerly = []] = measured(serdes, values, ({ text7 = '' }) => text7.length);
  return {
    name: 'an object of twenty texts, one of them looked at: read lazily',
    value: median(lazily),
    unit: 'values/s',
    against: { name: 'read whole', ratio: median(lazily) / median(eagerly) },
  };
}

/** @returns for each serde its rates, in values per second, by round */
function measured<T>(serdes: readonly Serde<T>[], values: readonly T[], look: (value: T) => number): number[][] {
  const rates = serdes.map((): number[] => []);
  const expected = values.reduce((sum, value) => sum + look(value), 0) * PASSES;
  // The first round warms up.
  for (let round = 0; round <= ROUNDS; round++) {
    for (const [index, serde] of serdes.entries()) {
      let sum = 0;
      const startMs = performance.now();
      for (let pass = 0; pass < PASSES; pass++) {
        for (const value of values) sum += look(serde.deserialise(serde.serialise(value)));
      }
      const seconds = (performance.now() - startMs) / 1000;
      if (sum !== expected) throw new Error(`${serde.name} gives other values back`);
      if (round > 0) rates[index]?.push((values.length * PASSES) / seconds);
    }
  }
  return rates;
}
