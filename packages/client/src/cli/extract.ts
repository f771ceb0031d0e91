import { NerClient } from '../client.js';
import { ConfigError, NerError } from '../errors.js';
import { type DocumentFormat, type Entry, readEntries } from '../files/entries.js';
import { DocumentsError } from '../files/fields.js';
import type { NerClientOptions, NerEvent } from '../options.js';
import { csv } from './csv.js';
import { dryRun } from './dry-run.js';
import { findInputs } from './inputs.js';
import { jsonl, type OutputFormat } from './jsonl.js';
import { OutputFile, type Todo } from './output.js';
import { OutputStream } from './output-stream.js';
import { duration, Progress } from './progress.js';
import { modelChanged, modelName, OutputError, toRecord } from './record.js';
import type { RunFacts } from './run-file.js';
import { Shard } from './shard.js';
import { Summary } from './summary.js';

// Nobody sits before it: a deployment or a fault of AWS may take that long.
const OUTAGE_MS = 3_600_000;

export interface ExtractFlags {
  url?: string;
  textField?: string;
  idField?: string;
  format?: DocumentFormat;
  out?: string;
  outputFormat?: 'jsonl' | 'csv';
  shard?: string;
  concurrency: number;
  budgetShare: number;
  keepFailed?: boolean;
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
    const given = names.length === 0 ? ['-'] : names;
    const inputs = await findInputs(given, flags.format, flags.out);
    const shard = new Shard(flags.shard);
    const entries = shard.of(readEntries(inputs, flags));
    if (flags.dryRun) return await dryRun(entries, flags);
    process.once('SIGINT', stop(130)).once('SIGTERM', stop(143));
    const sizes = inputs.reduce((sum, { bytes }) => sum + (bytes ?? Number.NaN), 0);
    const run = new Run(given, flags, Number.isNaN(sizes) ? undefined : sizes, summary);
    await run.extract(entries, shard, interrupt.signal);
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
  readonly #facts: RunFacts;
  readonly #summary: Summary;
  readonly #client: NerClient;
  readonly #progress: Progress | undefined;
  /** Whether it was said that the service is away. */
  #away = false;

  constructor(inputs: string[], flags: ExtractFlags, total: number | undefined, summary: Summary) {
    const { textField, idField, format, shard, out } = flags;
    const outputFormat = formatOf(flags) === csv ? 'csv' : 'jsonl';
    this.#flags = flags;
    this.#facts = { version: 1, inputs, textField, idField, format, outputFormat, shard };
    this.#summary = summary;
    this.#client = new NerClient({
      ...connectionOf(flags),
      onEvent: (event) => this.#onEvent(event),
    });
    const now = () => performance.now();
    const budget = () => this.#client.budget();
    // Records on the terminal are progress enough.
    const shown = out !== undefined || !process.stdout.isTTY;
    this.#progress = shown ? new Progress({ screen: process.stderr, total, budget, now }) : undefined;
  }

  async extract(entries: AsyncGenerator<Entry, void, undefined>, shard: Shard, signal: AbortSignal): Promise<void> {
    const output = await this.#open(signal);
    this.#summary.before = output.before;
    this.#progress?.start();
    let documents: number | undefined;
    try {
      // What was done, and what cannot be read, has no text to send, and costs no request.
      const text = (entry: Todo) => ('error' in entry || entry.kept ? '' : entry.text);
      for await (const outcome of this.#client.extractAll(output.todo(entries), { text, signal })) {
        const { kept, read } = outcome.document;
        const record = kept ?? toRecord(outcome);
        await output.write(record);
        if (!kept) this.#summary.addRecord(record);
        this.#progress?.add(read, kept ? undefined : record.error === undefined);
      }
      documents = shard.documents;
    } finally {
      this.#progress?.stop();
      this.#summary.model = output.model;
      await output.close(documents);
    }
  }

  #onEvent(event: NerEvent): void {
    if (event.type === 'answer') {
      this.#summary.addAnswer(event.status);
      if (event.status === 200) this.#away = false;
    } else if (event.type === 'wait') {
      this.#progress?.wait(event.ms, event.reason);
    } else {
      const { ms, left, error } = event;
      this.#progress?.wait(ms, `the service is away (${error.code})`);
      if (!this.#away) report(`${error.message}; waiting for it for up to ${duration(left / 1000)}`);
      this.#away = true;
    }
  }

  async #open(signal: AbortSignal): Promise<OutputFile | OutputStream> {
    const { out, keepFailed = false, allowModelChange = false } = this.#flags;
    const format = formatOf(this.#flags);
    if (out === undefined) return new OutputStream(format);
    return OutputFile.open(out, {
      facts: this.#facts,
      format,
      keepFailed,
      allowModelChange,
      onFirst: async (model, read) => {
        this.#progress?.add(read, undefined);
        if (!allowModelChange) await this.#checkModel(out, model, signal);
      },
      onWait: report,
    });
  }

  /** Before anything is sent, where `/model` answers; else the first answer tells. */
  async #checkModel(out: string, before: string | undefined, signal: AbortSignal): Promise<void> {
    if (before === undefined) return;
    const now = await this.#client.describe({ signal }).catch((error) => {
      if (error instanceof NerError) return undefined;
      throw error;
    });
    if (now && modelName(now.model) !== before) throw modelChanged(out, before, modelName(now.model));
  }
}

/** The options of the client that flags and the environment give. */
export function connectionOf({ url, concurrency, budgetShare }: ExtractFlags): NerClientOptions {
  if (!url) throw new ConfigError('no url: pass --url or set the environment variable NER_URL');
  return { url, apiKey: process.env['NER_API_KEY'], concurrency, budgetShare, outageMs: OUTAGE_MS };
}

export function formatOf({ out, outputFormat }: { out?: string; outputFormat?: 'jsonl' | 'csv' }): OutputFormat {
  const csvByName = outputFormat === undefined && out?.toLowerCase().endsWith('.csv');
  return outputFormat === 'csv' || csvByName ? csv : jsonl;
}

export function isExpected(error: unknown): error is Error {
  return error instanceof NerError || error instanceof DocumentsError || error instanceof OutputError;
}

export function report(sentence: string): void {
  process.stderr.write(`burst-ner: ${sentence}\n`);
}
