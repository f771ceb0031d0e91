import { closeSync, lstatSync, openSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { InputError, unwritable } from '../input-error.js';
import type { Plan } from '../plan/plan.js';
import type { Run } from '../run/run-file.js';
import type { Summary } from '../statistics/summary.js';

/**
 * A page is drawn after the run: that is too late to be told that it cannot be written.
 *
 * @param others files that are read or written, which a page must not replace by whatever name
 * @throws {InputError}
 */
export function refuseUnwritable(file: string, others: readonly (string | undefined)[]): void {
  const [first, found] = [writtenFirst(file), lstatSync(file, { throwIfNoEntry: false })];
  try {
    closeSync(openSync(first, 'a'));
    if (first !== file) rmSync(first);
  } catch (error) {
    throw unwritable(file, error);
  }
  const of = (path: string) => statSync(path, { throwIfNoEntry: false });
  const page = found && of(file);
  for (const other of others) {
    const same = other === undefined ? undefined : of(other);
    if (page && same && page.ino === same.ino && page.dev === same.dev) {
      throw new InputError(`--html would replace ${other}.`);
    }
  }
}

/**
 * Writes a run, and what was planned from it, as a page, whole or not at all.
 *
 * @throws {InputError} when the file cannot be written
 */
export async function writePage(file: string, run: Run, summary: Summary, plan?: Plan): Promise<void> {
  // Imported here: it is slow to load.
  const { htmlReport } = await import('../report/html.js');
  const page = htmlReport(run, summary, plan);
  const first = writtenFirst(file);
  try {
    // Its bytes are on the disk before it takes its place.
    writeFileSync(first, page, { flush: first !== file });
    if (first !== file) renameSync(first, file);
  } catch (error) {
    if (first !== file) rmSync(first, { force: true });
    throw unwritable(file, error);
  }
}

/** Beside a plain file, which it replaces. A link, a pipe and a device are written to as they are. */
function writtenFirst(file: string): string {
  const found = lstatSync(file, { throwIfNoEntry: false });
  return !found || found.isFile() ? `${file}.part` : file;
}
