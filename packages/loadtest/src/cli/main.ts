#!/usr/bin/env node
import { program } from 'commander';
import { InputError } from '../input-error.js';
import { compareCommand } from './compare.js';
import { planCommand } from './plan.js';
import { reportCommand } from './report.js';
import { runCommand } from './run.js';
import { selfcheckCommand } from './selfcheck.js';

program
  .name('burst-ner-load')
  .description('Bursts at the NER route that tell cold from warm latency, by what each answer says of itself.')
  // Bad input is 3 everywhere.
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 3));

for (const command of [runCommand(), reportCommand(), compareCommand(), planCommand(), selfcheckCommand()]) {
  program.addCommand(command.copyInheritedSettings(program));
}

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof InputError)) throw error;
  program.error(`error: ${error.message}`);
}
