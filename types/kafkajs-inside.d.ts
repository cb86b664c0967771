/** kafkajs describes none of its inside; src/connectors/kafka/kafkajs-wire.ts says what the parts are that Millrace uses. */
declare module 'kafkajs/src/*' {
  const inside: unknown;
  export default inside;
}
