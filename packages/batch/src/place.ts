import { BatchError } from './errors.js';

/** A bucket, and how the keys begin. */
export interface Place {
  bucket: string;
  prefix: string;
}

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
