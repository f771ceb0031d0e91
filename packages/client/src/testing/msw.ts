import type { Dispatcher } from 'undici';
import { answeredBy } from './dispatcher.js';

/**
 * A dispatcher whose requests msw's handlers answer, which by themselves do not see undici's. One that no handler takes
 * gets a 501: nothing leaves the process. msw 2 has to be installed.
 *
 * @param handlers e.g. `http.post('https://kong.example.com/nlp/ner', () => HttpResponse.json(…))`
 */
export function mswDispatcher(...handlers: { run(...args: never[]): unknown }[]): Dispatcher {
  return answeredBy(async ({ method, url, headers, body }) => {
    const { getResponse } = await import('msw');
    const request = new Request(url, { method, headers, body: body ?? null });
    const response = await getResponse(handlers as Parameters<typeof getResponse>[0], request);
    if (response?.type === 'error') throw new Error('HttpResponse.error()');
    if (!response) {
      const message = `no msw handler for ${method} ${url}`;
      return { status: 501, headers: { 'content-type': 'application/json' }, body: JSON.stringify({ message }) };
    }
    const data = Buffer.from(await response.arrayBuffer());
    return { status: response.status, headers: Object.fromEntries(response.headers), body: data };
  });
}
