import { ConfigError } from '../../base/errors.js';

const legalName = /^[a-zA-Z0-9._-]{1,249}$/;

/**
 * Checks the name of a topic or a consumer group by Kafka's rule. It becomes a folder's name: whatever could lead out of the
 * data folder is refused here.
 *
 * @throws ConfigError
 */
export function checkName(kind: 'topic' | 'group', name: string): void {
  if (legalName.test(name) && name !== '.' && name !== '..') return;
  const shown = name.length > SHOWN_CHARACTERS_MAX ? `${name.slice(0, SHOWN_CHARACTERS_MAX)}…` : name;
  throw new ConfigError(`${kind} name '${shown}' is not allowed`, {
    details: { kind, name: shown },
    hint: "Use 1 to 249 letters, digits, dots, underscores and hyphens, and not '.' or '..' alone.",
  });
}

const SHOWN_CHARACTERS_MAX = 60;
