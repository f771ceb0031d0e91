import { DocumentError, type NerError } from './errors.js';
import type { Entity } from './offsets.js';
import { COST_OF_A_TEXT, type Owner, Pieces, type Text } from './text.js';
import type { Limits, Model } from './wire.js';

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
    // What the service takes whole is not cut: a UTF-16 unit has three bytes at most in all but odd texts, which the queue
    // cuts again. A piece has three times the target at most, and little besides the target in all but odd texts.
    const whole = this.#text.length <= Math.min(max_text_characters, max_body_bytes / 3);
    const target = whole ? this.#text.length + 1 : Math.floor(Math.min(max_text_characters / 4, max_body_bytes / 5));
    this.#pieces ??= new Pieces(this.#text, target, this);
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
