import { BatchError } from './errors.js';

/** A bucket, and how the keys begin. */
export interface Place {
  bucket: string;
  prefix: string;
}

/** Below an output: manifests, and what became of runs. No file's records are there. */
export const BOOKS = '_batch/';

/** @throws {BatchError} when it is not `s3://BUCKET/PREFIX` */
export function parsePlace(text: string): Place {
  const [, bucket, prefix = ''] = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/(.*))?$/.exec(text) ?? [];
  if (bucket === undefined) throw new BatchError(`${text} is no place in S3; give one such as s3://bucket/folder/.`);
  return { bucket, prefix };
}

/** A folder: its prefix is empty or ends with a slash. */
export function parseFolder(text: string): Place {
  const { bucket, prefix } = parsePlace(text);
  return { bucket, prefix: prefix.replace(/(?<=[^/])$/, '/') };
}

export const placeName = ({ bucket, prefix }: Place): string => `s3://${bucket}/${prefix}`;

/** @throws {BatchError} when one is within the other, so that records would be documents of the next start */
export function refuseOverlap(input: Place, output: Place): void {
  const { bucket, prefix } = output;
  if (input.bucket !== bucket || !(prefix.startsWith(input.prefix) || input.prefix.startsWith(prefix))) return;
  const both = `${placeName(output)} and ${placeName(input)}`;
  throw new BatchError(`${both} are one in the other: records would be read as documents; give another --out.`);
}
