import {
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  NoSuchKey,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { SFNClient } from '@aws-sdk/client-sfn';
import { explained } from './errors.js';
import { type Place, placeName } from './place.js';

/** An object as a list has it. */
export interface Listed {
  key: string;
  etag: string;
  size: number;
  modified: Date;
}

/** S3 and Step Functions, with the credentials that the AWS command uses. */
export class Account {
  readonly states: SFNClient;
  readonly #s3: S3Client;

  /** @param region of the state machine; S3's buckets may be in others */
  constructor(region?: string) {
    this.states = new SFNClient(region ? { region } : {});
    this.#s3 = new S3Client({
      ...(region && { region }),
      followRegionRedirects: true,
      // A stand-in on loopback has no host of a bucket's name.
      forcePathStyle: /^https?:\/\/(127\.0\.0\.1|localhost)[:/]/.test(process.env['AWS_ENDPOINT_URL'] ?? ''),
    });
  }

  /** All objects below a prefix, in the order of their keys. */
  async *list({ bucket, prefix }: Place): AsyncGenerator<Listed> {
    for (let token: string | undefined; ; ) {
      const page = await this.#ask(
        { bucket, prefix },
        this.#s3.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix, ContinuationToken: token })),
      );
      for (const { Key = '', ETag = '', Size = 0, LastModified = new Date(0) } of page.Contents ?? []) {
        yield { key: Key, etag: ETag, size: Size, modified: LastModified };
      }
      token = page.NextContinuationToken;
      if (!token) return;
    }
  }

  /** @param most bytes from the beginning on; all without */
  async read(bucket: string, key: string, most?: number): Promise<Buffer | undefined> {
    const Range = most === undefined ? undefined : `bytes=0-${most - 1}`;
    try {
      const { Body } = await this.#s3.send(new GetObjectCommand({ Bucket: bucket, Key: key, Range }));
      return Buffer.from((await Body?.transformToByteArray()) ?? []);
    } catch (error) {
      if (error instanceof NoSuchKey) return undefined;
      throw explained(error, placeName({ bucket, prefix: key }));
    }
  }

  /** An object as a stream of its bytes, from some byte on. */
  async stream(bucket: string, key: string, from = 0): Promise<AsyncIterable<Uint8Array>> {
    const Range = from > 0 ? `bytes=${from}-` : undefined;
    const { Body } = await this.#ask(
      { bucket, prefix: key },
      this.#s3.send(new GetObjectCommand({ Bucket: bucket, Key: key, Range })),
    );
    return Body as AsyncIterable<Uint8Array>;
  }

  /** What was told of an object when it was written. */
  async told(bucket: string, key: string): Promise<Record<string, string>> {
    const { Metadata } = await this.#ask(
      { bucket, prefix: key },
      this.#s3.send(new HeadObjectCommand({ Bucket: bucket, Key: key })),
    );
    return Metadata ?? {};
  }

  async write(bucket: string, key: string, body: unknown): Promise<void> {
    const Body = JSON.stringify(body);
    const put = new PutObjectCommand({ Bucket: bucket, Key: key, Body, ContentType: 'application/json' });
    await this.#ask({ bucket, prefix: key }, this.#s3.send(put));
  }

  async #ask<T>(place: Place, answer: Promise<T>): Promise<T> {
    try {
      return await answer;
    } catch (error) {
      throw explained(error, placeName(place));
    }
  }
}
