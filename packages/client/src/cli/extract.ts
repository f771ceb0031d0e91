import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import type { Writable } from 'node:stream';
import { NerClient, type Outcome } from '../client.js';
import { type DocumentFormat, DocumentsError, readDocuments, type SourceDocument } from '../documents.js';
import { ConfigError, NerError } from '../errors.js';
import type { Model } from '../wire.js';

export interface ExtractFlags {
  url?: string;
  textField?: string;
  format?: DocumentFormat;
  out?: string;
  concurrency: number;
}

/** The output cannot be written. */
class OutputError extends Error {}

/** Runs `burst-ner extract`. What comes out is its exit code; what was done is written by then. */
export async function extract(files: string[], flags: ExtractFlags): Promise<number> {
  const interrupt = new AbortController();
  const onSignal = () => interrupt.abort();
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
  const summary = new Summary();
  let output: Output | undefined;
  try {
    if (!flags.url) throw new ConfigError('no url: pass --url or set the environment variable NER_URL');
    const client = new NerClient({
      url: flags.url,
      apiKey: process.env['NER_API_KEY'],
      concurrency: flags.concurrency,
      onResponse: ({ status }) => summary.addResponse(status),
    });
    if (files.length === 0 && process.stdin.isTTY) throw new DocumentsError('name a file, or - for standard input');
    output = await Output.open(flags.out);
    const documents = readDocuments(files.length === 0 ? ['-'] : files, flags);
    const outcomes = client.extractAll(documents, { text: ({ text }) => text, signal: interrupt.signal });
    for await (const outcome of outcomes) {
      await output.write(toRecord(outcome));
      summary.addOutcome(outcome);
    }
    report(summary.toString());
    return summary.failed > 0 ? 1 : 0;
  } catch (error) {
    if (error instanceof OutputError && error.cause === 'EPIPE') return 0; // the reader has enough, as `head` does
    const interrupted = interrupt.signal.aborted;
    if (interrupted) report('interrupted');
    else if (isExpected(error)) report(error.message);
    else throw error;
    if (summary.ok + summary.failed > 0) report(summary.toString());
    return interrupted ? 130 : 2;
  } finally {
    await output?.close();
  }
}

function isExpected(error: unknown): error is Error {
  return error instanceof NerError || error instanceof DocumentsError || error instanceof OutputError;
}

function report(sentence: string): void {
  process.stderr.write(`burst-ner: ${sentence}\n`);
}

function toRecord(outcome: Outcome<SourceDocument>): object {
  const { text: _, ...origin } = outcome.document;
  if (outcome.ok) return { ...origin, entities: outcome.entities, model: outcome.model };
  return { ...origin, error: { code: outcome.error.code, message: outcome.error.message } };
}

/** JSON lines to a file that is new, or to standard output. */
class Output {
  readonly #stream: Writable;
  readonly #path: string | undefined;
  #empty = true;

  private constructor(stream: Writable, path: string | undefined) {
    this.#stream = stream;
    this.#path = path;
    // write() tells the same error to whoever waits for it.
    stream.on('error', () => {});
  }

  static async open(path: string | undefined): Promise<Output> {
    if (path === undefined) return new Output(process.stdout, path);
    // x: neither an input nor the result of an earlier run is ever overwritten.
    const stream = createWriteStream(path, { flags: 'wx' });
    try {
      await once(stream, 'open');
    } catch (error) {
      throw unwritable(path, error);
    }
    return new Output(stream, path);
  }

  async write(record: object): Promise<void> {
    this.#empty = false;
    await new Promise<void>((resolve, reject) => {
      this.#stream.write(`${JSON.stringify(record)}\n`, (error) =>
        error ? reject(unwritable(this.#path ?? 'standard output', error)) : resolve(),
      );
    });
  }

  /** A file that nothing was written to goes away again. */
  async close(): Promise<void> {
    if (this.#path === undefined) return;
    await new Promise<void>((resolve) => this.#stream.end(() => resolve()));
    if (this.#empty) await rm(this.#path);
  }
}

function unwritable(path: string, error: unknown): OutputError {
  const code = (error as NodeJS.ErrnoException).code ?? 'unknown error';
  if (code === 'EEXIST') return new OutputError(`${path} exists already; remove it or name another file with --out`);
  return new OutputError(`${path} cannot be written (${code})`, { cause: code });
}

class Summary {
  ok = 0;
  failed = 0;
  readonly #started = performance.now();
  #entities = 0;
  #requests = 0;
  #limited = 0;
  #model: Model | undefined;

  addResponse(status: number): void {
    this.#requests++;
    if (status === 429) this.#limited++;
  }

  addOutcome(outcome: Outcome<unknown>): void {
    if (outcome.ok) {
      this.ok++;
      this.#entities += outcome.entities.length;
      this.#model = outcome.model ?? this.#model;
    } else {
      this.failed++;
    }
  }

  toString(): string {
    const seconds = ((performance.now() - this.#started) / 1000).toFixed(1);
    const model = this.#model ? `, ${this.#model.name} ${this.#model.version}` : '';
    return (
      `${this.ok} documents done, ${this.failed} failed, ${this.#entities} entities, ` +
      `${this.#requests} answers (${this.#limited} of them 429), ${seconds} s${model}`
    );
  }
}
