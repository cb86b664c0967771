/** The place of a record in a topic. */
export interface TopicPosition {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}

const POSITION = /^([\w.-]{1,249}):(0|[1-9]\d{0,8}):(0|[1-9]\d{0,15})$/;

/** As callers get and give it: `topic:partition:offset`. @returns `null` for any other text */
export function parseTopicPosition(text: string): TopicPosition | null {
  const [, topic, partition, offset] = POSITION.exec(text) ?? [];
  return topic === undefined ? null : { topic, partition: Number(partition), offset: Number(offset) };
}
