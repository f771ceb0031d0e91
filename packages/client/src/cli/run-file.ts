import { writeFileSync } from 'node:fs';
import * as z from 'zod/mini';
import { FORMATS } from '../files/entries.js';
import { parseJson } from '../json.js';
import { read, replace } from './disk.js';
import { foreign, unusable } from './errors.js';

/** What an output is of: `OUT.run` beside it says so. */
const RunFacts = z.object({
  /** Of this file and of the records. */
  version: z.literal(1),
  /** As they were named. */
  inputs: z.array(z.string()),
  textField: z.optional(z.string()),
  idField: z.optional(z.string()),
  format: z.optional(z.enum(FORMATS)),
  outputFormat: z.enum(['jsonl', 'csv']),
  shard: z.optional(z.string().check(z.regex(/^[1-9]\d*\/[1-9]\d*$/))),
  /** That all inputs have, of all shards; not there until a run has come to their end. */
  documents: z.optional(z.int()),
});
export type RunFacts = z.infer<typeof RunFacts>;

const FLAGS = ['textField', 'idField', 'format', 'outputFormat', 'shard'] as const;

/** @throws {OutputError} for a file that `writeRun` did not write, or that cannot be read */
export function readRun(path: string): RunFacts | undefined {
  try {
    const text = read(path, true);
    return text === undefined ? undefined : (RunFacts.safeParse(parseJson(text)).data ?? foreign(path));
  } catch (error) {
    throw unusable(path, error, 'read');
  }
}

/** Whole or not at all. */
export function writeRun(path: string, facts: RunFacts): void {
  writeFileSync(`${path}.new`, `${JSON.stringify(facts)}\n`, { flush: true });
  replace(path, `${path}.new`);
}

/** The first thing in which two runs differ that their outputs must not; undefined when there is none. */
export function firstDifference(before: RunFacts, now: RunFacts): string | undefined {
  for (let i = 0; i < Math.max(before.inputs.length, now.inputs.length); i++) {
    const [was, is] = [before.inputs[i], now.inputs[i]];
    if (was !== is) return `its input ${i + 1} was ${was ?? 'not there'}, and now is ${is ?? 'not there'}`;
  }
  for (const name of FLAGS) {
    const [was, is] = [before[name], now[name]];
    const flag = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    if (was !== is) return `${flag} was ${was ?? 'not given'}, and now is ${is ?? 'not given'}`;
  }
  return undefined;
}
