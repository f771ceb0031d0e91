import type { IncomingHttpHeaders } from 'node:http';
import type { Result } from 'autocannon';
import { InputError } from '../input-error.js';
import { NO_ANSWER, NO_REPORT, outcomeOf, readAnswer, type Sample } from '../run/sample.js';
import type { Load } from './request.js';

export interface SustainedOptions extends Load {
  /** Each sends its next request when its last one is answered. */
  connections: number;
  durationMs: number;
  /** How long one answer may take, ms: 1000 or more, autocannon takes no less. @default 60_000 */
  timeoutMs?: number;
  /** Gets each sample when its request is over. */
  onSample: (sample: Sample) => void;
}

/** Errors after which a run ends early: autocannon connects again at once, so a target that went away is a busy loop. */
const BAILOUT = 1000;

/**
 * Sustained load in a closed loop, by autocannon.
 *
 * autocannon sends; counting and statistics are ours, because its percentiles pool 429s with answers. Rates,
 * reconnecting and worker threads stay off: its figures are wrong with them. It verifies no certificate, so the caller
 * decides where the key may go. What could not connect is no request.
 *
 * @throws {InputError} when the target goes away; the samples before were told
 */
export async function runSustained(options: SustainedOptions): Promise<void> {
  const { timeoutMs = 60_000, signal, onSample } = options;
  // Imported here: a burst does not need it, and it is slow to load.
  const { default: autocannon } = await import('autocannon');
  if (signal?.aborted) return;
  const startedAt = process.hrtime.bigint();
  const nowMs = () => Number(process.hrtime.bigint() - startedAt) / 1e6;
  let sent = 0;
  const ends: (() => void)[] = [];

  const { errors } = await new Promise<Result>((resolve, reject) => {
    const run = autocannon(
      {
        url: options.url.href,
        method: 'POST',
        headers: { apikey: options.apiKey, 'content-type': 'application/json' },
        body: JSON.stringify({ text: options.text }),
        connections: options.connections,
        duration: options.durationMs / 1000,
        timeout: timeoutMs / 1000,
        bailout: BAILOUT,
        // autocannon looks at its clock this often, ms.
        sampleInt: 20,
        setupClient: (client) => void ends.push(record(client, nowMs, () => sent++, onSample)),
      },
      (error: unknown, result: Result) => (error ? reject(error) : resolve(result)),
    );
    signal?.addEventListener('abort', () => run.stop(), { once: true });
  });
  for (const end of ends) end();
  if (errors >= BAILOUT && !signal?.aborted) {
    throw new InputError(
      `${options.url.host} went away: ${errors} requests or connections had failed after ${(nowMs() / 1000).toFixed(1)} s of ${options.durationMs / 1000} s; see whether it still runs.`,
    );
  }
}

/**
 * Turns the events of one autocannon connection into samples.
 *
 * @returns to be called at the end: the request without an answer is `cut`
 */
function record(
  client: NodeJS.EventEmitter,
  nowMs: () => number,
  next: () => number,
  onSample: (sample: Sample) => void,
): () => void {
  let current: Sample | undefined;
  /** Over without an answer; whether it timed out is told only after the next request has left. */
  let previous: Sample | undefined;
  let head: { statusCode: number; headers: IncomingHttpHeaders } | undefined;
  let closing = false;
  /** Whether the last connection was refused; and whether the one before was, so that nobody knows of this one. */
  let [refused, doubtful] = [false, false];
  const flush = () => {
    if (previous) onSample(previous);
    previous = undefined;
  };

  client.on('request', () => {
    const now = nowMs();
    doubtful = refused;
    if ((closing || refused) && current) {
      // Written after the target said that it closes the connection, or to nobody: never received, and now sent again.
      closing = refused = false;
      current.intendedMs = current.sentMs = now;
      current.error = null;
      return;
    }
    flush();
    // No event tells of a connection that ended in order but without an answer; the next request does.
    if (current) previous = { ...current, outcome: 'connection-error', error: current.error ?? 'no answer' };
    current = {
      burst: 0,
      index: next(),
      intendedMs: now,
      sentMs: now,
      firstByteMs: null,
      lastByteMs: null,
      outcome: 'cut',
      error: null,
      ...NO_ANSWER,
      ...NO_REPORT,
    };
  });
  // The parser's own object: names and values alternate.
  client.on('headers', ({ statusCode, headers }: { statusCode: number; headers: string[] }) => {
    head = { statusCode, headers: {} };
    for (let i = 0; i < headers.length; i += 2) head.headers[headers[i]?.toLowerCase() ?? ''] = headers[i + 1];
    if (current) current.firstByteMs = nowMs();
  });
  client.on('response', () => {
    flush();
    if (!current || !head) return;
    current.lastByteMs = nowMs();
    current.outcome = outcomeOf(head.statusCode, head.headers);
    Object.assign(current, readAnswer(head.statusCode, head.headers));
    closing = head.headers.connection?.toLowerCase() === 'close';
    onSample(current);
    current = undefined;
  });
  client.on('connError', (error: NodeJS.ErrnoException) => {
    if (current) current.error = error.code ?? error.message;
    refused = error.syscall === 'connect';
  });
  // Emitted after the next request has left.
  client.on('timeout', () => {
    if (previous) previous.outcome = 'timeout';
  });
  return () => {
    flush();
    if (current && !refused && !doubtful) onSample(current);
  };
}
