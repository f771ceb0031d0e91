import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import type { Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import type { Account } from './account.js';
import { Books } from './books.js';
import { BatchError } from './errors.js';
import { type Place, placeName } from './place.js';
import { Output, type Records } from './records.js';

/**
 * The objects of a run in the order of its input.
 *
 * @throws {BatchError} when a part is missing, or they are of more than one model
 */
export async function collected(account: Account, output: Place): Promise<Records[]> {
  const books = new Books(account, output);
  await books.runOrFail();
  const records = await new Output(account, output).of(await books.parts());
  const missing = records.filter(({ done }) => !done).length;
  if (missing > 0) {
    throw new BatchError(
      `${placeName(output)} lacks ${missing} of ${records.length} parts; see \`burst-ner-batch status\`.`,
    );
  }
  const objects = records.flatMap((one) => one.objects);
  const models = [...new Set(objects.map(({ model }) => model))];
  if (models.length > 1) throw new BatchError(`${placeName(output)} is of several models: ${models.join(', ')}.`);
  return objects;
}

/**
 * Writes all records one after another.
 *
 * @param to a file, which is there once it is whole, or `-` for standard output
 */
export async function writeAll(
  account: Account,
  bucket: string,
  objects: readonly Records[],
  to: string,
  onObject: (count: number) => void = () => {},
): Promise<void> {
  if (to === '-') {
    await copy(account, bucket, objects, process.stdout, onObject);
    return;
  }
  const partial = `${to}.part`;
  const file = createWriteStream(partial);
  try {
    await once(file, 'open');
    await copy(account, bucket, objects, file, onObject);
    file.end();
    await finished(file);
    await rename(partial, to);
  } catch (error) {
    file.destroy();
    await rm(partial, { force: true });
    const { code } = error as NodeJS.ErrnoException;
    if (!code) throw error;
    throw new BatchError(`${to} cannot be written (${code}); make room, or give another --to.`, { cause: error });
  }
}

async function copy(
  account: Account,
  bucket: string,
  objects: readonly Records[],
  out: Writable,
  onObject: (count: number) => void,
): Promise<void> {
  for (const [index, { key }] of objects.entries()) {
    for await (const bytes of await account.stream(bucket, key)) if (!out.write(bytes)) await once(out, 'drain');
    onObject(index + 1);
  }
}
