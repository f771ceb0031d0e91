import type { Account, Listed } from './account.js';
import type { Part } from './parts.js';
import { BOOKS, type Place } from './place.js';

/** An object of records. */
export interface Records {
  key: string;
  /** Where in its file the next one begins; bytes. */
  next: number;
  /** Whether its part ends here. */
  done: boolean;
  documents: number;
  characters: number;
  /** Documents that have an error, by its code. */
  errors: Record<string, number>;
  failed: number;
  model: string;
  /** Of the file that its documents are of. */
  etag: string;
  /** Of the invocation that wrote it, and where it ran. */
  ms: number;
  memoryMb: number;
  arch: 'arm64' | 'x86_64';
  modified: Date;
}

/** A part and what there is of it. */
export interface PartRecords {
  part: Part;
  objects: Records[];
  done: boolean;
}

const AT_ONCE = 50;

/** Looks at what an output holds. What it has seen once it does not ask for again. */
export class Output {
  readonly #account: Account;
  readonly #place: Place;
  readonly #seen = new Map<string, Records>();

  constructor(account: Account, place: Place) {
    this.#account = account;
    this.#place = place;
  }

  /** What there is of each part, in their order. */
  async of(parts: readonly Part[]): Promise<PartRecords[]> {
    const { bucket, prefix } = this.#place;
    const there: Listed[] = [];
    for await (const object of this.#account.list(this.#place)) {
      if (!object.key.startsWith(`${prefix}${BOOKS}`)) there.push(object);
    }
    const unseen = there.filter(({ key }) => !this.#seen.has(key));
    const ask = async () => {
      for (let object = unseen.pop(); object; object = unseen.pop()) {
        this.#seen.set(object.key, asRecords(object, await this.#account.told(bucket, object.key)));
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, ask));
    return parts.map((part) => this.#chain(part));
  }

  #chain(part: Part): PartRecords {
    const objects: Records[] = [];
    const etag = part.etag.replaceAll('"', '');
    for (let start = part.start; ; ) {
      const name = `${this.#place.prefix}${part.name}/${String(start).padStart(15, '0')}.jsonl`;
      const found = this.#seen.get(name);
      // What is of an earlier file of this name, or came here without its metadata, is none of this part's.
      const isOurs = found?.etag === etag && (found.done || found.next > start);
      if (!found || !isOurs) return { part, objects, done: false };
      objects.push(found);
      if (found.done) return { part, objects, done: true };
      start = found.next;
    }
  }
}

function asRecords({ key, modified }: Listed, told: Record<string, string>): Records {
  const number = (name: string) => Number(told[name] ?? 0);
  const errors = (told['errors'] ?? '').split(',').filter(Boolean);
  return {
    key,
    next: number('next'),
    done: told['done'] === '1',
    documents: number('documents'),
    characters: number('characters'),
    errors: Object.fromEntries(errors.map((one) => one.split(':')).map(([code, count]) => [code, Number(count)])),
    failed: number('failed'),
    model: told['model'] ?? '',
    etag: told['etag'] ?? '',
    ms: number('ms'),
    memoryMb: number('memory') || 1769,
    arch: told['machine'] === 'x86_64' ? 'x86_64' : 'arm64',
    modified,
  };
}
