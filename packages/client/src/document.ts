import { cut, merge, type Piece } from './chunk.js';
import { DocumentError, NerError } from './errors.js';
import { type Entity, toUtf16 } from './offsets.js';
import { type Limits, type Model, type Result, serviceCode } from './wire.js';

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
  labels: ReadonlySet<string> | undefined;
}

/** What the service said of one text. */
export interface Found {
  result: Result;
  model: Model;
}

// A text costs the service some time besides that for its characters: about as much as so many of them.
export const COST_OF_A_TEXT = 100;

/** What wants to know what a text, or all pieces of one, gave. */
interface Owner {
  /** Whether it needs nothing more. */
  readonly over: boolean;
  found(entities: Entity[], model: Model): void;
  fail(error: NerError): void;
}

// {"texts":[""]}
const BODY_AROUND_A_TEXT = 14;
// A text has at least so many UTF-16 units to be cut again.
const LEAST_CUT = 3000;

/** One text of a request: a document's whole text, or a piece of it. */
export class Text implements Owner {
  /** What is sent, as JSON. */
  readonly json: string;
  readonly bytes: number;
  /** How often it was sent for nothing. */
  tries = 0;
  readonly #pieces: Pieces;
  readonly #number: number;
  readonly #own: string;

  constructor(pieces: Pieces, number: number, own: string) {
    this.#pieces = pieces;
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
    return !this.over;
  }

  get over(): boolean {
    return this.#pieces.over;
  }

  /** Shorter texts in its place, when it was too much by itself; none when it is short, or was cut for that before. */
  cut(): Text[] {
    if (this.#own.length < LEAST_CUT || this.#pieces.again) return [];
    // A quarter of it at most.
    return new Pieces(this.#own, Math.floor(this.#own.length / 12), this, true).rest();
  }

  settle(said: Found | NerError): void {
    if (said instanceof NerError) this.fail(said);
    else if ('error' in said.result) this.fail(refused(said.result));
    else {
      try {
        this.found(toUtf16(this.#own, said.result.entities), said.model);
      } catch (error) {
        if (!(error instanceof NerError)) throw error;
        this.fail(error);
      }
    }
  }

  found(entities: Entity[], model: Model): void {
    this.#pieces.found(this.#number, entities, model);
  }

  fail(error: NerError): void {
    this.#pieces.fail(error);
  }
}

function refused({ error, code }: { error: string; code: string }): DocumentError {
  const known = serviceCode(code);
  return new DocumentError(known ?? 'refused', known ? error : `${error} (${code.slice(0, 60)})`);
}

/** The pieces of a text, which are sent as texts. */
class Pieces {
  /** Whether they are of a text that was a piece itself. */
  readonly again: boolean;
  readonly #text: string;
  readonly #owner: Owner;
  readonly #pieces: Piece[];
  readonly #found: Entity[][] = [];
  #next = 0;
  #missing: number;

  constructor(text: string, target: number, owner: Owner, again = false) {
    this.again = again;
    this.#text = text;
    this.#owner = owner;
    this.#pieces = cut(text, { target });
    this.#missing = this.#pieces.length;
  }

  get over(): boolean {
    return this.#owner.over;
  }

  /** The next of them; undefined when there is none left. */
  next(): Text | undefined {
    const piece = this.#pieces[this.#next];
    return piece && new Text(this, this.#next++, this.#text.slice(piece.start, piece.end));
  }

  rest(): Text[] {
    const texts: Text[] = [];
    for (let text = this.next(); text; text = this.next()) texts.push(text);
    return texts;
  }

  /** @param number which of them, from 0 */
  found(number: number, entities: Entity[], model: Model): void {
    this.#found[number] = entities;
    if (--this.#missing === 0) this.#owner.found(merge(this.#text, this.#pieces, this.#found), model);
  }

  fail(error: NerError): void {
    this.#owner.fail(error);
  }
}

/** A document on its way to the service and back. */
export class Document<D> implements Owner {
  readonly index: number;
  /** How much work it is, in characters. */
  readonly size: number;
  readonly #document: D;
  readonly #text: string;
  readonly #labels: ReadonlySet<string> | undefined;
  readonly #onSettled: (document: Document<D>) => void;
  #pieces: Pieces | undefined;
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

  /** The next text of it to be sent; undefined when there is none left, or none is needed. */
  next({ max_text_characters, max_body_bytes }: Limits): Text | undefined {
    if (this.over) return undefined;
    // A piece has three times the target at most, and a UTF-16 unit up to six bytes of JSON.
    const most = Math.min(max_text_characters, max_body_bytes / 6 - BODY_AROUND_A_TEXT) / 3;
    this.#pieces ??= new Pieces(this.#text, Math.min(10_000, Math.floor(most)), this);
    return this.#pieces.next();
  }

  found(entities: Entity[], model: Model): void {
    this.#settle(this.#labels ? entities.filter(({ label }) => this.#labels?.has(label)) : entities, model);
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

function checkedText<D>(document: D, { text: select }: DocumentOptions<D>): string | DocumentError {
  let text: unknown;
  try {
    text = select(document);
  } catch (cause) {
    return new DocumentError('invalid_text', 'the text selector threw for this document', { cause });
  }
  if (typeof text !== 'string') {
    return new DocumentError('invalid_text', `the text is ${text === null ? 'null' : typeof text}, not a string`);
  }
  return text;
}
