import {
  appendFileSync,
  closeSync,
  fchmodSync,
  fstatSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
} from 'node:fs';
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

/**
 * Writes a file whole or not at all: as `by` first, which then takes its place.
 *
 * @param mode of the file; without it as the umask has it
 * @returns bytes
 */
export async function rewrite(path: string, by: string, text: AsyncIterable<string>, mode?: number): Promise<number> {
  const fd = openSync(by, 'w', mode);
  try {
    if (mode !== undefined) fchmodSync(fd, mode); // whatever the umask is
    for await (const some of text) appendFileSync(fd, some);
    fsyncSync(fd);
    replace(path, by);
    return fstatSync(fd).size;
  } catch (error) {
    rmSync(by, { force: true }); // it may have filled the disk
    throw error;
  } finally {
    closeSync(fd);
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
