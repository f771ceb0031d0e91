import { cut, merge, type Piece } from './chunk.js';
import { DocumentError, NerError } from './errors.js';
import { type Entity, toUtf16 } from './offsets.js';
import { type Model, type Result, serviceCode } from './wire.js';

/** What the service said of one text. */
export interface Found {
  result: Result;
  model: Model;
}

// A text costs the service some time besides that for its characters: about as much as so many of them.
export const COST_OF_A_TEXT = 100;

/** What wants to know what a text, or all pieces of one, gave. */
export interface Owner {
  /** Whether it needs nothing more. */
  readonly over: boolean;
  found(entities: Entity[], model: Model): void;
  fail(error: NerError): void;
}

// A text has at least so many UTF-16 units to be cut again: pieces of it are shorter.
const LEAST_CUT = 3000;
const TOO_MUCH = new Set(['too_large', 'deadline_exceeded', 'response_too_large']);

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

  /** Whether its document needs it no longer. */
  get over(): boolean {
    return this.#pieces.over;
  }

  /** Shorter texts in its place; none when it is short. */
  cut(): Text[] {
    if (this.#own.length < LEAST_CUT) return [];
    return new Pieces(this.#own, Math.floor(this.#own.length / 5), this).rest();
  }

  /** @returns where it was too much by itself, and can be cut, what is to be sent in its place: it is not settled then */
  settle(said: Found | NerError): Text[] {
    const code = said instanceof NerError ? said.code : 'code' in said.result ? said.result.code : '';
    const tooMuch = TOO_MUCH.has(code) || (said instanceof NerError && said.status === 413);
    const parts = tooMuch ? this.cut() : [];
    if (parts.length === 0) this.#settle(said);
    return parts;
  }

  found(entities: Entity[], model: Model): void {
    this.#pieces.found(this.#number, entities, model);
  }

  fail(error: NerError): void {
    this.#pieces.fail(error);
  }

  #settle(said: Found | NerError): void {
    try {
      if (said instanceof NerError) throw said;
      if ('error' in said.result) throw refused(said.result);
      this.found(toUtf16(this.#own, said.result.entities), said.model);
    } catch (error) {
      if (!(error instanceof NerError)) throw error;
      this.fail(error);
    }
  }
}

function refused({ error, code }: { error: string; code: string }): DocumentError {
  const known = serviceCode(code);
  return new DocumentError(known ?? 'refused', known ? error : `${error} (${code.slice(0, 60)})`);
}

/** The pieces of a text, which are sent as texts. */
export class Pieces {
  readonly #text: string;
  readonly #owner: Owner;
  readonly #pieces: Piece[];
  readonly #found: Entity[][] = [];
  #next = 0;
  #missing: number;

  constructor(text: string, target: number, owner: Owner) {
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
