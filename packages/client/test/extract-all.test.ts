import { tracingChannel } from 'node:diagnostics_channel';
import { getEventListeners } from 'node:events';
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import {
  NerClient,
  type NerClientOptions,
  type NerEvent,
  type Outcome,
  type RequestTrace,
  RouteError,
  ServiceUnavailableError,
} from '../src/index.js';
import { VirtualClock } from './clock.js';
import { type Gateway, KEY, kongError, MODEL, type Reply, rateLimited, served, startGateway } from './gateway.js';

function clientOf(gateway: Gateway, options: Partial<NerClientOptions> = {}): NerClient {
  return new NerClient({ url: gateway.url, apiKey: KEY, clock: new VirtualClock(), ...options });
}

async function collect<D>(outcomes: AsyncIterable<Outcome<D>>): Promise<Outcome<D>[]> {
  const all: Outcome<D>[] = [];
  for await (const outcome of outcomes) all.push(outcome);
  return all;
}

/** Of such documents a request takes 100 while nothing is known of the service's speed. */
const text = (i: number) => `Ada ${i} `.padEnd(100, '.');

/** Documents 0, 1, 2 … and how many were asked for. */
function counting(length: number) {
  const state = { read: 0, closed: false };
  async function* documents() {
    try {
      for (let i = 0; i < length; i++) {
        state.read++;
        yield text(i);
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
      // Of those that are under way at once, the first is answered last.
      if (n === 2) await new Promise<void>((resolve) => release.push(resolve));
      if (n === 4) release[0]?.();
      return undefined;
    });
    await using ner = clientOf(gateway);
    const all = await collect(ner.extractAll(counting(400).documents));
    expect(all.map(({ index }) => index)).toEqual([...Array(400).keys()]);
    expect(all.every((outcome) => outcome.ok && outcome.entities.length === 1)).toBe(true);
  });

  it('hands out what is done while the source is slow', async () => {
    await using gateway = await startGateway();
    await using ner = clientOf(gateway);
    let more = () => {};
    async function* slow() {
      for (let i = 0; i < 100; i++) yield text(i);
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

describe('read-ahead', () => {
  it('has no more requests under way than allowed, and uses them all', async () => {
    const waiting: (() => void)[] = [];
    await using gateway = await startGateway(async (_, n) => {
      // Until the first answer tells of a limit, one is under way alone.
      if (n === 1) return undefined;
      await new Promise<void>((resolve) => {
        waiting.push(resolve);
        if (waiting.length === 3) for (const go of waiting.splice(0)) go();
      });
      return undefined;
    });
    await using ner = clientOf(gateway, { concurrency: 3 });
    expect(await collect(ner.extractAll(counting(1000).documents))).toHaveLength(1000);
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
    expect(state.read).toBeLessThanOrEqual(150 + 250_000 / 200 + 1);
    await outcomes.return();
    expect(state.closed).toBe(true);
  });

  it('closes the source and gives up requests when the loop is left', async () => {
    await using gateway = await startGateway((_, n) => (n > 1 ? () => {} : undefined));
    await using ner = clientOf(gateway);
    const { documents, state } = counting(1000);
    for await (const outcome of ner.extractAll(documents)) if (outcome.index === 5) break;
    await expect.poll(() => state.closed).toBe(true);
    await ner.close(); // would wait for a request that is never answered
  });
});

describe('one bad document', () => {
  it('is its own outcome; its neighbours are served', async () => {
    await using gateway = await startGateway(({ texts }) =>
      served(texts, (body) => ({
        ...body,
        results: body.results.map((result, i) => (i === 1 ? { error: 'No.', code: 'invalid_request' } : result)),
      })),
    );
    await using ner = clientOf(gateway);
    const documents = [{ t: 'Ada' }, { t: 'Bob' }, { t: 7 }, null, { t: 'Eve' }];
    const all = await collect(ner.extractAll(documents, { text: (document) => document?.t as string }));
    expect(all.map((outcome) => (outcome.ok ? outcome.entities[0]?.text : outcome.error.code))).toEqual([
      'Ada',
      'invalid_request',
      'invalid_text',
      'invalid_text',
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
    ['a refused request', { status: 400, body: { error: 'No.', code: 'invalid_request' } }, 'invalid_request'],
    ['an HTML page', { status: 200, headers: { 'content-type': 'text/html' }, body: '<html>' }, 'protocol'],
    ['a request that is never served', (response) => response.destroy(), 'connection_lost'],
  ])('%s fails alone', async (_, reply, code) => {
    await using gateway = await startGateway(({ texts }) => (texts.includes(text(120)) ? reply : undefined));
    await using ner = clientOf(gateway);
    const all = await collect(ner.extractAll(counting(250).documents));
    expect(all).toHaveLength(250);
    expect(all.filter(({ ok }) => !ok).map(({ index }) => index)).toEqual([120]);
    expect(all[120]).toMatchObject({ error: { code } });
  });
});

describe('a request of several texts that fails', () => {
  const silent: Reply = () => {};
  const badGateway = kongError(502, 'An invalid response was received from the upstream server');
  const failed = (all: Outcome<string>[]) => all.filter(({ ok }) => !ok).map(({ document }) => document);

  it.each<[string, Reply, string]>([
    ['502', badGateway, 'http_502'],
    ['504', { status: 504, headers: { 'content-type': 'text/html' }, body: '<html></html>' }, 'http_504'],
    ['a time-out', silent, 'timeout'],
    ['413', { status: 413, body: { error: 'Too large.', code: 'too_large' } }, 'too_large'],
  ])('by %s is sent in halves, until the text to blame fails alone', async (_, reply, code) => {
    await using gateway = await startGateway(({ texts }) => (texts.includes(text(70)) ? reply : undefined));
    await using ner = clientOf(gateway, { attemptTimeoutMs: code === 'timeout' ? 100 : 5000 });
    const all = await collect(ner.extractAll(counting(100).documents));
    expect(all.map(({ index }) => index)).toEqual([...Array(100).keys()]);
    expect(failed(all)).toEqual([text(70)]);
    expect(all[70]).toMatchObject({ error: { code } });
    // 2 of all, 1 + 2 of each pair of halves, and all attempts of the one.
    expect(gateway.received.length).toBeLessThanOrEqual(2 + 7 * 3 + 6);
  });

  it('while nothing comes back is sent once, then probes are, and nothing is settled', async () => {
    await using gateway = await startGateway(() => badGateway);
    await using ner = clientOf(gateway, { outageMs: 300_000 });
    const outcomes = ner.extractAll(counting(100).documents);
    await expect(outcomes.next()).rejects.toBeInstanceOf(ServiceUnavailableError);
    const [first, ...probes] = gateway.received.map(({ texts }) => texts);
    expect(first).toHaveLength(100);
    expect(new Set(probes.flat())).toEqual(new Set(['']));
    expect(probes.length).toBeLessThan(40);
  });

  it.each([[[10, 80]], [[0, 99]], [[0, 1, 50, 98]], [[3, 14, 26, 37, 49, 61, 72, 84, 95]]])(
    'several poisonous texts fail alone: %j',
    async (poisonous) => {
      const bad = new Set(poisonous.map(text));
      await using gateway = await startGateway(({ texts }) =>
        texts.some((it) => bad.has(it)) ? badGateway : undefined,
      );
      await using ner = clientOf(gateway);
      const lost = failed(await collect(ner.extractAll(counting(100).documents)));
      expect(lost).toEqual(poisonous.map(text));
    },
  );

  it('of two texts, both to blame: both fail alone', async () => {
    await using gateway = await startGateway(({ texts }) => (texts[0] === '' ? undefined : badGateway));
    await using ner = clientOf(gateway);
    expect(failed(await collect(ner.extractAll(['Ada', 'Bob'])))).toEqual(['Ada', 'Bob']);
    expect(gateway.received.length).toBeLessThan(30);
  });

  it('survives a service that is down for a while', async () => {
    await using gateway = await startGateway((_, n) => (n <= 10 ? badGateway : undefined));
    await using ner = clientOf(gateway);
    expect(failed(await collect(ner.extractAll(counting(100).documents)))).toEqual([]);
    expect(gateway.received.length).toBeLessThanOrEqual(20);
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
      for (let i = 0; i < 150; i++) yield text(i);
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
    const outcomes = ner.extractAll(never(), { signal: controller.signal });
    await outcomes.next();
    const next = outcomes.next();
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
    await expect.poll(() => closed).toBe(true);
    expect(read).toBe(10);
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
  });

  it('an abort, while requests are under way', async () => {
    const controller = new AbortController();
    await using gateway = await startGateway((_, n) => {
      if (n === 1) return undefined;
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

describe('a long document', () => {
  const words = (n: number) => Array.from({ length: n }, (_, i) => (i % 5 ? 'lower' : `Name${'abcdefghij'[i % 10]}`));

  it('is cut, and its entities are those of the whole', async () => {
    await using gateway = await startGateway();
    await using ner = clientOf(gateway);
    const long = words(20_000).join(' ');
    const [outcome, neighbour] = await collect(ner.extractAll([long, 'Ada']));
    expect(gateway.received.length).toBeGreaterThan(1);
    for (const { texts } of gateway.received) for (const it of texts) expect(it.length).toBeLessThan(40_000);
    if (!outcome?.ok) throw outcome?.error;
    expect(outcome.entities.map(({ start }) => start)).toEqual([...long.matchAll(/Name./g)].map(({ index }) => index));
    for (const { text: found, start, end } of outcome.entities) expect(long.slice(start, end)).toBe(found);
    expect(neighbour).toMatchObject({ ok: true, index: 1, entities: [{ text: 'Ada' }] });
    expect(await ner.extract(long)).toEqual(outcome.entities);
  });

  it('fails when one of its pieces fails, and its neighbours do not', async () => {
    const poison = 'Poison';
    await using gateway = await startGateway(({ texts }) =>
      served(texts, (body) => ({
        ...body,
        results: body.results.map((result, i) =>
          texts[i]?.includes(poison) ? { error: 'No.', code: 'invalid_text' } : result,
        ),
      })),
    );
    await using ner = clientOf(gateway);
    const long = [...words(8000), poison, ...words(8000)].join(' ');
    const all = await collect(ner.extractAll(['Ada', long, 'Bob']));
    expect(all.map((it) => it.ok || it.error.code)).toEqual([true, 'invalid_text', true]);
  });
});

describe('the limits that the service tells', () => {
  const MODEL_INFO = { model: MODEL, labels: ['NAME'] };

  it('a text that it takes whole is not cut, one unit more is', async () => {
    await using gateway = await startGateway();
    const limits = { max_body_bytes: 60_000, max_texts: 1024, max_characters: 60_000, max_text_characters: 60_000 };
    gateway.model = { ...MODEL_INFO, limits };
    await using ner = clientOf(gateway);
    const whole = 'name '.repeat(4_000);
    await collect(ner.extractAll([whole]));
    expect(gateway.received.map(({ texts }) => texts)).toEqual([[whole]]);
    await collect(ner.extractAll([`${whole}.`]));
    expect(gateway.received.slice(1).flatMap(({ texts }) => texts).length).toBeGreaterThan(1);
  });

  it('are asked for once, and kept', async () => {
    await using gateway = await startGateway();
    const limits = { max_body_bytes: 1000, max_texts: 4, max_characters: 1000, max_text_characters: 300 };
    gateway.model = { ...MODEL_INFO, limits: { ...limits, more: 1 } };
    await using ner = clientOf(gateway);
    const documents = [...Array(9).fill('Ada'), ...Array(9).fill('é'.repeat(250)), 'Bob '.repeat(1000)];
    const all = await collect(ner.extractAll(documents));
    expect(all.every(({ ok }) => ok)).toBe(true);
    expect(gateway.asked).toEqual(['/nlp/ner/model']);
    for (const { texts, body } of gateway.received) {
      expect(texts.length).toBeLessThanOrEqual(4);
      expect(texts.join('').length).toBeLessThanOrEqual(1000);
      for (const it of texts) expect(it.length).toBeLessThanOrEqual(300);
      expect(Buffer.byteLength(body)).toBeLessThanOrEqual(1000);
    }
    await collect(ner.extractAll(['Eve']));
    expect(gateway.asked).toHaveLength(1);
    expect(await ner.describe()).toMatchObject({ ...MODEL_INFO, limits });
  });

  it('are the usual ones where the route for it is missing, and describe says so', async () => {
    await using gateway = await startGateway();
    await using ner = clientOf(gateway);
    expect(await collect(ner.extractAll(['Ada']))).toMatchObject([{ ok: true }]);
    await expect(ner.describe()).rejects.toBeInstanceOf(RouteError);
  });
});

describe('filling', () => {
  /** A gateway with Kong's limit, whose service takes `msPerText`. */
  const limited = (msPerText: number, limit: number | undefined) =>
    startGateway(({ texts }) => {
      const reply = served(texts) as { headers: Record<string, string> };
      reply.headers['server-timing'] = `ner;dur=${texts.length * msPerText}`;
      if (limit) {
        reply.headers['x-ratelimit-limit-minute'] = String(limit);
        reply.headers['x-ratelimit-remaining-minute'] = String(limit - 1);
      }
      return { ...reply, status: 200 };
    });

  it.each([
    ['with 5 slots and 100 a minute: 3 s', 30, 100, 100],
    ['with 5 slots and 300 a minute: 1 s', 30, 300, 33],
    ['without a limit: 1 s', 30, undefined, 33],
    ['never longer than 8 s', 100, 2, 80],
    ['never more texts than a request may have', 0.1, 100, 1024],
  ])('takes as much as the service works on in its share of the budget: %s', async (_, msPerText, limit, texts) => {
    await using gateway = await limited(msPerText, limit);
    await using ner = clientOf(gateway);
    for await (const { index } of ner.extractAll(counting(10_000).documents)) if (index > 3 * texts) break;
    expect(gateway.received[1]?.texts).toHaveLength(texts);
  });

  it('sends what there is when the source has nothing ready', async () => {
    await using gateway = await startGateway();
    await using ner = clientOf(gateway);
    const waiting: (() => void)[] = [];
    async function* slow() {
      for (let i = 0; i < 3; i++) {
        yield `Ada ${i}`;
        yield `Bob ${i}`;
        await new Promise<void>((resolve) => waiting.push(resolve));
      }
    }
    const indexes: number[] = [];
    for await (const { index } of ner.extractAll(slow())) {
      indexes.push(index);
      if (index % 2) waiting.shift()?.();
    }
    expect(indexes).toEqual([0, 1, 2, 3, 4, 5]);
    expect(gateway.received.map(({ texts }) => texts)).toEqual([0, 1, 2].map((i) => [`Ada ${i}`, `Bob ${i}`]));
  });
});

describe('texts that come back undone', () => {
  const undone =
    (count: number, code = 'deadline_exceeded') =>
    ({ texts }: { texts: string[] }) =>
      served(texts, (body) => ({
        ...body,
        results: body.results.map((result, i) => (i < count ? result : { error: 'No time.', code })),
      }));

  it.each(['deadline_exceeded', 'response_too_large'])('for %s go into the next request, first', async (code) => {
    await using gateway = await startGateway(undone(30, code));
    await using ner = clientOf(gateway, { concurrency: 1 });
    const all = await collect(ner.extractAll(counting(250).documents));
    expect(all.map((it) => it.ok && it.index)).toEqual([...Array(250).keys()]);
    expect(gateway.received[1]?.texts[0]).toBe(text(30));
  });

  it('again and again, with nothing else done, fail', async () => {
    await using gateway = await startGateway(undone(0));
    await using ner = clientOf(gateway);
    const all = await collect(ner.extractAll(['Ada', 'Bob']));
    expect(all).toMatchObject(Array(2).fill({ ok: false, error: { code: 'deadline_exceeded' } }));
    expect(gateway.received).toHaveLength(6);
  });
});

describe('options of a run', () => {
  it('labels keep those, after merging', async () => {
    await using gateway = await startGateway();
    await using ner = clientOf(gateway);
    expect(await ner.extract('Ada', { labels: ['ORG'] })).toEqual([]);
    expect(await ner.extract('Ada', { labels: ['ORG', 'NAME'] })).toHaveLength(1);
  });

  it('order: completion hands out what is done first', async () => {
    let release = () => {};
    await using gateway = await startGateway(async (_, n) => {
      if (n === 2) {
        await new Promise<void>((resolve) => {
          release = resolve;
        });
      }
      return undefined;
    });
    await using ner = clientOf(gateway);
    const indexes: number[] = [];
    for await (const { index } of ner.extractAll(counting(300).documents, { order: 'completion' })) {
      indexes.push(index);
      if (indexes.length === 200) release();
    }
    expect(indexes).toEqual([
      ...Array(100).keys(),
      ...[...Array(100).keys()].map((i) => i + 200),
      ...[...Array(100).keys()].map((i) => i + 100),
    ]);
  });

  it('an ill-formed text is sent with U+FFFD, and its entities are slices of the caller’s text', async () => {
    await using gateway = await startGateway(({ texts }) =>
      served(texts, (body) => ({
        ...body,
        results: texts.map((it) => ({
          entities: [{ text: it.slice(4), label: 'X', start_char: 4, end_char: it.length }],
        })),
      })),
    );
    await using ner = clientOf(gateway);
    expect(await ner.extract('Ada B\ud83db')).toEqual([{ text: 'B\ud83db', label: 'X', start: 4, end: 7 }]);
    expect(gateway.received[0]?.texts).toEqual(['Ada B\ufffdb']);
  });

  it.each([
    [{ order: 'random' }, "order must be 'input' or 'completion', not 'random'"],
    [{ labels: 'ORG' }, 'labels must be an array'],
    [{ text: 'body' }, 'text must be a function'],
  ])('%j is refused', async (options, sentence) => {
    await using gateway = await startGateway();
    await using ner = clientOf(gateway);
    await expect(collect(ner.extractAll(['Ada'], options as object))).rejects.toThrow(sentence);
    expect(gateway.received).toHaveLength(0);
  });
});

describe('a wait', () => {
  it('is told of: for the limit, and because the service is away', async () => {
    await using gateway = await startGateway((_, n) => [rateLimited(41), kongError(503, 'busy')][n - 1]);
    const waits: NerEvent[] = [];
    const onEvent = (event: NerEvent) => event.type !== 'answer' && waits.push(event);
    await using ner = clientOf(gateway, { onEvent, outageMs: 60_000 });
    await ner.extract('Ada');
    expect(waits).toMatchObject([
      { type: 'wait', ms: expect.toSatisfy((ms) => ms >= 40_000), reason: '100 of 100 used this minute' },
      { type: 'outage', ms: expect.toSatisfy((ms) => ms >= 750), left: 60_000, error: { code: 'http_503' } },
    ]);
  });

  it('for a busy function halves what is under way at once, and costs no attempt', async () => {
    const busy = { status: 429, headers: { via: '1.1 kong/3.9.3' }, body: { Message: 'Rate Exceeded.' } };
    await using gateway = await startGateway((_, n) => (n > 1 && n < 12 ? busy : undefined));
    await using ner = clientOf(gateway);
    const all = await collect(ner.extractAll(counting(2000).documents));
    expect(all.every(({ ok }) => ok)).toBe(true);
  });
});

describe('a request on its way', () => {
  it('can be traced', async () => {
    await using gateway = await startGateway((_, n) => (n === 1 ? kongError(503, 'busy') : undefined));
    await using ner = clientOf(gateway);
    const channel = tracingChannel<'burst-ner:request', RequestTrace>('burst-ner:request');
    const seen: unknown[] = [];
    const subscribers = {
      start: () => {},
      end: () => {},
      asyncStart: () => {},
      asyncEnd: (it: unknown) => seen.push(it),
      error: () => {},
    };
    channel.subscribe(subscribers);
    await ner.extract('Ada');
    channel.unsubscribe(subscribers);
    expect(seen).toMatchObject([
      { url: gateway.url, attempt: 1, texts: 1, status: 503, error: { code: 'http_503' } },
      { attempt: 2, status: 200, requestId: 'e2d3' },
    ]);
    expect(inspect(seen, { depth: 9, showHidden: true })).not.toContain(KEY);
  });
});

describe('a run at the end of the budget', () => {
  // In real time: the next window is a minute away, which these tests do not have.
  const soon = { timeout: 50_000 };

  /** Two requests a minute; the first minute has just begun. */
  const twoAMinute = (script: (n: number) => Reply | undefined = () => undefined) =>
    startGateway(({ texts }, n) => {
      const reply = (script(n) ?? served(texts)) as { status: number; headers: Record<string, string>; body: unknown };
      const budget = {
        'ratelimit-limit': '2',
        'ratelimit-remaining': String(Math.max(0, 2 - n)),
        'ratelimit-reset': '60',
        'x-ratelimit-limit-minute': '2',
        'x-ratelimit-remaining-minute': String(Math.max(0, 2 - n)),
      };
      return { ...reply, headers: { ...reply.headers, ...budget } };
    });

  it('ends with its last outcome, not with the next window', soon, async () => {
    await using gateway = await twoAMinute();
    await using ner = new NerClient({ url: gateway.url, apiKey: KEY });
    expect(await collect(ner.extractAll(counting(101).documents))).toHaveLength(101);
    expect(gateway.received).toHaveLength(2);
  });

  it('is ended at once by what every document would meet', soon, async () => {
    await using gateway = await twoAMinute((n) => (n === 2 ? kongError(401, 'Unauthorized') : undefined));
    await using ner = new NerClient({ url: gateway.url, apiKey: KEY });
    await expect(collect(ner.extractAll(counting(1000).documents))).rejects.toThrow('check NER_API_KEY');
  });

  it('sends nothing more of a document that has failed', soon, async () => {
    const results = [{ error: 'No.', code: 'invalid_request' }];
    await using gateway = await twoAMinute((n) =>
      n === 1 ? { status: 200, headers: {}, body: { results, model: MODEL } } : undefined,
    );
    await using ner = new NerClient({ url: gateway.url, apiKey: KEY });
    const long = 'word '.repeat(6000);
    expect(await collect(ner.extractAll([long]))).toMatchObject([{ ok: false, error: { code: 'invalid_request' } }]);
  });
});

describe('a callback that throws', () => {
  it('is a warning of the process, and holds nothing up', async () => {
    await using gateway = await startGateway((_, n) => [rateLimited(41), kongError(503, 'busy')][n - 1]);
    const bad = () => {
      throw new Error('my own fault');
    };
    const warnings: Error[] = [];
    const onWarning = (warning: Error) => warnings.push(warning);
    process.on('warning', onWarning);
    await using ner = clientOf(gateway, { onEvent: bad });
    const all = await collect(ner.extractAll(counting(300).documents));
    await new Promise((resolve) => setImmediate(resolve));
    process.off('warning', onWarning);
    expect(all.every(({ ok }) => ok)).toBe(true);
    expect(warnings.map(({ message }) => message)).toContain('my own fault');
  });
});

describe('a source', () => {
  it('that is slow to close does not hold up an abort', async () => {
    await using gateway = await startGateway(() => () => {});
    await using ner = clientOf(gateway);
    let close = () => {};
    async function* source() {
      try {
        yield* Array.from({ length: 1000 }, (_, i) => text(i));
      } finally {
        await new Promise<void>((resolve) => {
          close = resolve;
        });
      }
    }
    const controller = new AbortController();
    const all = collect(ner.extractAll(source(), { signal: controller.signal }));
    await expect.poll(() => gateway.received).toHaveLength(1);
    controller.abort(new Error('enough'));
    await expect(all).rejects.toThrow('enough');
    close();
  });

  it('that is none is refused', async () => {
    await using gateway = await startGateway();
    await using ner = clientOf(gateway);
    await expect(collect(ner.extractAll(5 as unknown as string[]))).rejects.toThrow('takes an iterable');
  });

  it('is sent on while nobody takes outcomes', async () => {
    await using gateway = await startGateway();
    await using ner = clientOf(gateway, { concurrency: 2 });
    const outcomes = ner.extractAll(counting(1000).documents);
    await outcomes.next();
    await expect.poll(() => gateway.received.length).toBeGreaterThan(4);
    await outcomes.return();
  });
});

describe('several runs of one client', () => {
  it('ask for the limits once', async () => {
    await using gateway = await startGateway();
    await using ner = clientOf(gateway);
    const long = 'Ada '.repeat(4000);
    await Promise.all(Array.from({ length: 20 }, () => ner.extract(long)));
    expect(gateway.asked).toHaveLength(1);
  });

  it('each with its share of the budget fill their requests accordingly', async () => {
    const second = async (budgetShare: number) => {
      await using gateway = await startGateway(({ texts }) => ({
        ...(served(texts) as { body: unknown }),
        status: 200,
        headers: {
          'server-timing': `ner;dur=${texts.length * 100}`,
          'x-ratelimit-limit-minute': '100',
          'x-ratelimit-remaining-minute': '99',
        },
      }));
      await using ner = clientOf(gateway, { budgetShare });
      for await (const { index } of ner.extractAll(counting(2000).documents)) if (index > 150) break;
      return gateway.received[1]?.texts.length ?? 0;
    };
    // One more or less by what the way there and back took.
    expect(Math.abs((await second(1)) - 30)).toBeLessThanOrEqual(1);
    expect(Math.abs((await second(0.5)) - 60)).toBeLessThanOrEqual(2);
  });
});
