import { abortable } from '../abort.js';
import { NerClient } from '../client.js';
import { ConfigError, NerError } from '../errors.js';
import { type DocumentFormat, type Entry, readEntries } from '../files/entries.js';
import { DocumentsError } from '../files/fields.js';
import { csv } from './csv.js';
import { dryRun } from './dry-run.js';
import { findInputs } from './inputs.js';
import { jsonl, type OutputFormat } from './jsonl.js';
import { OutputFile, OutputStream, type Resumed, readDone } from './output.js';
import { Progress } from './progress.js';
import { modelName, OutputError, toRecord } from './record.js';
import { Summary } from './summary.js';

export interface ExtractFlags {
  url?: string;
  textField?: string;
  idField?: string;
  format?: DocumentFormat;
  out?: string;
  outputFormat?: 'jsonl' | 'csv';
  concurrency: number;
  allowModelChange?: boolean;
  dryRun?: boolean;
  json?: boolean;
}

/** Runs `burst-ner extract`. What comes out is its exit code; what was done is written by then. */
export async function extract(names: string[], flags: ExtractFlags): Promise<number> {
  const interrupt = new AbortController();
  let exit = 2;
  const stop = (code: number) => () => {
    exit = code;
    interrupt.abort();
  };
  const summary = new Summary();
  let reason: string | undefined;
  try {
    if (names.length === 0 && process.stdin.isTTY) throw new DocumentsError('name a file, or - for standard input');
    const inputs = await findInputs(names.length === 0 ? ['-'] : names, flags.format, flags.out);
    if (flags.dryRun) return await dryRun(readEntries(inputs, flags), flags, formatOf(flags));
    process.once('SIGINT', stop(130)).once('SIGTERM', stop(143));
    const sizes = inputs.map(({ bytes }) => bytes ?? Number.NaN).reduce((sum, bytes) => sum + bytes, 0);
    const run = new Run(flags, Number.isNaN(sizes) ? undefined : sizes, summary);
    await run.extract(readEntries(inputs, flags), interrupt.signal);
    exit = summary.anyFailed ? 1 : 0;
  } catch (error) {
    if (error instanceof OutputError && error.cause === 'EPIPE') return 0; // the reader has enough, as `head` does
    if (interrupt.signal.aborted) reason = 'interrupted';
    else if (isExpected(error)) reason = error.message;
    else throw error;
    report(reason);
  }
  if (flags.json) {
    (flags.out === undefined ? process.stderr : process.stdout).write(`${JSON.stringify(summary.toJSON(reason))}\n`);
  } else if (reason === undefined || summary.documents > 0) {
    report(summary.toString());
  }
  return exit;
}

/** One run, from what the output holds already to its last record. */
class Run {
  readonly #flags: ExtractFlags;
  readonly #summary: Summary;
  readonly #client: NerClient;
  readonly #progress: Progress | undefined;

  constructor(flags: ExtractFlags, total: number | undefined, summary: Summary) {
    if (!flags.url) throw new ConfigError('no url: pass --url or set the environment variable NER_URL');
    this.#flags = flags;
    this.#summary = summary;
    this.#client = new NerClient({
      url: flags.url,
      apiKey: process.env['NER_API_KEY'],
      concurrency: flags.concurrency,
      onResponse: ({ status }) => summary.addAnswer(status),
      onWait: (wait) => this.#progress?.wait(wait),
    });
    const now = () => performance.now();
    const budget = () => this.#client.budget();
    // Records on the terminal are progress enough.
    const shown = flags.out !== undefined || !process.stdout.isTTY;
    this.#progress = shown ? new Progress({ screen: process.stderr, total, budget, now }) : undefined;
  }

  async extract(entries: AsyncGenerator<Entry, void, undefined>, signal: AbortSignal): Promise<void> {
    const { out } = this.#flags;
    const format = formatOf(this.#flags);
    if (out === undefined) return this.#send(entries, 0, new OutputStream(format), signal);
    const output = await OutputFile.open(out, format);
    try {
      const done = await readDone(out, format, entries, signal);
      this.#summary.before = { documents: done.documents, failed: done.failed };
      this.#summary.model = done.model;
      const first = await abortable(entries.next(), signal);
      if (!first.done) await this.#checkModel(done, signal);
      output.cut(done.end);
      if (!first.done) await this.#send(startingWith(first.value, entries), done.read, output, signal);
    } finally {
      await output.close();
    }
  }

  async #send(
    entries: AsyncGenerator<Entry, void, undefined>,
    before: number,
    output: OutputFile | OutputStream,
    signal: AbortSignal,
  ): Promise<void> {
    this.#progress?.start(before);
    try {
      // What cannot be read has no text, and costs no request.
      const text = (entry: Entry) => ('error' in entry ? '' : entry.text);
      for await (const outcome of this.#client.extractAll(entries, { text, signal })) {
        const record = toRecord(outcome);
        this.#expectModel(record.model);
        await output.write(record);
        this.#summary.addRecord(record);
        this.#progress?.add(outcome.document.read, record.error === undefined);
      }
    } finally {
      this.#progress?.stop();
    }
  }

  /** Before anything is sent, where `/model` answers; else the first answer tells. */
  async #checkModel({ model }: Resumed, signal: AbortSignal): Promise<void> {
    if (model === undefined || this.#flags.allowModelChange) return;
    const now = await this.#client.describe({ signal }).catch((error) => {
      if (error instanceof NerError) return undefined;
      throw error;
    });
    if (now) this.#expectModel(modelName(now.model));
  }

  /** An output that can be resumed holds one model's entities. */
  #expectModel(found: string | undefined): void {
    const { out, allowModelChange } = this.#flags;
    const { model } = this.#summary;
    if (found === undefined) return;
    if (out !== undefined && model !== undefined && found !== model && !allowModelChange) {
      throw new OutputError(
        `the model is now ${found}, and ${out} is by ${model}; ` +
          'name another file with --out, or go on with --allow-model-change',
      );
    }
    this.#summary.model = found;
  }
}

async function* startingWith(first: Entry, rest: AsyncGenerator<Entry, void, undefined>): typeof rest {
  yield first;
  yield* rest;
}

function formatOf({ out, outputFormat }: ExtractFlags): OutputFormat {
  const csvByName = outputFormat === undefined && out?.toLowerCase().endsWith('.csv');
  return outputFormat === 'csv' || csvByName ? csv : jsonl;
}

function isExpected(error: unknown): error is Error {
  return error instanceof NerError || error instanceof DocumentsError || error instanceof OutputError;
}

function report(sentence: string): void {
  process.stderr.write(`burst-ner: ${sentence}\n`);
}
