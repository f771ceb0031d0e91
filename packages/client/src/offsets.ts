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

/** How many code points a well-formed text has. */
export function codePointLength(text: string): number {
  let length = text.length;
  for (let i = 0; i < text.length; i++) {
    // A high surrogate: the pair is one code point.
    if ((text.charCodeAt(i) & 0xfc00) === 0xd800) length--;
  }
  return length;
}

/**
 * Turns the service's code-point offsets into UTF-16 ones, in one pass over the text.
 *
 * @param text the text that was sent
 * @param entities in the order of the text and not overlapping, as spaCy's `doc.ents` are
 * @throws {ProtocolError} when they are not, or when an offset does not lead to its entity's text
 */
export function toUtf16(text: string, entities: WireEntity[]): Entity[] {
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
    if (start < 0 || text.slice(start, end) !== found || end !== start + found.length) {
      throw new ProtocolError(`the offsets of entity ${index} do not lead to its text`);
    }
    return { text: found, label, start, end };
  });
}
