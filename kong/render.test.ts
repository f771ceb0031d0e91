import { expect, test } from 'vitest';
import { render } from './render.mjs';

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

test('a value is taken as it is, not as a replacement pattern', () => {
  expect(() => render(file, { DECK_KEY: '$&' })).toThrow(/DECK_KEY/);
});
