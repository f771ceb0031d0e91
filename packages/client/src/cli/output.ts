import { closeSync, fstatSync, fsyncSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { rm, stat } from 'node:fs/promises';
import type { Server } from 'node:net';
import { abortable } from '../abort.js';
import type { Entry } from '../files/entries.js';
import type { OutputFormat } from './jsonl.js';
import { lock } from './lock.js';
import { isOf, OutputError, type OutputRecord } from './record.js';

/** What an output held already. */
export interface Resumed {
  documents: number;
  failed: number;
  /** Bytes of the inputs that they stand in. */
  read: number;
  /** Of the last record that names one. */
  model: string | undefined;
  /** Byte at which the last whole record ends. */
  end: number;
}

/**
 * Reads what an output holds, and the same documents from the inputs, which it leaves at the first that is not done.
 *
 * @throws {OutputError} when a record is not of the document that stands in its place; `signal.reason` on abort
 */
export async function readDone(
  path: string,
  format: OutputFormat,
  entries: AsyncGenerator<Entry, void, undefined>,
  signal?: AbortSignal,
): Promise<Resumed> {
  const done: Resumed = { documents: 0, failed: 0, read: 0, model: undefined, end: 0 };
  try {
    for await (const { record, end } of format.read(path)) {
      const { value: entry } = await abortable(entries.next(), signal);
      done.documents++;
      if (!entry || !isOf(record, entry)) throw changed(path, record, done.documents);
      if (record.error) done.failed++;
      done.read = entry.read;
      done.model = record.model ?? done.model;
      done.end = end;
    }
  } catch (error) {
    if (!(error instanceof Error && 'syscall' in error)) throw error;
    throw new OutputError(`${path} cannot be read (${(error as NodeJS.ErrnoException).code}), which a resume needs`);
  }
  return done;
}

function changed(path: string, { source, line }: OutputRecord, number: number): OutputError {
  const place = line === undefined ? source : `${source} line ${line}`;
  return new OutputError(
    `document ${number} of ${path} (${place}) is not what the inputs have there now; ` +
      'name the same inputs as before, unchanged and in the same order, or another file with --out',
  );
}

/** A file that grows by whole records, in the order of the inputs, so that it is resumed where it ends. */
export class OutputFile {
  readonly #path: string;
  readonly #format: OutputFormat;
  readonly #fd: number;
  readonly #lock: Server;
  #size: number;

  private constructor(path: string, format: OutputFormat, fd: number, held: Server) {
    this.#path = path;
    this.#format = format;
    this.#fd = fd;
    this.#lock = held;
    this.#size = fstatSync(fd).size;
  }

  /** @throws {OutputError} when it cannot be written, is no plain file, or another process writes to it */
  static async open(path: string, format: OutputFormat): Promise<OutputFile> {
    const found = await stat(path).catch(() => undefined);
    if (found && !found.isFile()) {
      throw new OutputError(`${path} is not a plain file; leave --out away to write to standard output`);
    }
    try {
      const fd = openSync(path, 'a');
      const held = await lock(fstatSync(fd, { bigint: true }));
      if (held) return new OutputFile(path, format, fd, held);
    } catch (error) {
      throw unusable(path, error);
    }
    throw new OutputError(`another burst-ner writes to ${path}; wait for it, or name another file with --out`);
  }

  /** Cuts what stands after the last whole record. */
  cut(end: number): void {
    if (end < this.#size) this.#do(() => ftruncateSync(this.#fd, end));
    this.#size = end;
  }

  /**
   * Returns when the operating system has it: what this process does later, kill -9 included, cannot undo it. A power cut
   * can, until the run has ended; then the next one does again what is missing.
   */
  write(record: OutputRecord): void {
    const text = this.#format.toText(record);
    const bytes = Buffer.from(this.#size === 0 ? this.#format.header + text : text);
    this.#do(() => {
      for (let at = 0; at < bytes.length; ) at += writeSync(this.#fd, bytes, at);
    });
    this.#size += bytes.length;
  }

  /** A file that nothing was written to goes away again. */
  async close(): Promise<void> {
    try {
      this.#do(() => fsyncSync(this.#fd));
    } finally {
      closeSync(this.#fd);
      if (this.#size === 0) await rm(this.#path, { force: true });
      this.#lock.close();
    }
  }

  #do(action: () => void): void {
    try {
      action();
    } catch (error) {
      throw unusable(this.#path, error);
    }
  }
}

/** Standard output. Never resumed. */
export class OutputStream {
  readonly #format: OutputFormat;
  #header: string;

  constructor(format: OutputFormat) {
    this.#format = format;
    this.#header = format.header;
    // write() tells the same error to whoever waits for it.
    process.stdout.on('error', () => {});
  }

  async write(record: OutputRecord): Promise<void> {
    const text = this.#header + this.#format.toText(record);
    this.#header = '';
    await new Promise<void>((resolve, reject) => {
      process.stdout.write(text, (error) => (error ? reject(unusable('standard output', error)) : resolve()));
    });
  }
}

function unusable(path: string, error: unknown): OutputError {
  const { code = 'unknown error' } = error as NodeJS.ErrnoException;
  const advice = code === 'ENOSPC' || code === 'EDQUOT' ? '; make room and run the same command again' : '';
  return new OutputError(`${path} cannot be written (${code})${advice}`, { cause: code });
}
