import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { codePointLength, toUtf16 } from '../src/offsets.js';

/** Cuts a text into runs of code points and takes every second run as an entity, as the service would count it. */
function everySecond(runs: string[]) {
  let at = 0;
  return runs.flatMap((text, i) => {
    const start_char = at;
    at += [...text].length;
    return i % 2 === 1 && text !== '' ? [{ text, label: 'X', start_char, end_char: at }] : [];
  });
}

describe('offsets', () => {
  it('lead to the entity in UTF-16, whatever the script', () => {
    const text = '👩‍👩‍👧 Zoë met 王小明 and José (e\u0301) in 𝒵ürich 🇫🇷';
    const found = ['Zoë', '王小明', 'José', '𝒵ürich', '🇫🇷'].map((name) => {
      const start_char = [...text.slice(0, text.indexOf(name))].length;
      return { text: name, label: 'X', start_char, end_char: start_char + [...name].length };
    });
    const entities = toUtf16(text, found);
    expect(entities.map(({ start, end }) => text.slice(start, end))).toEqual(found.map((entity) => entity.text));
    expect(entities[0]).toEqual({ text: 'Zoë', label: 'X', start: 9, end: 12 });
  });

  it('hold for any well-formed text', () => {
    const run = fc.string({ unit: 'binary', maxLength: 12 });
    fc.assert(
      fc.property(fc.array(run, { maxLength: 12 }), (runs) => {
        const text = runs.join('');
        expect(codePointLength(text)).toBe([...text].length);
        for (const entity of toUtf16(text, everySecond(runs))) {
          expect(text.slice(entity.start, entity.end)).toBe(entity.text);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('that do not lead to the text are refused', () => {
    const refused = (...entities: [string, number, number][]) =>
      expect(() =>
        toUtf16(
          '😀 Ada and Bob',
          entities.map(([text, start_char, end_char]) => ({ text, label: 'X', start_char, end_char })),
        ),
      ).toThrow('do not lead to its text');
    refused(['Ada', 3, 6]); // counted in UTF-16
    refused(['Bob', 10, 99]); // beyond the end
    refused(['Bob', 10, 13], ['Ada', 2, 5]); // out of order
    refused(['Ada', 5, 2]);
    refused(['', 20, 20]);
  });

  it('of 100,000 entities take linear time', () => {
    const text = 'Ada 😀 '.repeat(100_000);
    const found = Array.from({ length: 100_000 }, (_, i) => ({
      text: 'Ada',
      label: 'X',
      start_char: i * 6,
      end_char: i * 6 + 3,
    }));
    const entities = toUtf16(text, found);
    expect(entities.at(-1)).toMatchObject({ start: 99_999 * 7 });
  });
});
