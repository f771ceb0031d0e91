import { createHash } from 'node:crypto';
import type { Account, Listed } from '../src/account.js';

interface Entry {
  body: Buffer;
  told: Record<string, string>;
}

/** One bucket in memory, in place of an account; `broken` may end a stream before its end. */
export class Bucket {
  readonly objects = new Map<string, Entry>();
  /** Of Step Functions: what DescribeExecution answers. */
  execution: object = { status: 'SUCCEEDED' };
  readonly states = { send: async () => this.execution };
  /** Bytes after which each stream of an object ends with an error; none without. */
  broken: (key: string, from: number) => number | undefined = () => undefined;

  get account(): Account {
    return this as unknown as Account;
  }

  put(key: string, body: string | Buffer, told: Record<string, string> = {}): void {
    this.objects.set(key, { body: Buffer.from(body), told });
  }

  /** An object of records, as the worker writes it. */
  putRecords(key: string, lines: string, told: Record<string, string> = {}): void {
    this.put(key, lines, { next: '1', done: '1', documents: '1', model: 'm', etag: 'e', ...told });
  }

  async *list({ prefix }: { prefix: string }): AsyncGenerator<Listed> {
    for (const [key, { body }] of [...this.objects].sort(([one], [other]) => (one < other ? -1 : 1))) {
      const etag = `"${createHash('md5').update(body).digest('hex')}"`;
      if (key.startsWith(prefix)) yield { key, etag, size: body.length, modified: new Date(0) };
    }
  }

  async read(_bucket: string, key: string, most?: number): Promise<Buffer | undefined> {
    return this.objects.get(key)?.body.subarray(0, most);
  }

  async stream(_bucket: string, key: string, from = 0): Promise<AsyncIterable<Uint8Array>> {
    const body = this.objects.get(key)?.body.subarray(from) ?? Buffer.alloc(0);
    const after = this.broken(key, from);
    return (async function* () {
      yield body.subarray(0, after);
      if (after !== undefined) throw Object.assign(new Error('aborted'), { code: 'ECONNRESET' });
    })();
  }

  async told(_bucket: string, key: string): Promise<Record<string, string>> {
    return this.objects.get(key)?.told ?? {};
  }

  async write(_bucket: string, key: string, body: unknown): Promise<void> {
    this.put(key, JSON.stringify(body));
  }
}
