import { realpath, stat } from 'node:fs/promises';
import { isAbsolute, join, resolve } from 'node:path';
import { glob } from 'tinyglobby';
import { checkedInput, type DocumentFormat, EXTENSION, type Input, KINDS } from '../files/entries.js';
import { DocumentsError } from '../files/fields.js';
import { readRun } from './run-file.js';

// What stands beside an output, and what a kill leaves of it.
const BESIDE = /\.(?:run|lock|part)(?:\.[\w-]+)?$/;

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
  const own = out === undefined ? undefined : await identity(out);
  let skipped = '';
  for (const name of names) {
    for (const path of await expand(name)) {
      const key = await identity(path);
      const output = key.replace(BESIDE, '');
      // Named by itself, the output of another run is somebody's wish.
      if (output === own || (isOutput(output) && (output !== key || path !== name))) skipped ||= path;
      else if (!seen.has(key)) inputs.push(await checkedInput(path, format));
      seen.add(key);
    }
  }
  if (inputs.length === 0) throw new DocumentsError(`there is nothing to read but ${skipped}, which is an output`);
  return inputs;
}

/** Whether this command wrote it, in this run or another, which may still go on. */
function isOutput(path: string): boolean {
  try {
    return readRun(`${path}.run`) !== undefined;
  } catch {
    return false; // not ours
  }
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
