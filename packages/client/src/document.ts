import { cut, merge, type Piece } from './chunk.js';
import { DocumentError, NerError } from './errors.js';
import { type Entity, toUtf16 } from './offsets.js';
import { type Model, type Result, serviceCode } from './wire.js';

/** What became of one document. `index` counts the source's documents from 0. */
export type Outcome<D> =
  | {
      ok: true;
      index: number;
      document: D;
      entities: Entity[];
      /** Which model found them; undefined for an empty text, which is never sent. */
      model: Model | undefined;
    }
  | { ok: false; index: number; document: D; error: NerError };

export interface DocumentOptions<D> {
  text: (document: D) => unknown;
  illFormed: 'replace' | 'reject';
  labels: ReadonlySet<string> | undefined;
}

/** What the service said of one text. */
export interface Found {
  result: Result;
  model: Model;
}

// A text costs the service some time besides that for its characters: about as much as so many of them.
export const COST_OF_A_TEXT = 100;

/** One text of a request: a document's whole text, or a piece of it. */
export class Text {
  /** What is sent, as JSON. */
  readonly json: string;
  readonly bytes: number;
  /** How often it was sent for nothing. */
  tries = 0;
  readonly #document: Document<unknown>;
  readonly #number: number;
  readonly #own: string;

  constructor(document: Document<unknown>, number: number, own: string) {
    this.#document = document;
    this.#number = number;
    this.#own = own;
    this.json = JSON.stringify(own.toWellFormed());
    this.bytes = Buffer.byteLength(this.json);
  }

  /** UTF-16 units: never less than code points. */
  get length(): number {
    return this.#own.length;
  }

  /** How much work it is, in characters. */
  get size(): number {
    return this.length + COST_OF_A_TEXT;
  }

  /** Whether its document still needs it. */
  get needed(): boolean {
    return !this.#document.over;
  }

  settle(found: Found | NerError): void {
    const error = found instanceof NerError ? found : this.#read(found);
    if (error) this.#document.fail(error);
  }

  #read({ result, model }: Found): NerError | undefined {
    if ('error' in result) {
      const code = serviceCode(result.code);
      return new DocumentError(
        code ?? 'refused',
        code ? result.error : `${result.error} (${result.code.slice(0, 60)})`,
      );
    }
    try {
      this.#document.found(this.#number, toUtf16(this.#own, result.entities), model);
      return undefined;
    } catch (error) {
      if (error instanceof NerError) return error;
      throw error;
    }
  }
}

/** A document on its way to the service and back. */
export class Document<D> {
  readonly index: number;
  /** How much work it is, in characters. */
  readonly size: number;
  readonly #document: D;
  readonly #text: string;
  readonly #labels: ReadonlySet<string> | undefined;
  readonly #onSettled: (document: Document<D>) => void;
  readonly #found: Entity[][] = [];
  #pieces: Piece[] | undefined;
  #next = 0;
  #missing = 0;
  #dropped = false;
  #outcome: Outcome<D> | undefined;

  /** @param onSettled called once the outcome is known, which may be at once */
  constructor(index: number, document: D, options: DocumentOptions<D>, onSettled: (document: Document<D>) => void) {
    this.index = index;
    this.#document = document;
    this.#labels = options.labels;
    this.#onSettled = onSettled;
    const text = checkedText(document, options);
    this.#text = typeof text === 'string' ? text : '';
    this.size = this.#text.length + COST_OF_A_TEXT;
    if (typeof text !== 'string') this.fail(text);
    else if (text === '') this.#settle([], undefined);
  }

  /** What became of it, once that is known. */
  get outcome(): Outcome<D> | undefined {
    return this.#outcome;
  }

  /** Whether nothing more is to be done for it. */
  get over(): boolean {
    return this.#dropped || this.#outcome !== undefined;
  }

  /** Nobody wants its outcome any more: it gets none. */
  drop(): void {
    this.#dropped = true;
  }

  /**
   * The next text of it to be sent; undefined when there is none left, or none is needed.
   *
   * @param maxText code points that a text may have
   */
  next(maxText: number): Text | undefined {
    if (this.over) return undefined;
    if (!this.#pieces) {
      // A piece has three times the target at most.
      this.#pieces = cut(this.#text, { target: Math.min(10_000, Math.floor(maxText / 3)) });
      this.#missing = this.#pieces.length;
    }
    const piece = this.#pieces[this.#next];
    return piece && new Text(this as Document<unknown>, this.#next++, this.#text.slice(piece.start, piece.end));
  }

  /** @param number which of its texts, from 0 */
  found(number: number, entities: Entity[], model: Model): void {
    if (this.over) return;
    this.#found[number] = entities;
    if (--this.#missing > 0) return;
    const merged = merge(this.#text, this.#pieces ?? [], this.#found);
    this.#settle(this.#labels ? merged.filter(({ label }) => this.#labels?.has(label)) : merged, model);
  }

  fail(error: NerError): void {
    if (this.over) return;
    this.#outcome = { ok: false, index: this.index, document: this.#document, error };
    this.#onSettled(this);
  }

  #settle(entities: Entity[], model: Model | undefined): void {
    if (this.over) return;
    this.#outcome = { ok: true, index: this.index, document: this.#document, entities, model };
    this.#onSettled(this);
  }
}

function checkedText<D>(document: D, { text: select, illFormed }: DocumentOptions<D>): string | DocumentError {
  let text: unknown;
  try {
    text = select(document);
  } catch (cause) {
    return new DocumentError('invalid_text', 'the text selector threw for this document', { cause });
  }
  if (typeof text !== 'string') {
    return new DocumentError('invalid_text', `the text is ${text === null ? 'null' : typeof text}, not a string`);
  }
  if (illFormed === 'reject' && !text.isWellFormed()) {
    return new DocumentError(
      'ill_formed_text',
      "the text holds half of a surrogate pair; illFormed: 'replace' mends it",
    );
  }
  return text;
}
