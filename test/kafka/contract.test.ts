import { describeOnKafka, openTopics, sharedCluster } from '../helpers/kafka.js';
import { describeTopicContract, type TopicContractSubject } from '../helpers/topic-contract.js';
import { describeTransactionContract } from '../helpers/transaction-contract.js';

async function openSubject(): Promise<TopicContractSubject> {
  const { bootstrap } = await sharedCluster();
  const first = await openTopics(bootstrap);
  const opened = [first];
  return {
    port: first,
    reopen: async () => {
      await opened.at(-1)?.close();
      const port = await openTopics(bootstrap);
      opened.push(port);
      return port;
    },
    dispose: async () => {
      await Promise.all(opened.map((port) => port.close()));
    },
  };
}

describeOnKafka('Kafka behind the topic port', () => {
  describeTopicContract('kafka', openSubject);
  describeTransactionContract('kafka', openSubject);
});
