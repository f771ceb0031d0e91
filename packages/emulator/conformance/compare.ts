// What of an answer, and of what the upstream saw, is compared: as lines of text, with what is volatile masked.
import { gunzipSync } from 'node:zlib';
import type { Attempt, Case, RecordedAnswer } from './recording.js';
import type { Answer } from './wire.js';

type Headers = readonly (readonly [string, string])[];

const MASKED = /^(date|x-kong-request-id|x-credential-identifier)$/i;
const LATENCY = /^x-kong-(upstream|proxy|response)-latency$/i;
const RATE_LIMIT = /^(x-)?ratelimit|^retry-after/i;
const UUID_4 = /^[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/;

/** Shows both sides of one case in the same way. */
export class Transcriber {
  readonly #sent: ReadonlySet<string>;
  readonly #ports: ReadonlyMap<string, string>;

  /** @param ports ports of this replay and those that they stand for */
  constructor({ request }: Case, ports: ReadonlyMap<string, string>) {
    this.#sent = new Set(request.headers.map(([, value]) => value));
    this.#ports = ports;
  }

  /** The answer that was recorded. null when the connection died first. */
  recorded(answer: RecordedAnswer | null): string[] {
    if (!answer) return [NO_ANSWER];
    const bytes = Buffer.from(answer.body, answer.body_encoding === 'hex' ? 'hex' : 'utf8');
    return this.#answer(
      answer,
      bytes,
      (answer.interim ?? []).map(({ status }) => status),
    );
  }

  /** The answer that came now. */
  answered(answer: Answer | null): string[] {
    if (!answer) return [NO_ANSWER];
    return this.#answer(answer, Buffer.from(answer.body, 'latin1'), answer.interim);
  }

  /** What the upstream saw. */
  attempts(attempts: readonly Attempt[]): string[] {
    return attempts.flatMap((attempt, i) => this.#attempt(attempt, `upstream ${i + 1}`));
  }

  #answer(
    { http, status, reason, headers, framing }: Pick<Answer, 'http' | 'status' | 'reason' | 'framing' | 'headers'>,
    bytes: Buffer,
    interim: readonly number[],
  ): string[] {
    const gzip = headers.some(([name, value]) => name.toLowerCase() === 'content-encoding' && value === 'gzip');
    const body = (gzip ? unzipped(bytes) : bytes).toString('utf8');
    const echo = echoed(body);
    return [
      ...interim.map((code) => `interim ${code}`),
      `${http} ${status} ${reason}`.trimEnd(),
      ...this.#headers(headers, echo !== undefined),
      `framing: ${framing}`,
      ...(echo ? this.#attempt(echo, 'echo') : body.split('\n').map((line) => `body: ${withoutId(line)}`)),
    ];
  }

  #attempt({ http, method, path, headers, body_len, body }: Attempt, what: string): string[] {
    const lines = [`${method} ${path} ${http}`, ...this.#headers(headers, false)];
    if (body_len !== undefined) lines.push(`body: ${body_len} bytes: ${body ?? ''}`);
    return lines.map((line) => `${what}: ${line}`);
  }

  #headers(headers: Headers, echo: boolean): string[] {
    const lines = headers.map(([name, value]) => `${name}: ${this.#value(name, value, echo)}`);
    // Their order is a Lua table's, which changes from boot to boot.
    const limits = lines.filter((line) => RATE_LIMIT.test(line)).sort();
    return lines.map((line) => (RATE_LIMIT.test(line) ? (limits.shift() ?? '') : line));
  }

  #value(name: string, value: string, echo: boolean): string {
    const lower = name.toLowerCase();
    if (LATENCY.test(name)) return /^\d+$/.test(value) ? 'ms' : value;
    if (MASKED.test(name) || (echo && lower === 'content-length')) return '…';
    if (UUID_4.test(value) && !this.#sent.has(value)) return 'a new UUID';
    if (lower === 'x-forwarded-port') return this.#ports.get(value) ?? value;
    if (lower === 'host') return value.replace(/\d+$/, (port) => this.#ports.get(port) ?? port);
    return lower === 'via' || lower === 'server' ? value.replaceAll(/kong\/[\d.]+/g, 'kong/…') : value;
  }
}

/** Bytes that are no gzip, such as the beginning of one that was cut, as they are. */
function unzipped(bytes: Buffer): Buffer {
  try {
    return gunzipSync(bytes);
  } catch {
    return bytes;
  }
}

const NO_ANSWER = 'the connection ended without an answer';

/** What an echo says that the upstream saw; undefined for a body that is no echo. */
function echoed(body: string): Attempt | undefined {
  try {
    const content = JSON.parse(body);
    return typeof content === 'object' && content !== null && 'http' in content && 'path' in content
      ? content
      : undefined;
  } catch {
    return undefined;
  }
}

function withoutId(line: string): string {
  return line.replace(/\b[\da-f]{32}\b/g, 'id');
}

/** Both lists as one text where they differ, `-` before what was recorded, `+` before what came; empty when equal. */
export function difference(recorded: readonly string[], now: readonly string[]): string[] {
  // The longest common subsequence, from behind.
  const common = Array.from({ length: recorded.length + 1 }, () => new Array<number>(now.length + 1).fill(0));
  const at = (i: number, j: number) => common[i]?.[j] ?? 0;
  for (let i = recorded.length - 1; i >= 0; i--) {
    const row = common[i] ?? [];
    for (let j = now.length - 1; j >= 0; j--) {
      row[j] = recorded[i] === now[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  const lines: string[] = [];
  for (let i = 0, j = 0; i < recorded.length || j < now.length; ) {
    if (i < recorded.length && recorded[i] === now[j]) {
      i += 1;
      j += 1;
    } else if (i < recorded.length && (j >= now.length || at(i + 1, j) >= at(i, j + 1)))
      lines.push(`- ${recorded[i++]}`);
    else lines.push(`+ ${now[j++]}`);
  }
  return lines;
}
