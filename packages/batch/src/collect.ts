import { createWriteStream } from 'node:fs';
import { lstat, rename, rm } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
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
 * @param to a file, which is there once it is whole; what is no plain file, such as a pipe, is written to as it is; `-` for
 * standard output
 */
export async function writeAll(
  account: Account,
  bucket: string,
  objects: readonly Records[],
  to: string,
  onObject: (count: number) => void = () => {},
): Promise<void> {
  const all = bytesOf(account, bucket, objects, onObject);
  if (to === '-') return pipeline(all, process.stdout, { end: false });
  const found = await lstat(to).catch(() => undefined);
  const isPlain = !found || found.isFile();
  const first = isPlain ? `${to}.part` : to;
  try {
    await pipeline(all, createWriteStream(first, { flush: isPlain }));
    if (isPlain) await rename(first, to);
  } catch (error) {
    if (isPlain) await rm(first, { force: true });
    const { code } = error as NodeJS.ErrnoException;
    if (error instanceof BatchError || !code) throw error;
    throw new BatchError(`${to} cannot be written (${code}); make room, or give another --to.`, { cause: error });
  }
}

/** Ends of a connection before an object's end, without a byte in between, until it is given up. */
const ATTEMPTS = 5;

async function* bytesOf(
  account: Account,
  bucket: string,
  objects: readonly Records[],
  onObject: (count: number) => void,
): AsyncGenerator<Uint8Array> {
  for (const [index, { key }] of objects.entries()) {
    let at = 0;
    for (let attempt = 1, isWhole = false; !isWhole; attempt++) {
      try {
        for await (const bytes of await account.stream(bucket, key, at)) {
          at += bytes.length;
          if (bytes.length > 0) attempt = 1;
          yield bytes;
        }
        isWhole = true;
      } catch (error) {
        if (error instanceof BatchError) throw error;
        if (attempt < ATTEMPTS) continue;
        const { code = (error as Error).name } = error as NodeJS.ErrnoException;
        const name = placeName({ bucket, prefix: key });
        throw new BatchError(`${name} cannot be read to its end (${code}); collect again.`, { cause: error });
      }
    }
    onObject(index + 1);
  }
}
