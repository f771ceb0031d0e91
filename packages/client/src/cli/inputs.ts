import { realpath, stat } from 'node:fs/promises';
import { isAbsolute, join, resolve } from 'node:path';
import { glob } from 'tinyglobby';
import { checkedInput, type DocumentFormat, EXTENSION, type Input, KINDS } from '../files/entries.js';
import { DocumentsError } from '../files/fields.js';

/**
 * The files that names stand for, in the order of the names, each once. A glob or a directory is sorted by code units, so
 * that every run finds the same order.
 *
 * @param names files, globs, directories, `-` for standard input
 * @throws {DocumentsError} for a name that stands for nothing, or a file of unknown kind
 */
export async function findInputs(
  names: string[],
  format: DocumentFormat | undefined,
  out: string | undefined,
): Promise<Input[]> {
  const inputs: Input[] = [];
  const seen = new Set<string>();
  // What stands beside it too, should a glob find it.
  for (const end of ['', '.run', '.lock', '.part']) if (out !== undefined) seen.add((await identity(out)) + end);
  for (const name of names) {
    for (const path of await expand(name)) {
      const key = await identity(path);
      if (seen.has(key)) continue;
      seen.add(key);
      inputs.push(await checkedInput(path, format));
    }
  }
  if (inputs.length === 0) throw new DocumentsError(`there is nothing to read but ${out}, which is the output`);
  return inputs;
}

async function expand(name: string): Promise<string[]> {
  const found = name === '-' ? undefined : await stat(name).catch(() => undefined);
  if (found?.isDirectory()) {
    const files = (await glob('**/*', { cwd: name })).filter((file) => EXTENSION.test(file));
    if (files.length === 0) throw new DocumentsError(`${name} holds no ${KINDS}`);
    return files.map((file) => join(name, file)).sort();
  }
  if (found || !/[*?[\]{}!()]/.test(name)) return [name];
  const files = await glob(name, { absolute: isAbsolute(name), expandDirectories: false });
  if (files.length === 0) throw new DocumentsError(`no file matches ${name}; check the pattern`);
  return files.sort();
}

async function identity(path: string): Promise<string> {
  return path === '-' ? path : realpath(path).catch(() => resolve(path));
}
