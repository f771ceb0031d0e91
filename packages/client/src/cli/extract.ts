import { NerClient } from '../client.js';
import { ConfigError, NerError } from '../errors.js';
import { type Entry, readEntries } from '../files/entries.js';
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
    const total = inputs.reduce((sum, { bytes }) => sum + (bytes ?? Number.NaN), 0);
    const run = new Run(given, flags, progress, interrupt.signal);
    await run.extract(entries(), () => documents, Number.isNaN(total) ? undefined : total);
    exit = progress.anyFailed ? 1 : 0;
  } catch (error) {
    if (error instanceof OutputError && error.cause === 'EPIPE') return 0; // the reader has enough, as `head` does
    if (interrupt.signal.aborted) reason = 'interrupted';
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

/** One run, from what the output holds already to its last record. */
class Run {
  readonly #client: NerClient;
  /** Whether it was said that the service is away. */
  #away = false;

  constructor(
    private readonly inputs: string[],
    private readonly flags: ExtractFlags,
    private readonly progress: Progress,
    private readonly signal: AbortSignal,
  ) {
    this.#client = new NerClient({ ...connectionOf(flags), onEvent: (event) => this.#onEvent(event) });
  }

  /**
   * @param count how many documents were read, those of other shards included
   * @param total bytes of all inputs; undefined when one has no size
   */
  async extract(
    entries: AsyncGenerator<Entry, void, undefined>,
    count: () => number,
    total: number | undefined,
  ): Promise<void> {
    const { progress, signal } = this;
    const output = await this.#open();
    progress.before = output.before;
    // Records on the terminal are progress enough.
    const shown = this.flags.out !== undefined || !process.stdout.isTTY;
    if (shown) progress.start(process.stderr, total, () => this.#client.budget());
    let documents: number | undefined;
    try {
      // What cannot be read has no text to send, and costs no request.
      const text = (entry: Todo) => ('error' in entry ? '' : entry.text);
      for await (const outcome of this.#client.extractAll(output.todo(entries), { text, signal })) {
        const { again, read } = outcome.document;
        const record = toRecord(outcome);
        await output.write(record, again);
        progress.add(record, read);
      }
      documents = count();
    } finally {
      progress.stop();
      progress.model = output.model;
      await output.close(documents);
    }
  }

  #onEvent(event: NerEvent): void {
    if (event.type === 'answer') {
      this.progress.answered(event.status);
      if (event.status === 200) this.#away = false;
    } else if (event.type === 'wait') {
      this.progress.wait(event.ms, event.reason);
    } else {
      const { ms, left, error } = event;
      this.progress.wait(ms, `the service is away (${error.code})`);
      if (!this.#away) report(`${error.message}; waiting for it for up to ${duration(left / 1000)}`);
      this.#away = true;
    }
  }

  async #open(): Promise<OutputFile | OutputStream> {
    const { inputs, flags } = this;
    const { out, textField, idField, shard, keepFailed = false, allowModelChange = false } = flags;
    const format = formatOf(flags);
    if (out === undefined) return new OutputStream(format);
    return OutputFile.open(out, {
      facts: { version: 1, inputs, textField, idField, format: flags.format, outputFormat: format.name, shard },
      format,
      keepFailed,
      allowModelChange,
      onFirst: async (model, read) => {
        this.progress.skip(read);
        if (model !== undefined && !allowModelChange) await this.#checkModel(out, model);
      },
      onWait: report,
    });
  }

  /** Before anything is sent, where `/model` answers; else the first answer tells. */
  async #checkModel(out: string, before: string): Promise<void> {
    const now = await this.#client.describe({ signal: this.signal }).catch((error) => {
      if (error instanceof NerError) return undefined;
      throw error;
    });
    if (now && modelName(now.model) !== before) throw modelChanged(out, before, modelName(now.model));
  }
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
