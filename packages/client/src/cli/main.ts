#!/usr/bin/env node
import { setFlagsFromString } from 'node:v8';
import { Command, CommanderError, Option } from 'commander';
import { FORMATS } from '../files/entries.js';
import { VERSION } from '../transport.js';
import { doctor } from './doctor.js';
import { isExpected, report, unusable } from './errors.js';
import { extract } from './extract.js';
import type { ExtractFlags } from './flags.js';
import { merge } from './merge.js';
import { count } from './progress.js';

// By default V8 lets 120 MB gather where 20 MB live. This halves what a large input takes, for a third more CPU.
setFlagsFromString('--semi-space-growth-factor=1');
setFlagsFromString('--heap-growing-percent=50');

/** Not by exitCode: a standard input that is still open would keep an interrupted run alive. */
function end(code: number): void {
  // An error of what was written before comes first.
  process.stdout.write('', () => setImmediate(() => process.exit(code)));
}

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0); // the reader has enough, as `head` does
  report(unusable('standard output', error).message);
  process.exit(2);
});
process.stderr.on('error', () => {}); // nobody to tell

const program = new Command('burst-ner')
  .description('Named entities of many documents, through the gateway.')
  .configureOutput({ outputError: (text, write) => write(`burst-ner: ${text.replace(/^error: /, '')}`) })
  .version(VERSION)
  .exitOverride();

const choice = (flags: string, description: string, values: readonly string[]) =>
  new Option(flags, description).choices(values);
const url = () => new Option('--url <url>', 'the endpoint, e.g. https://kong.example.com/nlp/ner').env('NER_URL');

const OUTPUTS = ['jsonl', 'csv'];

program
  .command('extract')
  .description('Finds the named entities of documents and writes a record for each, in their order.')
  .argument('[inputs...]', 'files, globs, directories; - or none: standard input')
  .addOption(url())
  .option('--text-field <name>', 'field or column of the text (default: text, else the only one)')
  .option('--id-field <name>', 'field or column of the id (default: id, else _id)')
  .addOption(
    choice('--format <format>', 'how to read every input (default: by file name; standard input as txt)', FORMATS),
  )
  .option('--out <file>', 'write here instead of to standard output; go on where it ends')
  .addOption(choice('--output-format <format>', 'how to write (default: csv when --out ends so, else jsonl)', OUTPUTS))
  .option('--keep-failed', 'on resume leave documents as they are that failed; without it they are done again')
  .option('--allow-model-change', 'go on with an output that another model began')
  .option('--shard <i/n>', 'do only every n-th document, from the i-th on; merge puts the outputs together')
  .option('--concurrency <n>', 'requests at once', Number, 5)
  .option(
    '--budget-share <share>',
    "of the key's rate limit, above 0 and up to 1; without it processes share",
    Number,
    1,
  )
  .option(
    '--dry-run',
    'say how many documents, requests and minutes there are; with a key the first documents are sent to tell',
  )
  .option('--json', 'end with one JSON object, on standard output with --out, else on standard error')
  .addHelpText(
    'after',
    `
The API key comes from the environment variable NER_API_KEY alone.

Inputs are .txt (one document), .jsonl, .ndjson, .json (an array), .csv and .tsv (one document a record), also with .gz.
What only their owner can mend (a record that is broken, a file that is empty or not UTF-8) becomes a record with an
error, and the rest goes on. What these options can mend (a name that no file has, a field that is not there) stops the
run.

With --out the same command, run again after a crash, goes on where the output ends, and does again what failed. It
compares what is there with the inputs and options, and is refused when they differ. FILE.run beside the output says
what it is of; FILE.lock and FILE.part are there for a time only.

A CSV output has a row for each entity, and one for a document without any. It is made for spreadsheets: a cell that one
would take for a formula begins with an apostrophe.

Exit codes: 0 all documents done, 1 some failed (their records hold an error), 2 the run could not start or go on,
130 and 143 interrupted by SIGINT and SIGTERM. What was done before is written in every case.`,
  )
  .action(async (inputs: string[], flags: ExtractFlags) => {
    end(await extract(inputs, flags));
  });

program
  .command('merge')
  .description('Puts the outputs of all shards into the order of the inputs, as one process would have written them.')
  .argument('<outputs...>', 'of extract --shard, all of one run, each with its .run beside it')
  .requiredOption('--out <file>', 'write here; it must not be there yet')
  .action(async (outputs: string[], { out }: { out: string }) => {
    const { documents, failed } = await merge(outputs, out);
    report(`merged ${outputs.length} shards: ${count(documents, 'document')}, ${failed} failed`);
    process.exitCode = failed > 0 ? 1 : 0;
  });

program
  .command('doctor')
  .description('Checks address, connection, key, route, model, limits and clocks with two small requests.')
  .addOption(url())
  .addHelpText(
    'after',
    `
The API key comes from the environment variable NER_API_KEY alone.

Exit codes: 0 all is well, 1 a check failed (the line says what to do), 2 there is no address or no key to check with.`,
  )
  .action(async (flags: { url?: string }) => {
    end(await doctor(flags));
  });

try {
  await program.parseAsync();
} catch (error) {
  if (isExpected(error)) report(error.message);
  else if (!(error instanceof CommanderError)) throw error;
  process.exitCode = error instanceof CommanderError && error.exitCode === 0 ? 0 : 2;
}
