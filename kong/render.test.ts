import { expect, test } from 'vitest';
import { render, trust, unquoted } from './render.mjs';

const file = 'a: 1\nkey: $' + '{{ env "DECK_KEY" }}\n';

test('a reference becomes the value of its variable', () => {
  expect(render(file, { DECK_KEY: 'abc-123_x' })).toBe('a: 1\nkey: abc-123_x\n');
});

test('a missing or empty variable is named with its line', () => {
  for (const env of [{}, { DECK_KEY: '' }]) {
    expect(() => render(file, env)).toThrow('line 2: the environment variable DECK_KEY is not set; set it');
  }
});

test('a name that decK would not read is refused', () => {
  expect(() => render(file.replace('DECK_KEY', 'API_KEY'), { API_KEY: 'x' })).toThrow(/line 2: .*DECK_, not API_KEY/);
});

test('a value that could change the meaning of the file is refused, and not shown', () => {
  for (const value of ['secret: x', 'secret\nadmin: true', 'secret"', '{secret}', '#secret', 'secret #']) {
    expect(() => render(file, { DECK_KEY: value })).toThrow(/^line 2: the value of DECK_KEY has a character/);
    expect(() => render(file, { DECK_KEY: value })).not.toThrow(/secret/);
  }
});

test('a file that is nested too deep is told', () => {
  const deep = `- ${'h: '.repeat(5000)}\n- b\n`;
  expect(() => render(deep, {})).toThrow('line 1: the file is nested too deep to be read');
});

test('a value is taken as it is, not as a replacement pattern', () => {
  expect(() => render(file, { DECK_KEY: '$&' })).toThrow(/DECK_KEY/);
});

// decK's patch and merge write values without the quotes that the file has around them.
test.each(['12345678', 'off', '@redis', '1e5', '0x1f', '2026-01-01', 'null', '1_000', 'key:'])(
  'a value that YAML takes for something else without quotes is refused there, and not shown: %s',
  (value) => {
    const quoted = "a: 1\nkey: '$" + `{{ env "DECK_KEY" }}'\n`;
    expect(render(quoted, { DECK_KEY: value })).toBe(`a: 1\nkey: '${value}'\n`);
    expect(() => render(unquoted(quoted), { DECK_KEY: value })).toThrow(/^line 2: without quotes, .* of DECK_KEY for/);
    expect(() => render(unquoted(quoted), { DECK_KEY: value })).not.toThrow(value);
  },
);

test('the first certificate of a file gives place to another, at the same indent', () => {
  const pem = (text: string) => `-----BEGIN CERTIFICATE-----\n${text}\n-----END CERTIFICATE-----\n`;
  const cert = (text: string) => `  - cert: |\n${pem(text).replace(/^(?=.)/gm, '      ')}`;
  expect(trust(cert('a') + cert('b'), pem('own'))).toBe(cert('own') + cert('b'));
});
