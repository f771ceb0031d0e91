import { InputError } from '../input-error.js';
import { Connection } from './connection.js';
import { encodeHead, type Load } from './requests.js';

/** More than a gateway takes (kong.yaml: 1 MiB), so that it answers by itself and the function stays as it is. */
const TOO_LARGE = 2 ** 30;
/** A gateway without a limit waits for the body; then only the run can tell, ms. */
const PATIENCE_MS = 2000;

/**
 * Tries address, certificate, route and key, and neither wakes the function nor counts against the limit: the head of a
 * request whose body would be too large. Kong answers 404, 401 or 413, in that order, before it counts.
 *
 * @throws {TargetError} when nobody is there, or its certificate does not verify
 * @throws {InputError} when there is no such route, or the key is unknown
 */
export async function probe(load: Omit<Load, 'requests'>): Promise<void> {
  const { url, apiKey, timeoutMs = 60_000 } = load;
  const head = Buffer.from(encodeHead(url, apiKey, TOO_LARGE, true));
  const connection = new Connection(load);
  await connection.readyWithin(timeoutMs);
  connection.send(head);
  const timer = setTimeout(() => connection.stop('cut'), PATIENCE_MS);
  await connection.over;
  clearTimeout(timer);
  const answer = await connection.answer();
  connection.stop('cut');
  refuse(url, answer?.status ?? null);
}

/**
 * Ends a run whose every request would end so.
 *
 * @throws {InputError}
 */
export function refuse({ origin, pathname }: URL, status: number | null): void {
  if (status === 401) throw new InputError(`${origin} answered 401: it does not know the key in NER_API_KEY.`);
  if (status === 404) {
    throw new InputError(`${origin} answered 404: it has no route ${pathname}; url must include it, e.g. /nlp/ner.`);
  }
}
