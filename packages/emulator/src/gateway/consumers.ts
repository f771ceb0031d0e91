import { createHash, randomUUID } from 'node:crypto';
import type { Consumer, Credential } from './exchange.js';

/** API keys and whose they are. The keys are private, so that no log or inspection shows one. */
export class Credentials {
  readonly #byKey = new Map<string, Credential>();

  add(key: string, consumer: Consumer): void {
    // Header values arrive as latin1, the file is UTF-8: compare the bytes.
    this.#byKey.set(Buffer.from(key).toString('latin1'), { id: randomUUID(), consumer });
  }

  /** @param key as it came in a header: latin1 */
  find(key: string): Credential | undefined {
    return this.#byKey.get(key);
  }
}

const KONG_NAMESPACE = 'fd02801f-0957-4a15-a55a-c8d9606f30b5';

/** The id that Kong gives an entity of a declarative file: a name-based UUID of its kind and name. */
export function entityId(kind: 'consumers' | 'routes' | 'services', name: string): string {
  return uuid5(uuid5(KONG_NAMESPACE, kind), name);
}

/** A version 5 UUID (RFC 9562, 5.5). */
function uuid5(namespace: string, name: string): string {
  const hash = createHash('sha1')
    .update(Buffer.from(namespace.replaceAll('-', ''), 'hex'))
    .update(name)
    .digest();
  hash[6] = ((hash[6] ?? 0) & 0x0f) | 0x50;
  hash[8] = ((hash[8] ?? 0) & 0x3f) | 0x80;
  const hex = hash.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join('-');
}
