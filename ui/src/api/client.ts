/** Talks to the process that served the page. Nothing is asked of anyone else. */

const TOKEN_KEY = 'millrace-token';

/** A problem document, as an error. */
export class ApiError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.name = 'ApiError';
    this.status = status;
  }
}

/** The token lives as long as the tab. */
export function saveToken(token: string): void {
  sessionStorage.setItem(TOKEN_KEY, token);
}

/** Sends a request with the token, if there is one. @throws ApiError for every status but 2xx */
export async function send(path: string, init: RequestInit = {}): Promise<Response> {
  const token = sessionStorage.getItem(TOKEN_KEY);
  const headers = new Headers(init.headers);
  if (token !== null) headers.set('authorization', `Bearer ${token}`);
  const response = await fetch(path, { ...init, headers });
  if (!response.ok) throw new ApiError(response.status, await problemText(response));
  return response;
}

/** Gets JSON. */
export async function getJson<T>(path: string, signal?: AbortSignal): Promise<T> {
  const response = await send(path, signal === undefined ? {} : { signal });
  return (await response.json()) as T;
}

/** Sends an action, with a body in JSON if it has one. */
export async function act(method: 'POST' | 'PATCH' | 'DELETE', path: string, body?: object): Promise<unknown> {
  const init: RequestInit =
    body === undefined
      ? { method }
      : { method, body: JSON.stringify(body), headers: { 'content-type': 'application/json' } };
  const text = await (await send(path, init)).text();
  return text === '' ? null : (JSON.parse(text) as unknown);
}

async function problemText(response: Response): Promise<string> {
  try {
    const problem = (await response.json()) as { readonly title?: string; readonly detail?: string };
    return problem.detail ?? problem.title ?? response.statusText;
  } catch {
    return response.statusText;
  }
}

/** The path of something of the job. */
export function jobPath(jid: string, ...parts: readonly string[]): string {
  return ['/jobs', jid, ...parts].map((part, index) => (index === 0 ? part : encodeURIComponent(part))).join('/');
}
