import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import type { Emulator } from './index.js';
import { readBody } from './lambda/function-url.js';
import type { Tally } from './view/tally.js';

/** The page's server, while it listens. */
export interface Page {
  /** With a slash at the end. */
  url: string;
  close(): Promise<void>;
}

const FILES: Readonly<Record<string, readonly [name: string, type: string]>> = {
  '/': ['index.html', 'text/html; charset=utf-8'],
  '/page.js': ['page.js', 'text/javascript; charset=utf-8'],
  '/page.css': ['page.css', 'text/css; charset=utf-8'],
  '/icon.svg': ['icon.svg', 'image/svg+xml'],
};
const HEADERS = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'cache-control': 'no-store',
};
const BURST = 20;
const PICTURE_MS = 200;
/** Above the 1 MiB of kong.yaml, so that the gateway itself refuses what is too large for it. */
const MAX_BODY = 2 * 1024 * 1024;

/**
 * Serves the page on loopback: at the port above the gateway's, or any free one where that is taken. It sends texts on
 * through the gateway by a key of its own, which the browser never sees, and keeps and logs none.
 *
 * @param tally that is told of every event
 */
export async function startPage(
  emulator: Emulator,
  tally: Tally,
  { port, reserved }: { port: number; reserved: number },
): Promise<Page> {
  const folder = new URL('../page/', import.meta.url);
  const files = new Map<string, Buffer>();
  for (const [name] of Object.values(FILES)) files.set(name, await readFile(new URL(name, folder)));
  const watchers = new Set<ServerResponse>();
  // A server-sent event.
  const event = () => `data: ${JSON.stringify(tally.picture(emulator, reserved))}\n\n`;

  const serve = async (incoming: IncomingMessage, response: ServerResponse) => {
    const refusal = refuse(incoming);
    if (refusal) return say(response, 403, { error: refusal });
    const { method, url = '/' } = incoming;
    const file = FILES[url];
    if (method === 'GET' && file) {
      const [name, type] = file;
      return void response.writeHead(200, { ...HEADERS, 'content-type': type }).end(files.get(name));
    }
    if (method === 'GET' && url === '/events') {
      response.writeHead(200, { ...HEADERS, 'content-type': 'text/event-stream' });
      watchers.add(response);
      response.on('close', () => watchers.delete(response));
      return void response.write(event());
    }
    if (method !== 'POST' || (url !== '/ner' && url !== '/burst')) {
      return say(response, 404, { error: 'There is no such page.' });
    }
    const body = await readBody(incoming, MAX_BODY);
    if (!body) return say(response, 413, { error: 'The text is too long: the gateway takes 1 MiB.' });
    if (url === '/ner') return say(response, 200, await ask(emulator, body));
    // One line an answer, as it lands.
    response.writeHead(200, { ...HEADERS, 'content-type': 'application/x-ndjson' });
    const fire = async () => {
      const { body: _, ...answer } = await ask(emulator, body);
      response.write(`${JSON.stringify(answer)}\n`);
    };
    await Promise.all(Array.from({ length: BURST }, fire));
    response.end();
  };

  const server = createServer((incoming, response) => {
    serve(incoming, response).catch(() => response.destroy());
  });
  await listen(server, port === 0 ? 0 : port + 1);
  const timer = setInterval(() => {
    if (watchers.size === 0) return;
    const now = event();
    // A page that does not read gets the next picture, and no pile of old ones.
    for (const watcher of watchers) if (!watcher.writableNeedDrain) watcher.write(now);
  }, PICTURE_MS);
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    async close() {
      clearInterval(timer);
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

/**
 * Why a request is not the page's own, or nothing. A name that was made to lead here (DNS rebinding) shows in Host, and
 * another site's script in Origin or Sec-Fetch-Site.
 */
function refuse({ headers, method, socket, url }: IncomingMessage): string | undefined {
  const host = headers.host ?? '';
  if (![`127.0.0.1:${socket.localPort}`, `localhost:${socket.localPort}`].includes(host)) {
    return `Open this page at http://127.0.0.1:${socket.localPort}/.`;
  }
  const site = headers['sec-fetch-site'];
  // Another site may link to the page, and do no more.
  const strange = url !== '/' && site !== undefined && site !== 'same-origin' && site !== 'none';
  if (strange || (headers.origin !== undefined && headers.origin !== `http://${host}`)) {
    return 'Only this page itself may ask for this.';
  }
  // Another site's form cannot send this type.
  if (method === 'POST' && headers['content-type'] !== 'application/json') return 'Send JSON.';
  return undefined;
}

/** What the gateway answered, as far as the page shows it. */
interface Shown {
  /** 0 when no answer came. */
  status: number;
  /** As the page's server saw it: from the send to the last byte. */
  ms: number;
  /** The answer's own words, or why there is none. */
  body: string;
  headers: Record<string, string>;
}

const SHOWN = [
  ...['server-timing', 'x-ner-cold-start', 'x-ner-init-type', 'x-kong-upstream-latency'],
  ...['ratelimit-limit', 'ratelimit-remaining', 'ratelimit-reset'],
];

async function ask({ endpoint, keys }: Emulator, body: Buffer): Promise<Shown> {
  const started = performance.now();
  const ms = () => performance.now() - started;
  try {
    const headers = { apikey: keys.page, 'content-type': 'application/json', 'content-length': body.length };
    // Not fetch, whose own time would be shown as Kong's.
    const sent = request(endpoint, { method: 'POST', headers }).end(body);
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    // One that breaks off is told by the response, too.
    sent.on('error', () => {});
    const said = await text(response);
    const shown = SHOWN.flatMap((name) => (response.headers[name] ? [[name, response.headers[name]]] : []));
    return { status: response.statusCode ?? 0, ms: ms(), body: said, headers: Object.fromEntries(shown) };
  } catch {
    return { status: 0, ms: ms(), body: 'The gateway gave no answer.', headers: {} };
  }
}

function say(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { ...HEADERS, 'content-type': 'application/json' }).end(JSON.stringify(body));
}

async function listen(server: ReturnType<typeof createServer>, port: number): Promise<void> {
  try {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
  } catch (error) {
    if (port === 0) throw error;
    await listen(server, 0);
  }
}
