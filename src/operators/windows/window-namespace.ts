import type { Namespace } from '../../api/internal/state-backend.js';
import { GlobalWindow, TimeWindow } from '../../api/windows.js';
import type { Window } from '../../api/windows.js';
import { MillraceError } from '../../base/errors.js';

const GLOBAL_NAMESPACE = 'global';

/**
 * Windows as namespaces of state, both ways. Windows of one fixed size are named by their start, a number; others by
 * `start,end`; the global window by a word.
 */
export class WindowNamespaces<W extends Window> {
  readonly #fixedSizeMs: number | null;
  readonly #globalWindow = new GlobalWindow();
  /** The last window made of a namespace: timers of one window fire in a row. */
  #lastNamespace: Namespace = '';
  #lastWindow: W | null = null;

  constructor(fixedSizeMs: number | null) {
    this.#fixedSizeMs = fixedSizeMs;
  }

  namespaceOf(window: W): Namespace {
    if (window.kind === 'global') return GLOBAL_NAMESPACE;
    return this.#fixedSizeMs === null ? `${window.start},${window.end}` : window.start;
  }

  windowOf(namespace: Namespace): W {
    if (namespace === this.#lastNamespace && this.#lastWindow !== null) return this.#lastWindow;
    const window = this.#parse(namespace) as W;
    this.#lastNamespace = namespace;
    this.#lastWindow = window;
    return window;
  }

  #parse(namespace: Namespace): Window {
    if (namespace === GLOBAL_NAMESPACE) return this.#globalWindow;
    if (typeof namespace === 'number') {
      if (this.#fixedSizeMs === null) throw unknownNamespace(namespace);
      return new TimeWindow(namespace, namespace + this.#fixedSizeMs);
    }
    const comma = namespace.indexOf(',');
    if (comma < 0 || this.#fixedSizeMs !== null) throw unknownNamespace(namespace);
    return new TimeWindow(Number(namespace.slice(0, comma)), Number(namespace.slice(comma + 1)));
  }
}

function unknownNamespace(namespace: Namespace): MillraceError {
  return new MillraceError('MILLRACE_STATE_INCOMPATIBLE', 'restored state belongs to another kind of window', {
    details: { namespace },
    hint: 'Give the window operator a new uid when its windows change.',
  });
}
