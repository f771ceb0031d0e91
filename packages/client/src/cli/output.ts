import * as fs from 'node:fs';
import type { Entry } from '../files/entries.js';
import { rewrite } from './disk.js';
import { modelChanged, OutputError, unusable } from './errors.js';
import { Lock } from './lock.js';
import type { OutputFormat, OutputRecord } from './record.js';
import { compare, partOf, readDone } from './resume.js';
import { firstDifference, type RunFacts, readRun, writeRun } from './run-file.js';

export type Todo = Entry & {
  /** It failed in an earlier run. */
  again?: boolean | undefined;
};

export interface OutputOptions {
  facts: RunFacts;
  format: OutputFormat;
  keepFailed: boolean;
  allowModelChange: boolean;
  /** Called before the first document that is to be done, with the model of those before it, and their end in the inputs. */
  onFirst: (model: string | undefined, read: number) => Promise<void>;
  onWait: (sentence: string) => void;
}

/** A file that is open for writing. */
interface Target {
  fd: number;
  inPart: boolean;
  /** It has no header yet. */
  isEmpty: boolean;
}

/**
 * A file that grows by whole records, in the order of the inputs, so that it is resumed where it ends. Records of failed
 * documents that are done again gather in `OUT.part`. Once all are there they take their places, in a new file that takes
 * the old one's place.
 */
export class OutputFile {
  /** What an earlier run did and this one keeps. */
  readonly before = { documents: 0, failed: 0 };
  /** Of the last record that names one. */
  model: string | undefined;
  /** What of the file, and of `OUT.part`, is whole, in bytes. */
  #end = 0;
  #partEnd = 0;
  /** Which of the two is written to, once one is: `OUT.part` first. */
  #target: Target | undefined;

  /** @param isOurs whether the file was not there before */
  private constructor(
    private readonly path: string,
    private readonly options: OutputOptions,
    private readonly lock: Lock,
    private readonly isOurs: boolean,
  ) {}

  /** @throws {OutputError} when it cannot be written, is of another run, or another process writes to it */
  static async open(out: string, options: OutputOptions): Promise<OutputFile> {
    try {
      return await OutputFile.#open(out, options);
    } catch (error) {
      throw unusable(out, error);
    }
  }

  static async #open(out: string, options: OutputOptions): Promise<OutputFile> {
    const found = fs.statSync(out, { throwIfNoEntry: false });
    if (out === '-' || (found && !found.isFile())) {
      throw new OutputError(`${out} is not a plain file; leave --out away to write to standard output`);
    }
    const entry = fs.lstatSync(out, { throwIfNoEntry: false });
    // What a link leads to is replaced, not the link.
    const path = found && entry?.isSymbolicLink() ? fs.realpathSync(out) : out;
    const onWait = (holder: string) =>
      options.onWait(`${out} was left by ${holder}; looking for up to 20 s whether it still runs`);
    const lock = await Lock.take(`${path}.lock`, onWait);
    if (typeof lock === 'string') {
      throw new OutputError(`${lock} writes to ${out}; wait for it, or name another file with --out`);
    }
    try {
      const run = readRun(`${path}.run`);
      const isBegun = fs.statSync(path, { throwIfNoEntry: false })?.size; // by now: we may have waited for the lock
      const different = run && isBegun ? firstDifference(run, options.facts) : undefined;
      if (different) {
        throw new OutputError(
          `${out} is of another run: ${different}; run it as before, or name another file with --out`,
        );
      }
      fs.closeSync(fs.openSync(path, 'a'));
      if (!run || !isBegun) writeRun(`${path}.run`, options.facts);
      return new OutputFile(path, options, lock, entry === undefined);
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  /** What of the inputs is to be done. */
  async *todo(entries: AsyncGenerator<Entry, void, undefined>): AsyncGenerator<Todo, void, undefined> {
    const { format, keepFailed, onFirst } = this.options;
    let read = 0;
    let anyToDo = false;
    for await (const { entry, done, again } of compare(this.path, format, entries, keepFailed)) {
      if (done) {
        this.#end = done.end;
        this.#partEnd = done.partEnd;
      }
      if (done && !again) {
        const { model, error } = done.record;
        this.before.documents++;
        if (error) this.before.failed++;
        // What is done again may be by another model than what stands behind it.
        if (anyToDo || done.partEnd > 0) this.#expectModel(model, this.model);
        if (!anyToDo) read = entry.read;
        this.model = model ?? this.model;
        continue;
      }
      if (!anyToDo) await onFirst(this.model, read);
      anyToDo = true;
      yield { ...entry, again };
    }
  }

  /**
   * Returns when the operating system has it: what this process does later, kill -9 included, cannot undo it. A power cut
   * can, until the run has ended; then the next one does again what is missing.
   */
  async write(record: OutputRecord, again = false): Promise<void> {
    this.#expectModel(this.model, record.model);
    this.model = record.model ?? this.model;
    const { header, toText } = this.options.format;
    await this.#use(async () => {
      const target = await this.#openFor(again);
      const bytes = Buffer.from((target.isEmpty ? header : '') + toText(record));
      target.isEmpty = false;
      for (let at = 0; at < bytes.length; ) at += fs.writeSync(target.fd, bytes, at);
    });
  }

  /**
   * @param documents that all inputs have, when the run has come to their end; when it has not, what was not there before
   *   and nothing was written to goes away
   */
  async close(documents?: number): Promise<void> {
    const { path, isOurs } = this;
    try {
      await this.#use(async () => {
        if (documents !== undefined) await this.#openFor(false);
        if (this.#target) fs.fsyncSync(this.#target.fd);
        if (documents !== undefined) writeRun(`${path}.run`, { ...this.options.facts, documents });
      });
    } finally {
      if (this.#target) fs.closeSync(this.#target.fd);
      const isEmpty = fs.statSync(path, { throwIfNoEntry: false })?.size === 0;
      if (documents === undefined && isEmpty && this.lock.held) {
        fs.rmSync(`${path}.run`, { force: true });
        if (isOurs) fs.rmSync(path);
      }
      this.lock.release();
    }
  }

  /** Cuts off what is torn at its end. @param again whether a document is done again */
  async #openFor(again: boolean): Promise<Target> {
    if (!this.lock.held) {
      throw new OutputError(`another process writes to ${this.path} now, for this one stood still for too long`);
    }
    if (this.#target?.inPart === again) return this.#target;
    if (this.#target) fs.closeSync(this.#target.fd);
    this.#target = undefined;
    if (!again) await this.#mend();
    const fd = fs.openSync(again ? partOf(this.path) : this.path, 'a', fs.statSync(this.path).mode);
    const target: Target = { fd, inPart: again, isEmpty: false };
    this.#target = target;
    const end = again ? this.#partEnd : this.#end;
    if (end < fs.fstatSync(fd).size) fs.ftruncateSync(fd, end);
    target.isEmpty = fs.fstatSync(fd).size === 0;
    return target;
  }

  /** Puts the records in `OUT.part` into their places. */
  async #mend(): Promise<void> {
    const part = partOf(this.path);
    if (!fs.existsSync(part)) return;
    const { format } = this.options;
    const { path } = this;
    async function* text() {
      yield format.header;
      for await (const { record } of readDone(path, format)) yield format.toText(record);
    }
    this.#end = await rewrite(path, `${part}.new`, text(), fs.statSync(path).mode);
    fs.rmSync(part);
  }

  /** An output holds one model's entities. */
  #expectModel(before: string | undefined, now: string | undefined): void {
    if (before !== undefined && now !== undefined && before !== now && !this.options.allowModelChange) {
      throw modelChanged(this.path, before, now);
    }
  }

  async #use(action: () => Promise<void>): Promise<void> {
    try {
      await action();
    } catch (error) {
      throw unusable(this.path, error);
    }
  }
}

/** Standard output. Never resumed. */
export class OutputStream {
  readonly before = { documents: 0, failed: 0 };
  model: string | undefined;
  #header: string;

  constructor(private readonly format: OutputFormat) {
    this.#header = format.header;
    // write() tells the same error to whoever waits for it.
    process.stdout.removeAllListeners('error').on('error', () => {});
  }

  todo(entries: AsyncGenerator<Entry, void, undefined>): AsyncGenerator<Todo, void, undefined> {
    return entries;
  }

  async write(record: OutputRecord): Promise<void> {
    const text = this.#header + this.format.toText(record);
    this.#header = '';
    this.model = record.model ?? this.model;
    await new Promise<void>((resolve, reject) => {
      process.stdout.write(text, (error) => (error ? reject(unusable('standard output', error)) : resolve()));
    });
  }

  async close(): Promise<void> {}
}
