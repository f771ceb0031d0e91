import type { Document, Text } from './document.js';
import type { Limits } from './wire.js';

// {"texts":[…]}
const BODY_AROUND_TEXTS = 12;

export interface QueueOwner {
  /** Called when a request with texts of the queue has begun or ended. */
  onChange(): void;
  /** Called, once, with what ends every call. */
  onStop(error: unknown): void;
  /** Whether somebody waits for an outcome, though nothing waits to be sent. */
  awaits(): boolean;
  /** Whether more documents are wanted and may come. */
  grows(): boolean;
}

/** Texts that wait to be sent, of callers that share requests. */
export class Queue {
  /** Whether the service is asked what a request may hold, before the first. */
  asksLimits = false;
  /** What there is leaves, full or not: nothing more is waited for. */
  flush = false;
  /** Grows with each document, and when one is asked for after a break. */
  stirs = 0;
  /** Whether it is being waited for what comes. */
  lingers = false;
  stopped = false;
  /** How much work waits, in characters, roughly: the texts of a document that is cut overlap. */
  size = 0;
  /** Those that came back undone, the one that did not fit last time, and the rest of its document. */
  readonly #texts: Text[] = [];
  readonly #documents: Document<unknown>[] = [];

  /** @param headers added to each of its requests */
  constructor(
    readonly headers: Record<string, string>,
    readonly owner: QueueOwner,
  ) {}

  /** Whether somebody waits for what comes of it. */
  get awaited(): boolean {
    return !this.empty || this.owner.awaits();
  }

  /** Whether a request leaves that holds `size` characters when it is full. */
  ready(size: number): boolean {
    return !this.empty && (this.size >= size || this.flush || !this.owner.grows());
  }

  stop(error: unknown): void {
    if (this.stopped) return;
    this.stopped = true;
    this.#texts.length = this.#documents.length = this.size = 0;
    this.owner.onStop(error);
  }

  /** True when no document needs anything sent. */
  get empty(): boolean {
    while (this.#texts[0]?.over) this.#drop(this.#texts.shift());
    while (this.#texts.length === 0 && this.#documents[0]?.over) this.#drop(this.#documents.shift());
    return this.#texts.length === 0 && this.#documents.length === 0;
  }

  add(document: Document<unknown>): void {
    this.#documents.push(document);
    this.stirs++;
    this.size += document.size;
  }

  /** Texts that came back undone: they go first. */
  putBack(texts: Text[]): void {
    if (this.stopped) return;
    this.#texts.unshift(...texts);
    for (const { size } of texts) this.size += size;
  }

  /** Takes the texts of one request: at least one if there is one, up to `size` characters of work and to the limits. */
  take(size: number, limits: Limits): Text[] {
    const texts: Text[] = [];
    let left = size;
    let length = 0;
    let bytes = BODY_AROUND_TEXTS;
    for (let text = this.#peek(limits); text; text = this.#peek(limits)) {
      left -= text.size;
      length += text.length;
      bytes += text.bytes + 1;
      const full =
        left < 0 ||
        length > limits.max_characters ||
        bytes > limits.max_body_bytes ||
        texts.length === limits.max_texts;
      if (full && texts.length > 0) break;
      texts.push(text);
      this.#drop(this.#texts.shift());
    }
    if (this.empty) this.size = 0;
    return texts;
  }

  #drop(work: { size: number } | undefined): void {
    this.size = Math.max(0, this.size - (work?.size ?? 0));
  }

  #peek(limits: Limits): Text | undefined {
    while (!this.empty) {
      const [text] = this.#texts;
      if (!text) {
        for (const first of this.#documents.shift()?.texts(limits) ?? []) this.#texts.push(first);
        continue;
      }
      const pieces = text.bytes + BODY_AROUND_TEXTS > limits.max_body_bytes ? text.shorter() : [];
      if (pieces.length === 0) return text;
      this.#texts.splice(0, 1, ...pieces);
    }
    return undefined;
  }
}
