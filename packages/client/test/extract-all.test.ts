import { getEventListeners } from 'node:events';
import { describe, expect, it, vi } from 'vitest';
import { NerClient, type NerClientOptions, type Outcome } from '../src/index.js';
import { VirtualClock } from './clock.js';
import { type Gateway, KEY, kongError, MODEL, type Reply, served, startGateway } from './gateway.js';

function clientOf(gateway: Gateway, options: Partial<NerClientOptions> = {}): NerClient {
  return new NerClient({ url: gateway.url, apiKey: KEY, clock: new VirtualClock(), ...options });
}

async function collect<D>(outcomes: AsyncIterable<Outcome<D>>): Promise<Outcome<D>[]> {
  const all: Outcome<D>[] = [];
  for await (const outcome of outcomes) all.push(outcome);
  return all;
}

/** Documents 0, 1, 2 … and how many were asked for. */
function counting(length: number, textOf: (i: number) => string = (i) => `Ada ${i}`) {
  const state = { read: 0, closed: false };
  async function* documents() {
    try {
      for (let i = 0; i < length; i++) {
        state.read++;
        yield textOf(i);
      }
    } finally {
      state.closed = true;
    }
  }
  return { state, documents: documents() };
}

describe('extractAll', () => {
  it('gives back the caller’s own documents, in order, with entities and model', async () => {
    await using gateway = await startGateway();
    await using ner = clientOf(gateway);
    const rows = ['Ada met Bob.', '', 'nobody'].map((body, id) => ({ id, body }));
    const { signal } = new AbortController();
    const all = await collect(ner.extractAll(rows, { text: (row) => row.body, signal }));
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
    expect(all).toMatchObject([
      { ok: true, index: 0, entities: [{ text: 'Ada' }, { text: 'Bob', start: 8, end: 11 }], model: MODEL },
      { ok: true, index: 1, entities: [], model: undefined },
      { ok: true, index: 2, entities: [], model: MODEL },
    ]);
    expect(all.map((outcome) => outcome.document)).toEqual(rows);
    expect(all[0]?.document).toBe(rows[0]);
    expect(gateway.received.map(({ texts }) => texts)).toEqual([['Ada met Bob.', 'nobody']]);
  });

  it('takes no documents', async () => {
    await using gateway = await startGateway();
    await using ner = clientOf(gateway);
    expect(await collect(ner.extractAll([]))).toEqual([]);
    expect(await collect(ner.extractAll(['', '']))).toHaveLength(2);
    expect(gateway.received).toHaveLength(0);
  });

  it('does not take one text for many', async () => {
    await using gateway = await startGateway();
    await using ner = clientOf(gateway);
    await expect(collect(ner.extractAll('Ada'))).rejects.toThrow('use extract for one text');
  });

  it('keeps the order when later requests are answered first', async () => {
    const release: (() => void)[] = [];
    await using gateway = await startGateway(async (_, n) => {
      // The first request is answered last.
      if (n === 1) await new Promise<void>((resolve) => release.push(resolve));
      if (n === 3) release[0]?.();
      return undefined;
    });
    await using ner = clientOf(gateway);
    const all = await collect(ner.extractAll(counting(300).documents));
    expect(all.map(({ index }) => index)).toEqual([...Array(300).keys()]);
    expect(all.every((outcome) => outcome.ok && outcome.entities.length === 1)).toBe(true);
  });

  it('hands out what is done while the source is slow', async () => {
    await using gateway = await startGateway();
    await using ner = clientOf(gateway);
    let more = () => {};
    async function* slow() {
      for (let i = 0; i < 100; i++) yield `Ada ${i}`;
      await new Promise<void>((resolve) => {
        more = resolve;
      });
    }
    const outcomes = ner.extractAll(slow());
    expect((await outcomes.next()).value).toMatchObject({ ok: true, index: 0 });
    more();
    expect(await collect(outcomes)).toHaveLength(99);
  });
});

describe('filling', () => {
  const sizes = async (documents: string[]) => {
    await using gateway = await startGateway(({ texts }) =>
      served(texts, (body) => ({ ...body, results: texts.map(() => ({ entities: [] })) })),
    );
    await using ner = clientOf(gateway, { concurrency: 1 });
    await collect(ner.extractAll(documents));
    for (const { body } of gateway.received) expect(Buffer.byteLength(body)).toBeLessThanOrEqual(1_048_576);
    return gateway.received.map(({ texts }) => texts.length);
  };

  it('puts up to 100 texts in a request', async () => {
    expect(await sizes(Array(250).fill('Ada'))).toEqual([100, 100, 50]);
  });

  it('puts up to 50,000 code points in a request', async () => {
    expect(await sizes(Array(5).fill('😀'.repeat(25_000)))).toEqual([2, 2, 1]);
    expect(await sizes(['Ada', 'x'.repeat(40_000), 'y'.repeat(40_000), 'Eve'])).toEqual([2, 2]);
  });
});

describe('read-ahead', () => {
  it('has no more requests under way than allowed, and uses them all', async () => {
    const waiting: (() => void)[] = [];
    await using gateway = await startGateway(async () => {
      await new Promise<void>((resolve) => {
        waiting.push(resolve);
        if (waiting.length === 3) for (const go of waiting.splice(0)) go();
      });
      return undefined;
    });
    await using ner = clientOf(gateway, { concurrency: 3 });
    expect(await collect(ner.extractAll(counting(900).documents))).toHaveLength(900);
    expect(gateway.peak).toBe(3);
  });

  it('stops when nobody takes outcomes', async () => {
    await using gateway = await startGateway();
    await using ner = clientOf(gateway, { concurrency: 2 });
    const { documents, state } = counting(100_000);
    const outcomes = ner.extractAll(documents);
    for (let i = 0; i < 150; i++) await outcomes.next();
    // Whatever would still read on has its turn now.
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
    expect(state.read).toBeLessThanOrEqual(400);
    await outcomes.return();
    expect(state.closed).toBe(true);
  });

  it('closes the source and gives up requests when the loop is left', async () => {
    await using gateway = await startGateway((_, n) => (n > 1 ? () => {} : undefined));
    await using ner = clientOf(gateway);
    const { documents, state } = counting(1000);
    for await (const outcome of ner.extractAll(documents)) if (outcome.index === 5) break;
    await vi.waitFor(() => expect(state.closed).toBe(true));
    await ner.close(); // would wait for a request that is never answered
  });
});

describe('one bad document', () => {
  it('is its own outcome; its neighbours are served', async () => {
    await using gateway = await startGateway(({ texts }) =>
      served(texts, (body) => ({
        ...body,
        results: body.results.map((result, i) =>
          i === 1 ? { error: 'Took too long.', code: 'deadline_exceeded' } : result,
        ),
      })),
    );
    await using ner = clientOf(gateway);
    const documents = [
      { t: 'Ada' },
      { t: '\udc00' },
      { t: 'Bob' },
      { t: 7 },
      null,
      { t: 'x'.repeat(40_001) },
      { t: 'Eve' },
    ];
    const all = await collect(ner.extractAll(documents, { text: (document) => document?.t as string }));
    expect(all.map((outcome) => (outcome.ok ? outcome.entities[0]?.text : outcome.error.code))).toEqual([
      'Ada',
      'ill_formed_text',
      'deadline_exceeded',
      'invalid_text',
      'invalid_text',
      'too_large',
      'Eve',
    ]);
    expect(gateway.received.flatMap(({ texts }) => texts)).toEqual(['Ada', 'Bob', 'Eve']);
  });

  it('whose selector throws does not stop the others', async () => {
    await using gateway = await startGateway();
    await using ner = clientOf(gateway);
    const documents: { body?: { text: string } }[] = [{ body: { text: 'Ada' } }, {}, { body: { text: 'Bob' } }];
    const all = await collect(ner.extractAll(documents, { text: (d) => (d.body as { text: string }).text }));
    expect(all.map(({ ok }) => ok)).toEqual([true, false, true]);
  });

  it.each<[string, Reply, string]>([
    ['a refused request', { status: 413, body: { error: 'Too large.', code: 'too_large' } }, 'too_large'],
    ['an HTML page', { status: 200, headers: { 'content-type': 'text/html' }, body: '<html>' }, 'protocol'],
    ['a request that is never served', (response) => response.destroy(), 'connection_lost'],
  ])('%s fails its own documents alone', async (_, reply, code) => {
    await using gateway = await startGateway(({ texts }) => (texts.includes('Ada 120') ? reply : undefined));
    await using ner = clientOf(gateway);
    const all = await collect(ner.extractAll(counting(250).documents));
    expect(all).toHaveLength(250);
    expect(all.filter(({ ok }) => !ok).map(({ index }) => index)).toEqual([...Array(100).keys()].map((i) => i + 100));
    expect(all[120]).toMatchObject({ error: { code } });
  });
});

describe('a request of several texts that fails twice', () => {
  const silent: Reply = () => {};
  const badGateway = kongError(502, 'An invalid response was received from the upstream server');
  const failed = (all: Outcome<string>[]) => all.filter(({ ok }) => !ok).map(({ document }) => document);

  it.each<[string, Reply, string]>([
    ['502', badGateway, 'http_502'],
    ['504', { status: 504, headers: { 'content-type': 'text/html' }, body: '<html></html>' }, 'http_504'],
    ['a time-out', silent, 'timeout'],
  ])('by %s is sent in halves, until the text to blame fails alone', async (_, reply, code) => {
    await using gateway = await startGateway(({ texts }) => (texts.includes('Ada 70') ? reply : undefined));
    await using ner = clientOf(gateway, { attemptTimeoutMs: code === 'timeout' ? 100 : 5000 });
    const all = await collect(ner.extractAll(counting(100).documents));
    expect(all.map(({ index }) => index)).toEqual([...Array(100).keys()]);
    expect(failed(all)).toEqual(['Ada 70']);
    expect(all[70]).toMatchObject({ error: { code } });
    // 2 of all, 1 + 2 of each pair of halves, and all attempts of the one.
    expect(gateway.received.length).toBeLessThanOrEqual(2 + 7 * 3 + 6);
  });

  it('while nothing comes back stays whole, and few requests are spent', async () => {
    await using gateway = await startGateway(() => badGateway);
    await using ner = clientOf(gateway);
    expect(failed(await collect(ner.extractAll(counting(100).documents)))).toHaveLength(100);
    expect(gateway.received.map(({ texts }) => texts.length).sort()).toEqual([
      ...Array(8).fill(100), // twice at first, and 6 times at last
      ...Array(4).fill(50),
    ]);
  });

  it('survives a service that is down for a while', async () => {
    await using gateway = await startGateway((_, n) => (n <= 10 ? badGateway : undefined));
    await using ner = clientOf(gateway);
    expect(failed(await collect(ner.extractAll(counting(100).documents)))).toEqual([]);
    expect(gateway.received).toHaveLength(11);
  });
});

describe('what stops all documents', () => {
  it('a wrong key is thrown, after one request', async () => {
    await using gateway = await startGateway();
    await using ner = clientOf(gateway, { apiKey: 'wrong-key' });
    await expect(collect(ner.extractAll(['Ada', 'Bob']))).rejects.toThrow('check NER_API_KEY');
    expect(gateway.received).toHaveLength(1);
  });

  it('a key that is withdrawn is thrown after what was done before', async () => {
    await using gateway = await startGateway((_, n) => (n > 2 ? kongError(401, 'Unauthorized') : undefined));
    await using ner = clientOf(gateway, { concurrency: 1 });
    const done: number[] = [];
    const all = async () => {
      for await (const { index } of ner.extractAll(counting(1000).documents)) done.push(index);
    };
    await expect(all()).rejects.toThrow('check NER_API_KEY');
    expect(done).toEqual([...Array(200).keys()]);
    expect(gateway.received).toHaveLength(3);
  });

  it('an error of the source is thrown after the outcomes of all that came before it', async () => {
    await using gateway = await startGateway();
    await using ner = clientOf(gateway);
    function* source() {
      for (let i = 0; i < 150; i++) yield `Ada ${i}`;
      throw new Error('disk on fire');
    }
    const done: number[] = [];
    const all = async () => {
      for await (const { index, ok } of ner.extractAll(source())) if (ok) done.push(index);
    };
    await expect(all()).rejects.toThrow('disk on fire');
    expect(done).toEqual([...Array(150).keys()]);
  });

  it('an abort, even while the source says nothing', async () => {
    await using gateway = await startGateway();
    await using ner = clientOf(gateway);
    async function* never(): AsyncGenerator<string> {
      yield 'Ada';
      await new Promise(() => {});
    }
    const controller = new AbortController();
    const next = ner.extractAll(never(), { signal: controller.signal }).next();
    setTimeout(() => controller.abort(new Error('enough')), 10);
    await expect(next).rejects.toThrow('enough');
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
  });

  it('an abort: the source is not read to the end of a request', async () => {
    await using gateway = await startGateway();
    await using ner = clientOf(gateway);
    const controller = new AbortController();
    let read = 0;
    let closed = false;
    async function* source() {
      try {
        for (; read < 90; read++) {
          if (read === 10) controller.abort(new Error('enough'));
          yield 'Ada';
        }
      } finally {
        closed = true;
      }
    }
    await expect(collect(ner.extractAll(source(), { signal: controller.signal }))).rejects.toThrow('enough');
    await vi.waitFor(() => expect(closed).toBe(true));
    expect(read).toBe(10);
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
  });

  it('an abort, while requests are under way', async () => {
    const controller = new AbortController();
    await using gateway = await startGateway((_, n) => {
      if (n === 3) controller.abort(new Error('enough'));
      return () => {};
    });
    await using ner = clientOf(gateway);
    await expect(collect(ner.extractAll(counting(1000).documents, { signal: controller.signal }))).rejects.toThrow(
      'enough',
    );
    await ner.close();
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
  });
});
