import { Dispatcher } from 'undici';

/** @typedef {import('./kong.mjs').Answer} Answer */

const MODEL = { name: 'en_bench', version: '1.0.0', digest: 'sha256:00' };

/** Answers undici's requests of texts by a function instead of a socket: no text has an entity. */
export class VirtualDispatcher extends Dispatcher {
  #answer;

  /** @param {(texts: string[]) => Promise<Answer>} answer to a request; rejects with `code` when the connection fails */
  constructor(answer) {
    super();
    this.#answer = answer;
  }

  /**
   * @override
   * @param {Dispatcher.DispatchOptions} options
   * @param {Dispatcher.DispatchHandler} handler
   * @returns {boolean}
   */
  dispatch(options, handler) {
    let aborted = false;
    handler.onConnect?.((error) => {
      aborted = true;
      handler.onError?.(error ?? new Error('aborted'));
    });
    // There is no route for /model.
    const nowhere = async () => ({ status: 404, headers: new Map() });
    /** @type {{ texts: string[] }} */
    const { texts } = options.method === 'GET' ? { texts: [] } : JSON.parse(String(options.body));
    (options.method === 'GET' ? nowhere() : this.#answer(texts)).then(
      ({ status, headers }) => {
        if (aborted) return;
        const raw = [...headers, ['content-type', 'application/json']].flat().map((text) => Buffer.from(text));
        handler.onHeaders?.(status, raw, () => {}, '');
        const results = texts.map(() => ({ entities: [] }));
        const body = status === 200 ? { results, model: MODEL } : { message: 'no' };
        handler.onData?.(Buffer.from(JSON.stringify(body)));
        handler.onComplete?.([]);
      },
      (error) => {
        if (!aborted) handler.onError?.(error);
      },
    );
    return true;
  }

  /** @override */
  async close() {}

  /** @override */
  async destroy() {}
}
