import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { KEY } from '../../../scripts/canaries.mjs';

export { KEY };
export const MODEL = { name: 'en_test', version: '1.0.0', digest: 'sha256:00' };

interface Received {
  path: string;
  headers: IncomingHttpHeaders;
  body: string;
  texts: string[];
}

/** What to answer instead of entities; a function takes the socket over. */
export type Reply =
  | { status: number; headers?: Record<string, string>; body?: unknown }
  | ((response: ServerResponse) => void);

export interface Gateway extends AsyncDisposable {
  url: string;
  origin: string;
  received: Received[];
  /** Paths of GET. */
  asked: string[];
  /** What `/model` answers; `modelStatus` without. */
  model: object | undefined;
  modelStatus: number;
  /** The most requests that were under way at once. */
  peak: number;
}

type Script = (request: Received, number: number) => Reply | undefined | Promise<Reply | undefined>;

/**
 * A service on loopback with Kong's headers. Every capitalised word is a NAME.
 *
 * @param script answers some requests differently; `number` counts the requests from 1
 */
export async function startGateway(script: Script = () => undefined): Promise<Gateway> {
  let open = 0;
  const server = createServer(async (request, response) => {
    gateway.peak = Math.max(gateway.peak, ++open);
    response.on('close', () => open--);
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    if (request.method === 'GET') {
      gateway.asked.push(request.url ?? '');
      const known = request.url === '/nlp/ner/model' ? gateway.model : undefined;
      response.writeHead(known ? 200 : gateway.modelStatus, { 'content-type': 'application/json' });
      return response.end(JSON.stringify(known ?? { message: 'no Route matched with those values' }));
    }
    const body = Buffer.concat(chunks).toString();
    const { texts } = JSON.parse(body) as { texts: string[] };
    const received = { path: request.url ?? '', headers: request.headers, body, texts };
    gateway.received.push(received);
    const reply = (await script(received, gateway.received.length)) ?? kong(received) ?? served(texts);
    if (typeof reply === 'function') return reply(response);
    const payload = typeof reply.body === 'string' ? reply.body : JSON.stringify(reply.body ?? {});
    response.writeHead(reply.status, { 'content-type': 'application/json', ...reply.headers }).end(payload);
  });
  server.keepAliveTimeout = 75_000; // nginx's
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const gateway: Gateway = {
    origin,
    url: `${origin}/nlp/ner`,
    received: [],
    asked: [],
    model: undefined,
    modelStatus: 404,
    peak: 0,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return gateway;
}

function kong({ path, headers }: Received): Reply | undefined {
  if (path !== '/nlp/ner') return kongError(404, 'no Route matched with those values');
  if (headers['apikey'] !== KEY) return kongError(401, 'Unauthorized', { 'www-authenticate': 'Key' });
  return undefined;
}

export function kongError(status: number, message: string, headers: Record<string, string> = {}): Reply {
  const request_id = '7857324e104be61ca0f8896913f42b58';
  return {
    status,
    headers: { 'x-kong-response-latency': '1', 'x-kong-request-id': request_id, ...headers },
    body: { message, request_id },
  };
}

/** Kong's own 429: no Via, and Retry-After until the next calendar minute. */
export function rateLimited(seconds: number): Reply {
  return kongError(429, 'API rate limit exceeded', {
    'ratelimit-limit': '100',
    'ratelimit-remaining': '0',
    'ratelimit-reset': String(seconds),
    'retry-after': String(seconds),
  });
}

export function served(
  texts: string[],
  change: (body: { results: unknown[]; model: unknown }) => unknown = (b) => b,
): Reply {
  return {
    status: 200,
    headers: {
      via: '1.1 kong/3.9.3',
      'x-request-id': 'e2d3',
      'x-ner-cold-start': '0',
      'x-kong-upstream-latency': '5',
      'ratelimit-remaining': '99',
      // 1 s for 20,000 characters, of which each text brings 100 with it: the client's own first guess.
      'server-timing': `init;dur=1, ner;dur=${texts.reduce((sum, text) => sum + (text.length + 100) / 20, 0)}`,
    },
    body: change({ results: texts.map((text) => ({ entities: names(text) })), model: MODEL }),
  };
}

function names(text: string): object[] {
  return [...text.matchAll(/\p{Lu}\p{L}+/gu)].map((match) => {
    const start_char = [...text.slice(0, match.index)].length;
    return { text: match[0], label: 'NAME', start_char, end_char: start_char + [...match[0]].length };
  });
}
