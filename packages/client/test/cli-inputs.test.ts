import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findInputs } from '../src/cli/inputs.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cli-inputs-'));
  for (const name of [
    'b.txt',
    'a.jsonl',
    'Z.CSV',
    'sub/c.txt',
    'sub/.hidden/d.txt',
    'notes.md',
    'a{1,2}.txt',
    'a1.txt',
    'other/x.log',
  ]) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), 'Ada');
  }
  await symlink(join(folder, 'b.txt'), join(folder, 'link.txt'));
});
afterAll(() => rm(folder, { recursive: true }));

async function find(names: string[], options: { format?: 'txt'; out?: string } = {}) {
  const inputs = await findInputs(
    names.map((name) => (name === '-' ? name : join(folder, name))),
    options.format,
    options.out && join(folder, options.out),
  );
  return inputs.map(({ path }) => path.replace(`${folder}/`, ''));
}

describe('inputs', () => {
  it.each<[string, string[], string[]]>([
    [
      'a directory, sorted, with what is below it',
      ['.'],
      ['Z.CSV', 'a.jsonl', 'a1.txt', 'a{1,2}.txt', 'b.txt', 'sub/c.txt'],
    ],
    ['a glob, sorted', ['**/*.txt'], ['a1.txt', 'a{1,2}.txt', 'b.txt', 'sub/c.txt']],
    ['several names, in their order', ['sub', 'a.jsonl'], ['sub/c.txt', 'a.jsonl']],
    [
      'the same file by several names, once',
      ['b.txt', '*.txt', 'link.txt', '.'],
      ['b.txt', 'a1.txt', 'a{1,2}.txt', 'Z.CSV', 'a.jsonl', 'sub/c.txt'],
    ],
    ['a file whose name looks like a glob', ['a{1,2}.txt'], ['a{1,2}.txt']],
    ['standard input', ['-', 'b.txt', '-'], ['-', 'b.txt']],
  ])('are found of %s', async (_, names, found) => {
    expect(await find(names)).toEqual(found);
  });

  it('are never the output', async () => {
    expect(await find(['*.txt', 'b.txt'], { out: 'b.txt' })).toEqual(['a1.txt', 'a{1,2}.txt']);
    await expect(find(['b.txt'], { out: 'b.txt' })).rejects.toThrow(/nothing to read but .*b\.txt, which is an output/);
  });

  it('are no other output either, nor what stands beside one or a kill has left', async () => {
    const run = { version: 1, inputs: ['in.txt'], outputFormat: 'jsonl' };
    const all = ['own', 'other'].flatMap((name) =>
      ['', '.run', '.run.new', '.lock', '.lock.6f9619ff-8b86-d011', '.part', '.part.new'].map(
        (it) => `out/${name}${it}`,
      ),
    );
    await mkdir(join(folder, 'out'));
    for (const file of [...all, 'out/in.txt', 'out/my.part', 'out/my.lock', 'out/my', 'out/odd', 'out/odd.run']) {
      await writeFile(join(folder, file), file.endsWith('r.run') ? JSON.stringify(run) : '');
    }
    await rm(join(folder, 'out/own.run'));
    const mine = ['out/in.txt', 'out/my', 'out/my.lock', 'out/my.part', 'out/odd', 'out/odd.run'];
    expect(await find(['out/*'], { format: 'txt', out: 'out/own' })).toEqual(mine);
    // As a shell expands it.
    expect(await find(all, { format: 'txt', out: 'out/own' })).toEqual(['out/other']);
    await expect(find(['out/ot*'], { format: 'txt' })).rejects.toThrow(
      /nothing to read but .*other, which is an output/,
    );
  });

  it.each([
    ['gone.txt', /there is no file .*gone\.txt; check the path/],
    ['*.xml', /no file matches .*\*\.xml; check the pattern/],
    ['other', /other holds no \.txt, \.jsonl, \.json, \.csv or \.tsv file/],
    ['notes.md', /notes\.md is not a \.txt, \.jsonl, \.json, \.csv or \.tsv file; say how to read it with --format/],
    ['other/*', /x\.log is not a \.txt/],
  ])('%s stands for none', async (name, sentence) => {
    await expect(find([name])).rejects.toThrow(sentence);
  });

  it('of any name are read as the format says', async () => {
    expect(await find(['notes.md', 'other/*'], { format: 'txt' })).toEqual(['notes.md', 'other/x.log']);
  });
});
