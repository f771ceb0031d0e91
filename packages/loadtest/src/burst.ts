import { validateHeaderValue } from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Connection, type Target } from './connection.js';
import { NO_ANSWER, outcomeOf, readAnswer, type Sample } from './sample.js';

export interface BurstOptions extends Target {
  /** Value of the `apikey` header. */
  apiKey: string;
  /** Requests, all released at one instant, each on a connection of its own. @default 20 */
  n?: number;
  /** The document that every request carries. */
  text: string;
  /** How long connecting may take, and then answering, ms. @default 60_000 */
  timeoutMs?: number;
  /** Ends the burst early: what has no answer yet is `cut`. */
  signal?: AbortSignal;
}

export interface Burst {
  /** One a request, in the order they were sent. */
  samples: Sample[];
  /** From the first request's first byte to the last request's, ms: how far from simultaneous the burst was. */
  spreadMs: number;
}

/** Between the last handshake and the release, ms: lets session tickets and acknowledgements of the handshakes pass. */
const SETTLE_MS = 50;

/** What a request without a complete answer became, by how its connection ended. */
const END_OUTCOMES = { closed: 'connection-error', timeout: 'timeout', cut: 'cut' } as const;

let warm: Promise<void> | undefined;

/**
 * Fires one gated burst: opens n connections, verifies their certificates, releases n requests at one instant.
 *
 * @throws {TargetError} when a connection cannot be made; nothing was sent then
 * @throws {TypeError} when the key cannot be a header's value
 */
export async function runBurst(options: BurstOptions): Promise<Burst> {
  const { n = 20, timeoutMs = 60_000, signal } = options;
  const bytes = encode(options);
  warm ??= warmUp();
  await warm;

  const connections = Array.from({ length: n }, () => new Connection(options));
  const stop = (end: 'timeout' | 'cut') => {
    for (const connection of connections) connection.stop(end);
  };
  const cut = () => stop('cut');
  signal?.addEventListener('abort', cut);
  if (signal?.aborted) cut();
  let timer = setTimeout(stop, timeoutMs, 'timeout');
  try {
    await Promise.all(connections.map((connection) => connection.ready));
    await sleep(SETTLE_MS);
    clearTimeout(timer);
    const releasedAt = fire(connections, bytes);
    timer = setTimeout(stop, timeoutMs, 'timeout');
    await Promise.all(connections.map((connection) => connection.closed));
    const samples = await Promise.all(connections.map((connection, index) => sample(connection, index, releasedAt)));
    return { samples, spreadMs: (samples.at(-1)?.sentMs ?? 0) - (samples[0]?.sentMs ?? 0) };
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', cut);
    cut();
  }
}

/** Sends on every connection in one loop without a pause; the loop is what the spread measures. */
function fire(connections: readonly Connection[], bytes: Buffer): bigint {
  const releasedAt = process.hrtime.bigint();
  for (const connection of connections) connection.send(bytes);
  return releasedAt;
}

async function sample(connection: Connection, index: number, releasedAt: bigint): Promise<Sample> {
  const ms = (at: bigint | null) => (at === null ? null : Number(at - releasedAt) / 1e6);
  const answer = await connection.answer();
  return {
    index,
    intendedMs: 0,
    sentMs: Number(connection.sentAt - releasedAt) / 1e6,
    firstByteMs: ms(connection.firstByteAt),
    lastByteMs: ms(connection.lastByteAt),
    outcome: answer ? outcomeOf(answer.status, answer.headers) : END_OUTCOMES[connection.end],
    ...(answer ? readAnswer(answer.status, answer.headers) : NO_ANSWER),
    error: answer ? null : (connection.error ?? (connection.firstByteAt ? 'incomplete answer' : 'no answer')),
  };
}

/** One whole request, ready to write. */
function encode({ url, apiKey, text }: BurstOptions): Buffer {
  validateHeaderValue('apikey', apiKey);
  const body = JSON.stringify({ text });
  const head = [
    `POST ${url.pathname}${url.search} HTTP/1.1`,
    `host: ${url.host}`,
    `apikey: ${apiKey}`,
    'content-type: application/json',
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
  ];
  return Buffer.from(`${head.join('\r\n')}\r\n\r\n${body}`);
}

/**
 * Bursts against a sink in this process, so that the code on the path is compiled before it is timed. Without it the
 * spread of a process's first burst about doubles.
 */
async function warmUp(): Promise<void> {
  const sink = net.createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n'));
  });
  await new Promise<void>((resolve) => sink.listen(0, '127.0.0.1', resolve));
  const url = new URL(`http://127.0.0.1:${(sink.address() as AddressInfo).port}/`);
  const bytes = Buffer.from('POST / HTTP/1.1');
  for (let round = 0; round < 30; round++) {
    const connections = Array.from({ length: 20 }, () => new Connection({ url }));
    await Promise.all(connections.map((connection) => connection.ready));
    fire(connections, bytes);
    await Promise.all(connections.map((connection) => connection.closed));
  }
  sink.close();
}
