import { concernsEveryDocument, type NerError, RequestError } from './errors.js';

/** Whether the texts of a request that failed so may do better apart: not when nobody was there to serve any. */
export function worthHalving(error: unknown): boolean {
  return !concernsEveryDocument(error) && !(error instanceof RequestError && [429, 503].includes(error.status));
}

/**
 * Sends two halves, and the halves of those that fail, so that a poisonous item fails alone.
 *
 * @param items two at least, of a request that failed
 * @param send rejects when the request fails
 * @returns by item its result, or the error of the last request that it was in
 * @throws what concerns every document
 */
export async function inHalves<T, R>(items: T[], send: (items: T[]) => Promise<R[]>): Promise<(R | NerError)[]> {
  const found = new Map<T, R | NerError>();
  const attempt = async (part: T[]) => {
    try {
      const results = await send(part);
      part.forEach((item, i) => void found.set(item, results[i] as R));
      return [];
    } catch (error) {
      if (concernsEveryDocument(error)) throw error;
      for (const item of part) found.set(item, error as NerError);
      return [{ part, error }];
    }
  };
  let parts = halves(items);
  let up = false;
  while (parts.length > 0) {
    const failed = (await Promise.all(parts.map(attempt))).flat();
    up ||= failed.length < parts.length;
    if (!up) {
      // Nothing came back. Halving on would only spend the gateway's budget while the service is down, so the first and
      // the last item tell, which alone get all attempts; unless they were just sent alone.
      const sent = new Set(parts.filter((part) => part.length === 1).flat());
      const ends = [items.slice(0, 1), items.slice(-1)].filter(([end]) => !sent.has(end as T));
      const alone = await Promise.all(ends.map(attempt));
      up = alone.some((failures) => failures.length === 0);
      if (!up) break;
    }
    parts = failed
      .filter(({ part, error }) => part.length > 1 && worthHalving(error))
      .flatMap(({ part }) => halves(part))
      .map((part) => part.filter((item) => found.get(item) instanceof Error))
      .filter((part) => part.length > 0);
  }
  return items.map((item) => found.get(item) as R | NerError);
}

function halves<T>(items: T[]): T[][] {
  const middle = Math.ceil(items.length / 2);
  return [items.slice(0, middle), items.slice(middle)];
}
