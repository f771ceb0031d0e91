import { InvalidArgumentError } from 'commander';
import { InputError } from '../input-error.js';

/** @throws {InputError} with the sentence; the command ends with exit code 3 */
export function fail(sentence: string): never {
  throw new InputError(sentence);
}

/** A whole number from 1 to 99999. */
export function parseCount(value: string): number {
  if (!/^[1-9]\d{0,4}$/.test(value)) throw new InvalidArgumentError('give a whole number from 1 to 99999.');
  return Number(value);
}

/** Whole numbers from 0, with commas between them, each once. */
export function parseCounts(value: string): number[] {
  const counts = value.split(',').map((count) => (count === '0' ? 0 : parseCount(count)));
  if (new Set(counts).size < counts.length) throw new InvalidArgumentError('give each number once.');
  return counts;
}

/** Milliseconds of 500ms, 60s, 2m; a bare number is seconds. */
export function parseDuration(value: string): number {
  const [, number, unit = 's'] = /^(\d+(?:\.\d+)?)(ms|s|m)?$/.exec(value) ?? [];
  const ms = Number(number) * { ms: 1, s: 1000, m: 60_000 }[unit as 'ms' | 's' | 'm'];
  // setTimeout cannot wait longer than 2 ** 31 - 1 ms.
  if (!(ms > 0 && ms < 2 ** 31)) throw new InvalidArgumentError('give a time such as 500ms, 60s or 2m.');
  return ms;
}

/** A number above 0, such as 0.5 or 100. */
export function parseRate(value: string): number {
  if (!(Number(value) > 0 && Number(value) <= 10_000)) {
    throw new InvalidArgumentError('give requests a second, above 0 and up to 10000.');
  }
  return Number(value);
}

/** An http:// or https:// address. */
export function parseUrl(value: string): URL {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (!url || !/^https?:$/.test(url.protocol)) {
    throw new InvalidArgumentError('url must start with http:// or https://.');
  }
  return url;
}

/** An address with the route that requests go to. */
export function parseTarget(value: string): URL {
  const url = parseUrl(value);
  if (url.pathname === '/') throw new InvalidArgumentError('url must include the route, e.g. /nlp/ner.');
  return url;
}

/** Whether an address is this machine's own. */
export function isLoopback({ hostname }: URL): boolean {
  return /^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname);
}
