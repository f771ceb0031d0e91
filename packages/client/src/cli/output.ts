import * as fs from 'node:fs';
import type { Entry } from '../files/entries.js';
import type { OutputFormat } from './jsonl.js';
import { Lock } from './lock.js';
import { modelChanged, OutputError, type OutputRecord, unusable } from './record.js';
import { compare, partOf } from './resume.js';
import { firstDifference, type RunFacts, readRun, writeRun } from './run-file.js';

/** A document to do, or to copy what is known of it. */
export type Todo = Entry & { kept?: OutputRecord };

export interface OutputOptions {
  facts: RunFacts;
  format: OutputFormat;
  keepFailed: boolean;
  allowModelChange: boolean;
  /** Called before the first document that is to be done, with the model of those before it, and their end in the inputs. */
  onFirst: (model: string | undefined, read: number) => Promise<void>;
  /** Called before a wait. */
  onWait: (sentence: string) => void;
}

/**
 * A file that grows by whole records, in the order of the inputs, so that it is resumed where it ends. Failed documents are
 * done again into `OUT.part`, which holds all that came before them too, and takes the file's place once it is as long.
 */
export class OutputFile {
  /** What an earlier run did and this one keeps. */
  readonly before = { documents: 0, failed: 0 };
  readonly #path: string;
  readonly #options: OutputOptions;
  readonly #lock: Lock;
  /** Whether the file was not there before. */
  readonly #isOurs: boolean;
  #fd: number;
  #size: number;
  /** Writes go to `OUT.part`. */
  #inPart: boolean;
  /** Whether this run has added nothing to it. */
  #partIsEmpty = false;
  /** Records of the file that were given out and not yet written to `OUT.part`. */
  #owed = 0;
  /** Whether all records of the file were given out. */
  #allRead = false;
  #model: string | undefined;

  private constructor(path: string, options: OutputOptions, lock: Lock, isOurs: boolean) {
    this.#path = path;
    this.#options = options;
    this.#lock = lock;
    this.#isOurs = isOurs;
    this.#inPart = fs.existsSync(partOf(path));
    this.#fd = fs.openSync(this.#inPart ? partOf(path) : path, 'a');
    this.#size = fs.fstatSync(this.#fd).size;
  }

  /** @throws {OutputError} when it cannot be written, is of another run, or another process writes to it */
  static async open(out: string, options: OutputOptions): Promise<OutputFile> {
    const found = fs.statSync(out, { throwIfNoEntry: false });
    if (found && !found.isFile()) {
      throw new OutputError(`${out} is not a plain file; leave --out away to write to standard output`);
    }
    const entry = fs.lstatSync(out, { throwIfNoEntry: false });
    const isOurs = entry === undefined;
    // What a link leads to is replaced, not the link.
    const path = found && entry?.isSymbolicLink() ? fs.realpathSync(out) : out;
    let lock: Lock | string;
    try {
      lock = await Lock.take(`${path}.lock`, (holder) => {
        options.onWait(`${out} was left by ${holder}; looking for up to 20 s whether it still runs`);
      });
    } catch (error) {
      throw unusable(out, error);
    }
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
      const file = new OutputFile(path, options, lock, isOurs);
      if (!run || !isBegun) writeRun(`${path}.run`, options.facts);
      return file;
    } catch (error) {
      lock.release();
      throw error instanceof OutputError ? error : unusable(out, error);
    }
  }

  /** Of the last record that names one. */
  get model(): string | undefined {
    return this.#model;
  }

  /** What of the inputs is to be done, and what is to be copied on the way. */
  async *todo(entries: AsyncGenerator<Entry, void, undefined>): AsyncGenerator<Todo, void, undefined> {
    const { format, keepFailed, onFirst } = this.#options;
    let end = 0;
    let read = 0;
    let writing = false;
    let anyToDo = false;
    for await (const { entry, done } of compare(this.#path, format, entries, keepFailed)) {
      const kept = done?.again ? undefined : done?.record;
      if (kept) {
        this.before.documents++;
        if (kept.error) this.before.failed++;
      }
      if (kept && done && !writing && done.inPart === this.#inPart) {
        end = done.end;
        read = entry.read;
        this.#model = kept.model ?? this.#model;
        continue;
      }
      if (!kept && !anyToDo) {
        anyToDo = true;
        await onFirst(this.#model, read);
      }
      if (!writing) this.#begin(end, done !== undefined);
      writing = true;
      if (done) this.#owed++;
      else this.#onAllRead();
      yield kept ? { ...entry, kept } : entry;
    }
    if (!writing) this.#begin(end, false);
    this.#onAllRead();
  }

  /**
   * Returns when the operating system has it: what this process does later, kill -9 included, cannot undo it. A power cut
   * can, until the run has ended; then the next one does again what is missing.
   */
  write(record: OutputRecord): void {
    this.#expectModel(record.model);
    if (!this.#lock.held) {
      throw new OutputError(`another process writes to ${this.#path} now, for this one stood still for too long`);
    }
    const { header, toText } = this.#options.format;
    const bytes = Buffer.from((this.#size === 0 ? header : '') + toText(record));
    this.#do(() => {
      for (let at = 0; at < bytes.length; ) at += fs.writeSync(this.#fd, bytes, at);
    });
    this.#size += bytes.length;
    this.#partIsEmpty = false;
    if (this.#owed > 0) this.#owed--;
    if (this.#allRead) this.#replace();
  }

  /**
   * @param documents that all inputs have, when the run has come to their end; when it has not, what was not there before
   *   and nothing was written to goes away
   */
  async close(documents?: number): Promise<void> {
    const { facts } = this.#options;
    try {
      this.#do(() => fs.fsyncSync(this.#fd));
      if (documents !== undefined) writeRun(`${this.#path}.run`, { ...facts, documents });
    } finally {
      fs.closeSync(this.#fd);
      if (this.#inPart && this.#partIsEmpty) fs.rmSync(partOf(this.#path));
      else if (this.#size === 0 && documents === undefined) {
        fs.rmSync(`${this.#path}.run`, { force: true });
        if (this.#isOurs) fs.rmSync(this.#path, { force: true });
      }
      this.#lock.release();
    }
  }

  /** Leaves of the file what stays as it is, or, when records that follow are to change, copies that. */
  #begin(end: number, recordsFollow: boolean): void {
    this.#do(() => {
      if (recordsFollow && !this.#inPart) {
        const part = partOf(this.#path);
        fs.closeSync(this.#fd);
        fs.copyFileSync(this.#path, `${part}.new`);
        fs.truncateSync(`${part}.new`, end);
        fs.renameSync(`${part}.new`, part);
        this.#fd = fs.openSync(part, 'a');
        this.#inPart = this.#partIsEmpty = true;
      }
      if (end < fs.fstatSync(this.#fd).size) fs.ftruncateSync(this.#fd, end);
    });
    this.#size = end;
  }

  #onAllRead(): void {
    this.#allRead = true;
    this.#replace();
  }

  /** Once `OUT.part` has all that the file has. */
  #replace(): void {
    if (!this.#inPart || this.#owed > 0) return;
    this.#do(() => {
      fs.fsyncSync(this.#fd);
      fs.renameSync(partOf(this.#path), this.#path);
    });
    this.#inPart = false;
  }

  /** An output holds one model's entities. */
  #expectModel(found: string | undefined): void {
    if (found !== undefined && this.#model !== undefined && found !== this.#model && !this.#options.allowModelChange) {
      throw modelChanged(this.#path, this.#model, found);
    }
    this.#model = found ?? this.#model;
  }

  #do(action: () => void): void {
    try {
      action();
    } catch (error) {
      throw unusable(this.#path, error);
    }
  }
}
