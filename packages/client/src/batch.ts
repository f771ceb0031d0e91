import { DocumentError, type NerError } from './errors.js';
import { codePointLength } from './offsets.js';
import { MAX_TEXT_CODE_POINTS } from './wire.js';

// Well under the limits: answers come back sooner, several execution environments share the work, and a request that
// fails takes fewer documents with it. However a text is escaped, a character is 6 bytes at most, so the body fits too.
export const TARGET_TEXTS = 100;
export const TARGET_CODE_POINTS = 50_000;

/** A document on its way to the service. */
export interface Item<D> {
  index: number;
  document: D;
  text: string;
  /** The text as a JSON string. */
  json: string;
  codePoints: number;
  /** Why it is not sent; the text is empty then. */
  error: NerError | undefined;
}

/** Checks one document against what the service takes. */
export function prepare<D>(index: number, document: D, select: (document: D) => unknown): Item<D> {
  const refuse = (code: string, message: string, cause?: unknown): Item<D> => {
    const error = new DocumentError(code, message, cause === undefined ? {} : { cause });
    return { index, document, text: '', json: '', codePoints: 0, error };
  };
  let text: unknown;
  try {
    text = select(document);
  } catch (cause) {
    return refuse('invalid_text', 'the text selector threw for this document', cause);
  }
  if (typeof text !== 'string') {
    return refuse('invalid_text', `the text is ${text === null ? 'null' : typeof text}, not a string`);
  }
  if (/\p{Surrogate}/u.test(text)) {
    return refuse('ill_formed_text', 'the text holds half of a surrogate pair; text.toWellFormed() replaces it');
  }
  const codePoints = codePointLength(text);
  if (codePoints > MAX_TEXT_CODE_POINTS) {
    return refuse(
      'too_large',
      `the text has ${codePoints} characters and a text may have ${MAX_TEXT_CODE_POINTS}; cut it`,
    );
  }
  return { index, document, text, json: JSON.stringify(text), codePoints, error: undefined };
}

/**
 * Groups documents into requests. One leaves when it is full or the source has ended.
 *
 * An error of the source comes after everything that was read before it.
 *
 * @param signal stops reading between two documents
 */
export async function* fill<D>(
  source: Iterable<D> | AsyncIterable<D>,
  select: (document: D) => unknown,
  signal: AbortSignal,
): AsyncGenerator<Item<D>[], void, undefined> {
  let batch: Item<D>[] = [];
  let codePoints = 0;
  let index = 0;
  const take = () => {
    const full = batch;
    batch = [];
    codePoints = 0;
    return full;
  };
  try {
    for await (const document of source) {
      if (signal.aborted) return;
      const item = prepare(index++, document, select);
      if (batch.length > 0 && codePoints + item.codePoints > TARGET_CODE_POINTS) yield take();
      batch.push(item);
      codePoints += item.codePoints;
      if (batch.length === TARGET_TEXTS) yield take();
    }
  } catch (error) {
    if (batch.length > 0) yield take();
    throw error;
  }
  if (batch.length > 0) yield take();
}
