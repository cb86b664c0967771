import {
  ProcessFunction,
  type Collector,
  type HttpRequest,
  type ProcessContext,
  type StreamEnvironment,
} from 'millrace';

/** Any JSON object. */
const Event = { type: 'object', additionalProperties: {} } as const;
type Event = Record<string, unknown>;

interface EventAnswer extends Event {
  readonly result: 'ok';
  /** When the event was accepted, in milliseconds since the epoch: the same on every replay. */
  readonly response_timestamp: number;
}

/** Keeps what came and adds two fields. */
class AnswerEvent extends ProcessFunction<HttpRequest<Event>, EventAnswer> {
  override processElement(request: HttpRequest<Event>, context: ProcessContext, out: Collector<EventAnswer>): void {
    out.collect({ ...request.body, result: 'ok', response_timestamp: context.now() });
  }
}

/** `POST /event` with any JSON object: answered with the object and two fields more. No state, so no key. */
export function addEcho(env: StreamEnvironment): void {
  env
    .requests('POST /event', { body: Event, summary: 'Answers with the event itself' })
    .uid('events')
    .process(new AnswerEvent())
    .uid('answer-event')
    .respond();
}
