import { NerClient } from '../client.js';
import { ConfigError, NerError } from '../errors.js';
import { readEntries } from '../files/entries.js';
import { DocumentsError } from '../files/fields.js';
import type { NerEvent } from '../options.js';
import { dryRun } from './dry-run.js';
import { isExpected, modelChanged, OutputError, report } from './errors.js';
import { connectionOf, type ExtractFlags, formatOf } from './flags.js';
import { findInputs } from './inputs.js';
import { OutputFile, OutputStream, type Todo } from './output.js';
import { duration, Progress } from './progress.js';
import { modelName, toRecord } from './record.js';

/** Runs `burst-ner extract`. What comes out is its exit code; what was done is written by then. */
export async function extract(names: string[], flags: ExtractFlags): Promise<number> {
  const interrupt = new AbortController();
  const { signal } = interrupt;
  let exit = 2;
  const stop = (code: number) => () => {
    exit = code;
    interrupt.abort();
  };
  const progress = new Progress();
  let reason: string | undefined;
  try {
    if (names.length === 0 && process.stdin.isTTY) throw new DocumentsError('name a file, or - for standard input');
    const given = names.length === 0 ? ['-'] : names;
    const inputs = await findInputs(given, flags.format, flags.out);
    const [index, count] = checkedShard(flags.shard);
    let documents = 0;
    const entries = async function* () {
      for await (const entry of readEntries(inputs, flags)) if (documents++ % count === index - 1) yield entry;
    };
    if (flags.dryRun) return await dryRun(entries(), flags);
    process.once('SIGINT', stop(130)).once('SIGTERM', stop(143));
    const client = clientOf(flags, progress);
    const output = await open(given, flags, client, progress, signal);
    progress.before = output.before;
    const total = inputs.reduce((sum, { bytes }) => sum + (bytes ?? Number.NaN), 0);
    // Records on the terminal are progress enough.
    const shown = flags.out !== undefined || !process.stdout.isTTY;
    if (shown) progress.start(process.stderr, total || undefined, () => client.budget());
    let complete = false;
    try {
      // What cannot be read has no text to send, and costs no request.
      const text = (entry: Todo) => ('error' in entry ? '' : entry.text);
      for await (const outcome of client.extractAll(output.todo(entries()), { text, signal })) {
        const { again, read } = outcome.document;
        const record = toRecord(outcome);
        await output.write(record, again);
        progress.add(record, read);
      }
      complete = true;
    } finally {
      progress.stop();
      progress.model = output.model;
      await output.close(complete ? documents : undefined);
    }
    exit = progress.anyFailed ? 1 : 0;
  } catch (error) {
    if (error instanceof OutputError && error.cause === 'EPIPE') return 0; // the reader has enough, as `head` does
    if (signal.aborted) reason = 'interrupted';
    else if (isExpected(error)) reason = error.message;
    else throw error;
    report(reason);
  }
  if (flags.json) {
    (flags.out === undefined ? process.stderr : process.stdout).write(`${JSON.stringify(progress.toJSON(reason))}\n`);
  } else if (reason === undefined || progress.documents > 0) {
    report(progress.summary());
  }
  return exit;
}

function clientOf(flags: ExtractFlags, progress: Progress): NerClient {
  let awayTold = false;
  const onEvent = (event: NerEvent) => {
    if (event.type === 'answer') {
      progress.answered(event.status);
      if (event.status === 200) awayTold = false;
    } else if (event.type === 'wait') {
      progress.wait(event.ms, event.reason);
    } else {
      const { ms, left, error } = event;
      progress.wait(ms, `the service is away (${error.code})`);
      if (!awayTold) report(`${error.message}; waiting for it for up to ${duration(left / 1000)}`);
      awayTold = true;
    }
  };
  return new NerClient({ ...connectionOf(flags), onEvent });
}

async function open(
  inputs: string[],
  flags: ExtractFlags,
  client: NerClient,
  progress: Progress,
  signal: AbortSignal,
): Promise<OutputFile | OutputStream> {
  const { out, textField, idField, shard, keepFailed = false, allowModelChange = false } = flags;
  const format = formatOf(flags);
  if (out === undefined) return new OutputStream(format);
  return OutputFile.open(out, {
    facts: { version: 1, inputs, textField, idField, format: flags.format, outputFormat: format.name, shard },
    format,
    keepFailed,
    allowModelChange,
    onFirst: async (model, read) => {
      progress.skip(read);
      if (model === undefined || allowModelChange) return;
      // Before anything is sent, where `/model` answers; else the first answer tells.
      const now = await client.describe({ signal }).catch((error) => {
        if (error instanceof NerError) return undefined;
        throw error;
      });
      if (now && modelName(now.model) !== model) throw modelChanged(out, model, modelName(now.model));
    },
    onWait: report,
  });
}

/**
 * A shard is every n-th document of the inputs, from the i-th on, so that all are of one size and `merge` can tell their
 * order.
 *
 * @throws {ConfigError} for what is not `i/n`
 */
function checkedShard(shard = '1/1'): [index: number, count: number] {
  const [, index, count] = /^([1-9]\d{0,8})\/([1-9]\d{0,8})$/.exec(shard)?.map(Number) ?? [];
  if (index && count && index <= count) return [index, count];
  throw new ConfigError(`--shard must be i/n with i from 1 to n, e.g. 2/10, not ${shard}`);
}
