import { abortable } from './abort.js';

/**
 * Starts `work` on up to `limit` inputs before their results are taken, and yields the results in the inputs' order.
 *
 * An error of `inputs` or of `work` is thrown in its turn, after the results of all that came before it.
 *
 * @param signal throws its reason at once, whatever is being waited for
 */
export async function* readAhead<I, R>(
  inputs: AsyncGenerator<I, void, undefined>,
  work: (input: I) => Promise<R>,
  limit: number,
  signal: AbortSignal,
): AsyncGenerator<R, void, undefined> {
  const underWay: Promise<R>[] = []; // oldest first
  let reading: Promise<undefined> | undefined;
  let ended = false;

  const push = (result: Promise<R>) => {
    result.catch(() => {}); // heard when its turn comes
    underWay.push(result);
  };
  const read = async (): Promise<undefined> => {
    try {
      const next = await inputs.next();
      if (next.done) ended = true;
      else push(work(next.value));
    } catch (error) {
      ended = true;
      push(Promise.reject(error));
    }
    reading = undefined;
  };
  const readMore = () => {
    if (!ended && underWay.length < limit) reading ??= read();
  };

  try {
    for (;;) {
      readMore();
      const first = underWay[0]?.then((result) => ({ result }));
      const waits = [first, reading].filter((wait) => wait !== undefined);
      if (waits.length === 0) break;
      const done = await abortable(Promise.race(waits), signal);
      if (!done) continue; // something was read
      underWay.shift();
      readMore();
      yield done.result;
    }
  } finally {
    const closed = inputs.return().catch(() => {});
    // An input that is being read closes only when it answers, which may be never.
    if (!reading) await closed;
  }
}
