import { DocumentError, NerError } from './errors.js';
import { type Entity, toUtf16 } from './offsets.js';
import { cut, join } from './pieces.js';
import { type Limits, type Model, type Result, serviceCode } from './wire.js';

// A text costs the service some time besides that for its characters: about as much as so many of them.
const COST_OF_A_TEXT = 100;
// A text has at least so many UTF-16 units to be cut again: pieces of it are shorter.
const LEAST_CUT = 3000;
const TOO_MUCH = new Set(['too_large', 'deadline_exceeded', 'response_too_large']);

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

/** A document on its way to the service and back. */
export class Document<D> implements Owner {
  /** How much work it is, in characters. */
  readonly size: number;
  /** What became of it, once that is known. */
  outcome: Outcome<D> | undefined;
  readonly #text: string;
  #dropped = false;

  /** @param onSettled called once the outcome is known, which may be at once */
  constructor(
    readonly index: number,
    private readonly document: D,
    private readonly options: DocumentOptions<D>,
    private readonly onSettled: (document: Document<D>) => void,
  ) {
    const text = checkedText(document, options);
    this.#text = typeof text === 'string' ? text : '';
    this.size = this.#text.length + COST_OF_A_TEXT;
    if (typeof text !== 'string') this.fail(text);
    else if (text === '') this.found([], undefined);
  }

  /** Whether nothing more is to be done for it. */
  get over(): boolean {
    return this.#dropped || this.outcome !== undefined;
  }

  /** Nobody wants its outcome any more: it gets none. */
  drop(): void {
    this.#dropped = true;
  }

  /** What is to be sent of it. */
  texts({ max_text_characters, max_body_bytes }: Limits): Text[] {
    const text = new Text(this.#text, this);
    // What the service takes whole is not cut: a UTF-16 unit has three bytes at most in all but odd texts, which the queue
    // cuts again. A piece has three times the target at most, and little besides the target in all but odd texts.
    if (text.length <= Math.min(max_text_characters, max_body_bytes / 3)) return [text];
    return text.cut(Math.floor(Math.min(max_text_characters / 4, max_body_bytes / 5)));
  }

  found(entities: Entity[], model: Model | undefined): void {
    const { labels } = this.options;
    const kept = labels ? entities.filter(({ label }) => labels.has(label)) : entities;
    this.#settle({ ok: true, index: this.index, document: this.document, entities: kept, model });
  }

  fail(error: NerError): void {
    this.#settle({ ok: false, index: this.index, document: this.document, error });
  }

  #settle(outcome: Outcome<D>): void {
    if (this.over) return;
    this.outcome = outcome;
    this.onSettled(this);
  }
}

function checkedText<D>(document: D, { text: select }: DocumentOptions<D>): string | DocumentError {
  try {
    const text = select(document);
    if (typeof text === 'string') return text;
    return new DocumentError('invalid_text', `the text is ${text === null ? 'null' : typeof text}, not a string`);
  } catch (cause) {
    return new DocumentError('invalid_text', 'the text selector threw for this document', { cause });
  }
}

/** What wants to know what a text gave. */
export interface Owner {
  /** Whether it needs nothing more. */
  readonly over: boolean;
  found(entities: Entity[], model: Model): void;
  fail(error: NerError): void;
}

/** One text of a request: a document's whole text, or a piece of it. */
export class Text {
  /** How often it was sent for nothing. */
  tries = 0;
  #json: string | undefined;
  #bytes: number | undefined;

  constructor(
    private readonly text: string,
    private readonly owner: Owner,
  ) {}

  get json(): string {
    this.#json ??= JSON.stringify(this.text.toWellFormed());
    return this.#json;
  }

  get bytes(): number {
    this.#bytes ??= Buffer.byteLength(this.json);
    return this.#bytes;
  }

  /** UTF-16 units: never less than code points. */
  get length(): number {
    return this.text.length;
  }

  /** How much work it is, in characters. */
  get size(): number {
    return this.length + COST_OF_A_TEXT;
  }

  /** Whether its document needs it no longer. */
  get over(): boolean {
    return this.owner.over;
  }

  /** Texts to be sent in its place, whose entities are joined: of three times `target` UTF-16 units at most. */
  cut(target: number): Text[] {
    const { text, owner } = this;
    const pieces = cut(text, target);
    const found: Entity[][] = [];
    let missing = pieces.length;
    return pieces.map(({ start, end }, i) => {
      const ownerOfPiece: Owner = {
        get over() {
          return owner.over;
        },
        found(entities, model) {
          found[i] = entities;
          if (--missing === 0) owner.found(join(text, pieces, found), model);
        },
        fail: (error) => owner.fail(error),
      };
      return new Text(text.slice(start, end), ownerOfPiece);
    });
  }

  /** Whether it can be cut again. */
  get isLong(): boolean {
    return this.length >= LEAST_CUT;
  }

  /** Shorter texts in its place; none when it is short. */
  shorter(): Text[] {
    return this.isLong ? this.cut(Math.floor(this.length / 5)) : [];
  }

  /**
   * @param model that said it
   * @returns where it was too much by itself, and can be cut, what is to be sent in its place: it is not settled then
   */
  settle(said: Result | NerError, model?: Model): Text[] {
    const tooMuch = ('code' in said && TOO_MUCH.has(said.code)) || ('status' in said && said.status === 413);
    const pieces = tooMuch ? this.shorter() : [];
    if (pieces.length > 0) return pieces;
    try {
      if (said instanceof NerError) throw said;
      if ('error' in said) throw refused(said);
      this.owner.found(toUtf16(this.text, said.entities), model as Model);
    } catch (error) {
      if (!(error instanceof NerError)) throw error;
      this.owner.fail(error);
    }
    return [];
  }
}

function refused({ error, code }: { error: string; code: string }): DocumentError {
  const known = serviceCode(code);
  return new DocumentError(known ?? 'refused', known ? error : `${error} (${code.slice(0, 60)})`);
}
