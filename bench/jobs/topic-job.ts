import { defineJob, jsonSerde, topicSink } from 'millrace';

/** A job with a topic to write to, and nothing to do. */
export default defineJob('topic', (env) => {
  env.requests('POST /lines').uid('lines').sinkTo(topicSink('lines', jsonSerde()));
});
