import type { IncomingHttpHeaders } from 'node:http';
import { NO_ANSWER, outcomeOf, readAnswer, type Sample } from './sample.js';

export interface SustainedOptions {
  url: URL;
  /** Value of the `apikey` header. */
  apiKey: string;
  /** The document that every request carries. */
  text: string;
  /** Each sends its next request when its last one is answered. */
  connections: number;
  durationMs: number;
  /** How long one answer may take, ms: 1000 or more, autocannon takes no less. */
  timeoutMs: number;
  /** Ends the run early. */
  signal: AbortSignal;
}

/** Errors after which a run ends early: autocannon connects again at once, so a target that went away is a busy loop. */
const BAILOUT = 1000;

/**
 * Sustained load in a closed loop, by autocannon.
 *
 * autocannon sends; counting and statistics are ours, because its percentiles pool 429s with answers. Rates,
 * reconnecting and worker threads stay off: its figures are wrong with them. It verifies no certificate, so the caller
 * decides where the key may go.
 */
export async function runSustained(options: SustainedOptions): Promise<Sample[]> {
  // Imported here: a burst does not need it, and it is slow to load.
  const { default: autocannon } = await import('autocannon');
  if (options.signal.aborted) return [];
  const samples: Sample[] = [];
  const startedAt = process.hrtime.bigint();
  const nowMs = () => Number(process.hrtime.bigint() - startedAt) / 1e6;

  await new Promise<void>((resolve, reject) => {
    const run = autocannon(
      {
        url: options.url.href,
        method: 'POST',
        headers: { apikey: options.apiKey, 'content-type': 'application/json' },
        body: JSON.stringify({ text: options.text }),
        connections: options.connections,
        duration: options.durationMs / 1000,
        timeout: options.timeoutMs / 1000,
        bailout: BAILOUT,
        // autocannon looks at its clock this often, ms.
        sampleInt: 20,
        setupClient: (client) => record(client, samples, nowMs),
      },
      (error: unknown) => (error ? reject(error) : resolve()),
    );
    options.signal.addEventListener('abort', () => run.stop(), { once: true });
  });
  return samples;
}

/** Turns the events of one autocannon connection into samples. A request without an answer at the end stays `cut`. */
function record(client: NodeJS.EventEmitter, samples: Sample[], nowMs: () => number): void {
  let current: Sample | undefined;
  let previous: Sample | undefined;
  let head: { statusCode: number; headers: IncomingHttpHeaders } | undefined;
  let closing = false;

  client.on('request', () => {
    const now = nowMs();
    if (closing && current) {
      // Written after the target said that it closes the connection: never received, and now sent again.
      closing = false;
      current.intendedMs = current.sentMs = now;
      current.error = null;
      return;
    }
    // No event tells of a connection that ended in order but without an answer; the next request does.
    if (current) {
      current.outcome = 'connection-error';
      current.error ??= 'no answer';
    }
    previous = current;
    current = {
      index: samples.length,
      intendedMs: now,
      sentMs: now,
      firstByteMs: null,
      lastByteMs: null,
      outcome: 'cut',
      ...NO_ANSWER,
      error: null,
    };
    samples.push(current);
  });
  // The parser's own object: names and values alternate.
  client.on('headers', ({ statusCode, headers }: { statusCode: number; headers: string[] }) => {
    head = { statusCode, headers: {} };
    for (let i = 0; i < headers.length; i += 2) head.headers[headers[i]?.toLowerCase() ?? ''] = headers[i + 1];
    if (current) current.firstByteMs = nowMs();
  });
  client.on('response', () => {
    if (!current || !head) return;
    current.lastByteMs = nowMs();
    current.outcome = outcomeOf(head.statusCode, head.headers);
    Object.assign(current, readAnswer(head.statusCode, head.headers));
    closing = head.headers.connection?.toLowerCase() === 'close';
    current = undefined;
  });
  client.on('connError', (error: NodeJS.ErrnoException) => {
    if (current) current.error = error.code ?? error.message;
  });
  // Emitted after the next request has left.
  client.on('timeout', () => {
    if (previous) previous.outcome = 'timeout';
  });
}
