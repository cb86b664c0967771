import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { KafkaConnection } from '../../src/connectors/kafka/kafka-connection.js';
import { clientOptions, describeOnKafka, sharedCluster } from '../helpers/kafka.js';

describeOnKafka('A connection to a broker', () => {
  it('is waited for by all who ask while it is being opened, whichever part of that they meet', async () => {
    const { bootstrap } = await sharedCluster();
    const elsewhere = new KafkaConnection(clientOptions(bootstrap));
    const connection = new KafkaConnection(clientOptions(bootstrap));
    try {
      const nodeId = await elsewhere.controller();
      // By the address of the configuration: the one under its number is still to be opened.
      await connection.refreshAll();
      const outcomes: unknown[] = [];
      const ask = (): Promise<unknown> =>
        connection.call(nodeId, 'Metadata', { topics: [] }).then(
          () => outcomes.push('answered'),
          (error: unknown) => outcomes.push(error),
        );
      const asked = [ask()];
      while (outcomes.length === 0) {
        await nextTurn();
        asked.push(ask());
      }
      await Promise.all(asked);
      expect(outcomes.filter((outcome) => outcome !== 'answered')).toEqual([]);
      expect(outcomes.length).toBeGreaterThan(3);
    } finally {
      await connection.close();
      await elsewhere.close();
    }
  });
});
