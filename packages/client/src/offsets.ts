import { ProtocolError } from './errors.js';
import type { WireEntity } from './wire.js';

/** A named entity. `text.slice(start, end) === entity.text` holds for the text it was found in. */
export interface Entity {
  text: string;
  /** The model's label, e.g. `PERSON`. */
  label: string;
  /** First UTF-16 code unit. */
  start: number;
  /** One past the last UTF-16 code unit. */
  end: number;
}

/** How many code points a text has; a lone surrogate is one. */
export function codePointLength(text: string): number {
  let length = text.length;
  for (let i = 1; i < text.length; i++) {
    // Only the second half of a pair: most texts have no low surrogate at all.
    if ((text.charCodeAt(i) & 0xfc00) === 0xdc00 && (text.charCodeAt(i - 1) & 0xfc00) === 0xd800) length--;
  }
  return length;
}

/**
 * Turns the service's code-point offsets into UTF-16 ones, in one pass over the text.
 *
 * @param text the caller's. Where it is ill-formed, `text.toWellFormed()` was sent: U+FFFD for each lone surrogate, so
 *   that every offset stays what it was
 * @param entities in the order of the text and not overlapping, as spaCy's `doc.ents` are
 * @returns entities whose texts are slices of `text`
 * @throws {ProtocolError} when they are not in order, or when an offset does not lead to its entity's text
 */
export function toUtf16(text: string, entities: WireEntity[]): Entity[] {
  const sent = text.toWellFormed();
  let units = 0;
  let codePoints = 0;
  const advance = (target: number): number => {
    for (; codePoints < target && units < text.length; codePoints++) {
      units += (text.codePointAt(units) ?? 0) > 0xffff ? 2 : 1;
    }
    return codePoints === target ? units : -1;
  };
  return entities.map(({ text: found, label, start_char, end_char }, index) => {
    const start = advance(start_char);
    const end = advance(end_char);
    if (start < 0 || sent.slice(start, end) !== found || end !== start + found.length) {
      throw new ProtocolError(`the offsets of entity ${index} do not lead to its text`);
    }
    return { text: text.slice(start, end), label, start, end };
  });
}
