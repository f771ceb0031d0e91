// Every parser in TypeScript with damaged input, a few seconds in all; `npm run bench -- fuzz` runs each for minutes.
import { describe, expect, test } from 'vitest';
import { type Fuzzed, fuzz, type Parser } from './fuzz/fuzz.js';
import { PARSERS } from './fuzz/parsers.js';

const times = (rounds: number) => () => rounds-- > 0;

describe('gives a value or its own error', () => {
  test.each(Object.keys(PARSERS))('%s', async (name) => {
    const parser = (await PARSERS[name]?.()) as Parser;
    const { found } = await fuzz(parser, 1, times(name === 'gateway' ? 1 : 2));
    await parser.close?.();
    expect(found).toBeNull();
  });
});

describe('a parser that is broken is found', () => {
  const broken = (parse: Parser['parse']): Promise<Fuzzed> =>
    fuzz({ inputs: [Buffer.from('{"text":"Ada"}')], words: ['"__proto__":{"a":1},'], parse }, 1, times(20));

  test('by what it throws, in the smallest input', async () => {
    const { found, input } = await broken((bytes) => JSON.parse(bytes.toString()));
    expect(found).toContain('SyntaxError');
    expect(input?.length).toBeLessThan(15);
  });

  test('by what it leaves behind', async () => {
    const { found } = await broken(() => Object.assign(Object.prototype, { polluted: 1 }));
    Reflect.deleteProperty(Object.prototype, 'polluted');
    expect(found).toContain('Object.prototype has polluted now');
  });
});
