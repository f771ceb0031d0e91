// Every parser in TypeScript, by its name.
import { answers, inputs, outputs } from './client.js';
import { gateway, heads, kong, references } from './emulator.js';
import type { Parser } from './fuzz.js';
import { connection, runs } from './loadtest.js';

export const PARSERS: Record<string, () => Parser | Promise<Parser>> = {
  kong,
  references,
  heads,
  gateway,
  answers,
  inputs,
  outputs,
  runs,
  connection,
};
