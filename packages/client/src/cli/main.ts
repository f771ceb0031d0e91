#!/usr/bin/env node
import { Command, CommanderError, Option } from 'commander';
import { type ExtractFlags, extract } from './extract.js';

const program = new Command('burst-ner')
  .description('Named entities of many documents, through the gateway.')
  .configureOutput({ outputError: (text, write) => write(`burst-ner: ${text.replace(/^error: /, '')}`) })
  .exitOverride();

program
  .command('extract')
  .description('Finds the named entities of documents and writes one JSON line for each, in order.')
  .argument('[files...]', '.txt (one document), .jsonl or .csv (one a line); - or none: standard input')
  .addOption(new Option('--url <url>', 'the endpoint, e.g. https://kong.example.com/nlp/ner').env('NER_URL'))
  .option('--text-field <name>', 'field or column of the text (default: text, else the only one)')
  .addOption(
    new Option('--format <format>', 'how to read every input (default: by file name; standard input as txt)').choices([
      'txt',
      'jsonl',
      'csv',
    ]),
  )
  .option('--out <file>', 'write here instead of to standard output; must not exist yet')
  .option('--concurrency <n>', 'requests at once', Number, 5)
  .addHelpText(
    'after',
    `
The API key comes from the environment variable NER_API_KEY alone.

Exit codes: 0 all documents done, 1 some failed (their lines hold an error), 2 the run could not start or go on,
130 interrupted. What was done before is written in every case.`,
  )
  .action(async (files: string[], flags: ExtractFlags) => {
    // Not exitCode: a standard input that is still open would keep an interrupted run alive.
    process.exit(await extract(files, flags));
  });

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  process.exitCode = error.exitCode === 0 ? 0 : 2;
}
