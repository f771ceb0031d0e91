#!/usr/bin/env node
import { program } from '@commander-js/extra-typings';
import { InputError } from '../input-error.js';
import { compareCommand } from './compare.js';
import { exportCommand } from './export.js';
import { planCommand } from './plan.js';
import { reportCommand } from './report.js';
import { runCommand } from './run.js';
import { selfcheckCommand } from './selfcheck.js';

program
  .name('burst-ner-load')
  .description('Bursts at the NER route that tell cold from warm latency, by what each answer says of itself.')
  // Bad input is 3 everywhere.
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 3));

const commands = [runCommand(), reportCommand(), compareCommand(), planCommand(), exportCommand(), selfcheckCommand()];
for (const command of commands) {
  program.addCommand(command.copyInheritedSettings(program));
}

// Exit code 1 means worse and nothing else: not what Node ends with where nobody catches an error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.stderr.write(`error: Cannot write standard output (${error.code}).\n`);
  process.exit(4);
});
process.stderr.on('error', () => {}); // nobody to tell
process.on('uncaughtException', (error) => {
  process.stderr.write(`error: a bug of burst-ner-load: ${error.stack}\n`);
  process.exit(70);
});

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof InputError)) throw error;
  program.error(`error: ${error.message}`);
}
