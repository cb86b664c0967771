/**
 * Which methods a path has, for the `Allow` header. The router knows a path only together with its method, so this keeps the
 * same patterns beside it. Consulted only after the router found nothing.
 */
export class AllowedMethods {
  readonly #patterns: { readonly method: string; readonly expression: RegExp }[] = [];

  /** @param path whole segments, `:name` for a parameter, `*` at the end for the rest: the syntax that routes are given in. */
  add(method: string, path: string): void {
    const source = path
      .split('/')
      .map((segment) => {
        if (segment === '*') return '.*';
        return segment.startsWith(':') ? '[^/]+' : segment.replaceAll(/[^A-Za-z0-9_-]/g, String.raw`\$&`);
      })
      .join('/');
    this.#patterns.push({ method, expression: new RegExp(`^${source}$`) });
  }

  /** Methods of a path as requested, for `Allow`; empty when there is no such path. `OPTIONS` is among them. */
  of(path: string): string {
    // A slash that was escaped is part of its segment.
    const decoded = path.split('/').map(decodeSegment).join('/');
    const methods = new Set<string>();
    for (const { method, expression } of this.#patterns) {
      if (!expression.test(decoded)) continue;
      methods.add(method);
      if (method === 'GET') methods.add('HEAD');
    }
    return methods.size === 0 ? '' : [...methods, 'OPTIONS'].join(', ');
  }
}

function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment).replaceAll('/', '%2F');
  } catch {
    return segment;
  }
}
