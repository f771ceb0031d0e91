import net, { type AddressInfo } from 'node:net';
import type { Sample } from '../run/sample.js';
import { instant } from './clock.js';
import { Connection } from './connection.js';
import { encodeRequest, type Load } from './requests.js';
import { TargetError } from './target-error.js';

export interface BurstOptions extends Load {
  /** Requests, all released at one instant, each on a connection of its own. @default 20 */
  n?: number;
  /** Which burst of the run it is, from 0. @default 0 */
  burst?: number;
  /** When to release, on the clock of `performance.now()`; at once when that is over. @default at once */
  releaseAt?: number;
}

export interface Burst {
  /** One a request, in the order they were sent. */
  samples: Sample[];
  /** From the first request's first byte to the last request's, ms: how far from simultaneous the burst was. */
  spreadMs: number;
  /** When the first request was sent, on the clock of `performance.now()`, which nobody sets. */
  firedAt: number;
}

/** Between the last handshake and the release, ms: lets session tickets and acknowledgements of the handshakes pass. */
const SETTLE_MS = 50;

let warm: Promise<void> | undefined;

/**
 * Fires one gated burst: opens n connections, verifies their certificates, releases n requests at one instant. A request
 * whose connection cannot be made is a `connection-error`.
 *
 * @throws {TargetError} when none can be made, or a certificate does not verify; nothing was sent then
 * @throws {TypeError} when the key cannot be a header's value
 */
export async function runBurst(options: BurstOptions): Promise<Burst> {
  const { n = 20, burst = 0, releaseAt = 0, timeoutMs = 60_000, signal, requests } = options;
  const bytes = Array.from({ length: n }, (_, index) => encodeRequest(options, requests.nth(burst * n + index)));
  warm ??= warmUp();
  await warm;

  const connections = Array.from({ length: n }, () => new Connection(options));
  const stop = (end: 'timeout' | 'cut') => {
    for (const connection of connections) connection.stop(end);
  };
  let late: NodeJS.Timeout | undefined;
  try {
    const made = await Promise.allSettled(connections.map((connection) => connection.readyWithin(timeoutMs)));
    const failed = made.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []));
    if (failed.length === n) throw failed[0];
    for (const error of failed) if (!(error instanceof TargetError) || error.ofAll) throw error;
    const isOpen = (_: unknown, index: number) => made[index]?.status === 'fulfilled';
    await instant(Math.max(releaseAt, performance.now() + SETTLE_MS), signal);
    if (signal?.aborted) throw TargetError.connecting(options.url, 'cut', false);
    const firedAt = performance.now();
    const origin = fire(connections.filter(isOpen), bytes.filter(isOpen));
    late = setTimeout(() => stop('timeout'), timeoutMs);
    await Promise.all(connections.map((connection) => connection.over));
    const samples: Sample[] = [];
    // One after the other: answers may be large.
    for (const [index, connection] of connections.entries()) {
      const { sizes } = requests.nth(burst * n + index);
      samples.push(await connection.sample({ burst, index, intendedMs: 0, ...sizes }, origin));
    }
    const sentMs = samples.filter(isOpen).map(({ sentMs }) => sentMs);
    return { samples, spreadMs: (sentMs.at(-1) ?? 0) - (sentMs[0] ?? 0), firedAt };
  } finally {
    clearTimeout(late);
    stop('cut');
  }
}

/** Sends on every connection in one loop without a pause; the loop is what the spread measures. */
function fire(connections: readonly Connection[], bytes: readonly Buffer[]): bigint {
  const origin = process.hrtime.bigint();
  for (let at = 0; at < connections.length; at++) connections[at]?.send(bytes[at] as Buffer);
  return origin;
}

/**
 * Bursts against a sink in this process, so that the code on the path is compiled before it is timed. Without it the
 * spread of a process's first burst is larger.
 */
async function warmUp(): Promise<void> {
  const sink = net.createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n'));
  });
  await new Promise<void>((resolve) => sink.listen(0, '127.0.0.1', resolve));
  const url = new URL(`http://127.0.0.1:${(sink.address() as AddressInfo).port}/`);
  const bytes = Array.from({ length: 20 }, () => Buffer.from('POST / HTTP/1.1'));
  for (let round = 0; round < 30; round++) {
    const connections = Array.from({ length: 20 }, () => new Connection({ url }));
    await Promise.all(connections.map((connection) => connection.ready));
    fire(connections, bytes);
    await Promise.all(connections.map((connection) => connection.over));
    for (const connection of connections) connection.stop('closed');
  }
  sink.close();
}
