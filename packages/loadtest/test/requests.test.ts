import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { InputError } from '../src/input-error.js';
import { Requests } from '../src/load/requests.js';

function file(...lines: string[]): string {
  const name = join(mkdtempSync(join(tmpdir(), 'burst-ner-requests-')), 'requests.jsonl');
  writeFileSync(name, `${lines.join('\n')}\n`);
  return name;
}
const bodies = (requests: Requests, count: number) => Array.from({ length: count }, (_, i) => requests.nth(i).body);

test('bodies go as they stand, documents as the client sends them, and from the first again', () => {
  const lines = ['{"text": "Oslo", "id": 7}', '{"texts":["Bergen","Łódź"]}', '', '"Zürich"'];
  const requests = Requests.read(file(...lines), 1, undefined);
  expect(bodies(requests, 4)).toEqual([lines[0], lines[1], '{"text":"Zürich"}', lines[0]]);
  expect([0, 1, 2].map((i) => requests.nth(i).sizes)).toMatchObject([
    { documents: 1, characters: 4 },
    { documents: 2, characters: 10 },
    { documents: 1, characters: 6 },
  ]);
  expect(requests.info).toMatchObject({ requests: 3, documents: 4, characters: 20 });
});

test('so many documents are put in each request', () => {
  const requests = Requests.read(file('"a"', '{"text":"b","id":1}', '"c😀"'), 2, undefined);
  expect(bodies(requests, 2)).toEqual(['{"texts":["a","b"]}', '{"texts":["c😀"]}']);
  expect(requests.nth(1).sizes).toMatchObject({ documents: 1, characters: 2 });
});

test('a seed draws them in an order of its own, each once, the same each time', () => {
  const name = file(...Array.from({ length: 50 }, (_, i) => `"${i}"`));
  const [one, again, other, inOrder] = [1, 1, 2, undefined].map((seed) => bodies(Requests.read(name, 1, seed), 50));
  expect(again).toEqual(one);
  expect(other).not.toEqual(one);
  expect(one).not.toEqual(inOrder);
  expect([...(one ?? [])].sort()).toEqual([...(inOrder ?? [])].sort());
});

test('the digest tells sets of requests apart; of a single text it is its own', () => {
  expect(Requests.of('Oslo').info).toEqual({
    ...{ requests: 1, documents: 1, characters: 4 },
    // printf Oslo | sha256sum
    sha256: '43152cc97f457f27c065d352c054743e751c5434da6b95b19b93e607e5b0763b',
  });
  expect(Requests.read(file('"a"', '"b"'), 1, undefined).info.sha256).not.toBe(
    Requests.read(file('"b"', '"a"'), 1, undefined).info.sha256,
  );
});

test.each([
  [['"a"', 'Oslo'], 1, /requests\.jsonl, line 2, is not JSON; give/],
  [['{"id":1}'], 1, /line 1, has no text; give/],
  [['{"texts":["a",7]}'], 1, /line 1, has no text/],
  [['null'], 1, /line 1, has no text/],
  [['""'], 1, /line 1, is empty: the function would answer 400/],
  [['{"texts":["a"]}'], 2, /line 1, holds texts already; leave out --texts/],
  [[''], 1, /is empty; give one request or document a line/],
])('%j is one sentence', (lines, texts, sentence) => {
  const name = file(...lines);
  expect(() => Requests.read(name, texts, undefined)).toThrow(InputError);
  expect(() => Requests.read(name, texts, undefined)).toThrow(sentence);
});
