import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import * as z from 'zod/mini';
import { FORMATS } from '../files/entries.js';
import { foreign } from './errors.js';

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

const FLAGS = [
  ['textField', '--text-field'],
  ['idField', '--id-field'],
  ['format', '--format'],
  ['outputFormat', '--output-format'],
  ['shard', '--shard'],
] as const;

/** @throws {OutputError} for a file that `writeRun` did not write */
export function readRun(path: string): RunFacts | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    return RunFacts.parse(JSON.parse(text));
  } catch {
    return foreign(path);
  }
}

/** Whole or not at all. */
export function writeRun(path: string, facts: RunFacts): void {
  writeFileSync(`${path}.new`, `${JSON.stringify(facts)}\n`);
  renameSync(`${path}.new`, path);
}

/** The first thing in which two runs differ that their outputs must not; undefined when there is none. */
export function firstDifference(before: RunFacts, now: RunFacts): string | undefined {
  for (let i = 0; i < Math.max(before.inputs.length, now.inputs.length); i++) {
    const [was, is] = [before.inputs[i], now.inputs[i]];
    if (was !== is) return `its input ${i + 1} was ${was ?? 'not there'}, and now is ${is ?? 'not there'}`;
  }
  for (const [fact, flag] of FLAGS) {
    const [was, is] = [before[fact], now[fact]];
    if (was !== is) return `${flag} was ${was ?? 'not given'}, and now is ${is ?? 'not given'}`;
  }
  return undefined;
}
