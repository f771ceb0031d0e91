import type { Document } from './document.js';
import type { Text } from './text.js';
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
  /** What is added to each of its requests. */
  readonly headers: Record<string, string>;
  readonly #owner: QueueOwner;
  /** Whether the service is asked what a request may hold, before the first. */
  asksLimits = false;
  /** What there is leaves, full or not: nothing more is waited for. */
  flush = false;
  /** Grows with each document, and when one is asked for after a break. */
  stirs = 0;
  /** Whether it is being waited for what comes. */
  lingers = false;
  #stopped = false;
  /** Those that came back undone, and the one that did not fit last time. */
  readonly #texts: Text[] = [];
  readonly #documents: Document<unknown>[] = [];
  #size = 0;

  constructor(headers: Record<string, string>, owner: QueueOwner) {
    this.headers = headers;
    this.#owner = owner;
  }

  /** Whether somebody waits for what comes of it. */
  get awaited(): boolean {
    return !this.empty || this.#owner.awaits();
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  /** Whether more may come. */
  get grows(): boolean {
    return this.#owner.grows();
  }

  /** Whether a request leaves that holds `size` characters when it is full. */
  ready(size: number): boolean {
    return !this.empty && (this.#size >= size || this.flush || !this.grows);
  }

  /** Nothing has come for a while; unless nothing was wanted. */
  dry(): void {
    if (this.grows) this.flush = true;
  }

  changed(): void {
    this.#owner.onChange();
  }

  /** Nothing more of it is sent. */
  stop(error: unknown): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#texts.length = 0;
    this.#documents.length = 0;
    this.#size = 0;
    this.#owner.onStop(error);
  }

  /** How much work waits, in characters, roughly: the texts of a document that is cut overlap. */
  get size(): number {
    return this.#size;
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
    this.#size += document.size;
  }

  /** Texts that came back undone: they go first. */
  putBack(texts: Text[]): void {
    if (this.#stopped) return;
    this.#texts.unshift(...texts);
    for (const { size } of texts) this.#size += size;
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
    if (this.empty) this.#size = 0;
    return texts;
  }

  #drop(work: { size: number } | undefined): void {
    this.#size = Math.max(0, this.#size - (work?.size ?? 0));
  }

  #peek(limits: Limits): Text | undefined {
    while (!this.empty && this.#texts.length === 0) {
      const text = this.#documents[0]?.next(limits);
      const parts = text && text.bytes + BODY_AROUND_TEXTS > limits.max_body_bytes ? text.cut() : [];
      if (!text) this.#documents.shift();
      else if (parts.length > 0) this.#texts.push(...parts);
      else this.#texts.push(text);
    }
    return this.#texts[0];
  }
}
