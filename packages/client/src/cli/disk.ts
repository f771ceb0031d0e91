import { closeSync, fsyncSync, openSync, readFileSync, renameSync } from 'node:fs';
import { dirname } from 'node:path';

/** A file's text; undefined when there is none. @param strict whether one that is there and cannot be read throws */
export function read(path: string, strict = false): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (strict && (error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return undefined;
  }
}

/** Puts the file `by` in the place of another. A power cut leaves the one or the other, and this one once it returns. */
export function replace(path: string, by: string): void {
  renameSync(by, path);
  let folder: number | undefined;
  try {
    folder = openSync(dirname(path), 'r');
    fsyncSync(folder);
  } catch {
    // Windows and some network file systems cannot.
  } finally {
    if (folder !== undefined) closeSync(folder);
  }
}
