import { validateHeaderValue } from 'node:http';
import { InvalidArgumentError } from 'commander';
import { InputError } from '../input-error.js';
import type { Stage } from '../load/rate.js';
import type { Arch } from '../plan/cost.js';

/** @throws {InputError} with the sentence; the command ends with exit code 3 */
export function fail(sentence: string): never {
  throw new InputError(sentence);
}

/** Keeps every value of an option that can be repeated. */
export function collect(value: string, earlier: string[]): string[] {
  return [...earlier, value];
}

export const parseWhole = (least: number, most: number, what: string) => (value: string) => {
  const number = /^\d+$/.test(value) ? Number(value) : Number.NaN;
  if (!(number >= least && number <= most)) throw new InvalidArgumentError(`give ${what}.`);
  return number;
};

/** Above 0. */
export const parseUpTo = (most: number, what: string) => (value: string) => {
  const number = Number(value);
  if (!(number > 0 && number <= most)) throw new InvalidArgumentError(`give ${what}.`);
  return number;
};

export const parseCount = parseWhole(1, 99_999, 'a whole number from 1 to 99999');
/** Requests a second, such as 0.5 or 100. */
export const parseRate = parseUpTo(10_000, 'requests a second, above 0 and up to 10000');
/** MB that a function of Lambda may have. */
export const parseMemory = parseWhole(128, 10_240, 'whole MB from 128 to 10240, as Lambda does');

/** Numbers with commas between them, each once. */
export const parseList = (parse: (value: string) => number) => (value: string) => {
  const numbers = value.split(',').map(parse);
  if (new Set(numbers).size < numbers.length) throw new InvalidArgumentError('give each number once.');
  return numbers;
};
export const parseCounts = parseList(parseWhole(0, 99_999, 'a whole number from 0 to 99999'));

const UNITS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Milliseconds of 500ms, 60s, 2m, 1h, 7d; a bare number is seconds. */
export function parseDuration(value: string): number {
  const [, number, unit = 's'] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)?$/.exec(value) ?? [];
  // 1.1 s are 1100 ms, and not 1100.0000000000002.
  const ms = Number((Number(number) * UNITS[unit as keyof typeof UNITS]).toFixed(3));
  // setTimeout cannot wait longer than 2 ** 31 - 1 ms.
  if (!(ms > 0 && ms < 2 ** 31)) throw new InvalidArgumentError('give a time such as 500ms, 60s, 2m or 1h.');
  return ms;
}

/** `20@1m,20-100@5m`: so many requests a second for so long, or from one rate evenly to another. */
export function parseStages(value: string): Stage[] {
  return value.split(',').map((stage) => {
    const [, from, to = from, time] = /^([\d.]+)(?:-([\d.]+))?@(.+)$/.exec(stage) ?? [];
    if (from === undefined || to === undefined || time === undefined) {
      throw new InvalidArgumentError('give stages such as 20@1m,20-100@5m,100@1m.');
    }
    return { from: parseRate(from), to: parseRate(to), durationMs: parseDuration(time) };
  });
}

/** `memory=3072`, kept by its name. */
export function parseLabel(value: string, labels: Record<string, string>): Record<string, string> {
  const [, name, text] = /^([\w.-]+)=(.+)$/.exec(value) ?? [];
  if (name === undefined || text === undefined) throw new InvalidArgumentError('give a label such as memory=3072.');
  if (name === 'memory') parseMemory(text);
  if (name === 'arch') parseArch(text);
  return { ...labels, [name]: text };
}

function parseArch(value: string): Arch {
  if (value !== 'arm64' && value !== 'x86_64') throw new InvalidArgumentError('give arm64 or x86_64.');
  return value;
}

/** An http:// or https:// address. A wrong one is not repeated: it may hold a password. */
export const parseUrl =
  (name: string) =>
  (value: string): URL => {
    const url = URL.canParse(value) ? new URL(value) : undefined;
    return url && /^https?:$/.test(url.protocol) ? url : fail(`${name} must start with http:// or https://.`);
  };

/** An address with the route that requests go to. */
export const parseTarget =
  (name: string) =>
  (value: string): URL => {
    const url = parseUrl(name)(value);
    return url.pathname === '/' ? fail(`${name} must include the route, e.g. /nlp/ner.`) : url;
  };

/** The API key of NER_API_KEY. */
export function readKey(): string {
  const key = process.env['NER_API_KEY'] || fail('NER_API_KEY is not set; set it to the API key of a Kong consumer.');
  try {
    validateHeaderValue('apikey', key);
  } catch {
    fail('NER_API_KEY holds a character that no header can carry, such as a line break.');
  }
  return key;
}
