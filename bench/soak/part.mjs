// How the soak speaks to its parts, each a process of its own: by messages with a number, which the answer has, too.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

/**
 * V8 else sizes its young generation, MB, by what it sees, and leaves holes among old objects until it pays to close them:
 * growth of its own, and not of what we keep.
 */
const V8 = ['--min-semi-space-size=16', '--max-semi-space-size=16', '--compact-on-every-full-gc'];

/** In a part: what its parent wants of it. @returns {Promise<any>} */
export async function order() {
  const [given] = await once(process, 'message');
  return given;
}

/** In a part: answers what it is asked until its parent is gone. @param {Record<string, (value: any) => unknown>} methods */
export function answering(methods) {
  /** @type {typeof methods} */
  const all = { ...methods, live };
  process.on('message', async (/** @type {{ id: number, method: string, value: unknown }} */ message) => {
    const { id, method, value } = message;
    process.send?.({ id, result: await all[method]?.(value) });
  });
  process.once('disconnect', () => process.exit());
  process.send?.({ id: 0 });
}

/** What lives in this process after the collector, MB. */
function live() {
  for (let pass = 0; pass < 3; pass++) globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return (heapUsed + external) / 1e6;
}

/** A part, from outside. */
export class Part {
  /** @type {Map<number, (result: any) => void>} */
  #waiting = new Map();
  #next = 1;

  /** @param {string} file beside this one @param {object} order */
  constructor(file, order) {
    const path = fileURLToPath(new URL(file, import.meta.url));
    this.process = fork(path, { execArgv: ['--expose-gc', ...V8] });
    this.ended = once(this.process, 'exit');
    this.process.send(order);
    this.process.on('message', (/** @type {{ id: number, result: unknown }} */ { id, result }) => {
      this.#waiting.get(id)?.(result);
      this.#waiting.delete(id);
    });
  }

  /** Settles when it answers; rejects when it ends before that. */
  ready() {
    return this.#answer(0, 'start');
  }

  /** @param {string} method @param {unknown} [value] @returns {Promise<any>} */
  ask(method, value) {
    const id = this.#next++;
    const answer = this.#answer(id, method);
    this.process.send({ id, method, value });
    return answer;
  }

  /** @param {number} id @param {string} method */
  #answer(id, method) {
    const ended = this.ended.then(([code, signal]) => {
      throw new Error(`a part of the soak ended (${signal ?? code}) before it answered: ${method}`);
    });
    return Promise.race([new Promise((resolve) => this.#waiting.set(id, resolve)), ended]);
  }
}
