import { concernsEveryDocument, type NerError, RequestError } from './errors.js';
import { oneTextMayBeToBlame } from './retry.js';

/** Whether a request that failed so may do better in halves: it was too large, or one of its texts is poisonous. */
export function worthHalving(error: unknown): boolean {
  return oneTextMayBeToBlame(error) || (error instanceof RequestError && error.status === 413);
}

/**
 * Sends two halves, and the halves of the one that fails, so that a poisonous item fails alone.
 *
 * @param items two at least, of a request that failed
 * @param send rejects when the request fails; with `stubborn` it takes all its attempts, whatever is to blame
 * @returns by item its result, or the error of the last request that it was in
 * @throws what concerns every document
 */
export async function inHalves<T, R>(
  items: T[],
  send: (items: T[], stubborn?: boolean) => Promise<R[]>,
): Promise<(R | NerError)[]> {
  const settle = (part: T[], stubborn?: boolean) => send(part, stubborn).catch((error) => errorOfEach(part, error));
  const middle = Math.ceil(items.length / 2);
  const halves = [items.slice(0, middle), items.slice(middle)];
  const tried = await Promise.allSettled(halves.map((half) => send(half)));
  // Neither came back: more likely the service is down. More halves would only spend the gateway's budget.
  if (items.length > 2 && tried.every((it) => it.status === 'rejected' && oneTextMayBeToBlame(it.reason))) {
    return settle(items, true);
  }
  const results = tried.map(async (it, i) => {
    const half = halves[i] as T[];
    if (it.status === 'fulfilled') return it.value;
    if (half.length > 1 && worthHalving(it.reason)) return inHalves(half, send);
    return errorOfEach(half, it.reason);
  });
  return (await Promise.all(results)).flat();
}

/** The error of a request as that of each of its items; thrown when every document would meet it. */
function errorOfEach(items: unknown[], error: unknown): NerError[] {
  if (concernsEveryDocument(error)) throw error;
  return items.map(() => error as NerError);
}
