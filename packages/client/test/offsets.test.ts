import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { codePointLength, toUtf16 } from '../src/offsets.js';
import type { WireEntity } from '../src/wire.js';

/** A text in UTF-16 units of any kind, lone halves of pairs included. */
const units = fc
  .array(fc.oneof(fc.integer({ min: 0, max: 0xffff }), fc.integer({ min: 0xd7ff, max: 0xe000 })), { maxLength: 12 })
  .map((codes) => String.fromCharCode(...codes));

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

  it('hold for any text, well-formed or not', () => {
    const run = fc.oneof(fc.string({ unit: 'binary', maxLength: 12 }), fc.string({ maxLength: 12 }), units);
    fc.assert(
      fc.property(fc.array(run, { maxLength: 12 }), (runs) => {
        // What is sent is well-formed; where two runs together make a pair, it is one code point.
        const text = runs.join('');
        const sent = text.toWellFormed();
        const points = [...sent];
        expect(codePointLength(text)).toBe(points.length);
        expect(sent.length).toBe(text.length);
        const cutAt = runs.map((run) => [...run].length);
        const found: WireEntity[] = [];
        for (let at = 0, i = 0; at < points.length; at += cutAt[i++] || 1) {
          const part = points.slice(at, at + (cutAt[i] || 1)).join('');
          if (i % 2) found.push({ text: part, label: 'X', start_char: at, end_char: at + [...part].length });
        }
        const entities = toUtf16(text, found);
        expect(entities.map(({ text }) => text.toWellFormed())).toEqual(found.map(({ text }) => text));
        for (const { start, end, text: name } of entities) expect(text.slice(start, end)).toBe(name);
      }),
      { numRuns: 1000 },
    );
  });

  it('lead to the text of the caller, not to what was sent in its place', () => {
    const entity = { text: 'A\ufffda', label: 'X', start_char: 2, end_char: 5 };
    expect(toUtf16('😀 A\ud83da', [entity])).toEqual([{ text: 'A\ud83da', label: 'X', start: 3, end: 6 }]);
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
