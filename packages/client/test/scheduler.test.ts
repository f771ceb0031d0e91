import { getEventListeners } from 'node:events';
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { Kong, NINE } from '../../../bench/client/kong.mjs';
import { inTimeOf } from '../../../bench/client/virtual-clock.mjs';
import { VirtualDispatcher } from '../../../bench/client/virtual-dispatcher.mjs';
import { systemClock } from '../src/clock.js';
import {
  NerClient,
  type NerClientOptions,
  type NerError,
  type NerEvent,
  type Outcome,
  RequestError,
  ServiceUnavailableError,
  TimeoutError,
} from '../src/index.js';
import { backOff } from '../src/outage.js';
import { VERDICTS } from '../src/verdict.js';
import { seeded, VirtualClock } from './clock.js';
import { type Gateway, KEY, kongError, MODEL, type Reply, rateLimited, served, startGateway } from './gateway.js';

const reset: Reply = (response) => response.destroy();
const half: Reply = (response) => {
  response.writeHead(200, { 'content-length': '1000' }).write('{"results":', () => response.destroy());
};
const throttled: Reply = {
  status: 429,
  headers: { via: '1.1 kong/3.9.3', 'x-kong-upstream-latency': '9', 'ratelimit-remaining': '57' },
  body: { Reason: 'ConcurrentInvocationLimitExceeded', Message: 'Rate Exceeded.' },
};
const page = (status: number, headers: Record<string, string> = {}): Reply => ({
  status,
  headers: { 'content-type': 'text/html', ...headers },
  body: '<html>Ada Lovelace</html>',
});
const clientOf = (gateway: Gateway, options: Partial<NerClientOptions> = {}) =>
  new NerClient({ url: gateway.url, apiKey: KEY, clock: new VirtualClock(), ...options });

/** Sends one text to a gateway that answers `replies` first; tells the requests and how it ended. */
async function run(replies: Reply[], options: Partial<NerClientOptions> = {}) {
  await using gateway = await startGateway((_, n) => replies[n - 1]);
  const clock = new VirtualClock(0);
  const attempts: number[] = [];
  const onEvent = (event: NerEvent) => event.type === 'answer' && attempts.push(event.attempt);
  await using ner = clientOf(gateway, { clock, onEvent, ...options });
  const result = await ner.extract('Ada', { alone: true }).catch((error) => error);
  const requests = gateway.received.map(({ texts }) => texts[0]);
  return { result, requests, attempts, sleeps: clock.sleeps, now: clock.now() };
}

async function collect<D>(outcomes: AsyncIterable<Outcome<D>>) {
  const all: Outcome<D>[] = [];
  let error: NerError | undefined;
  try {
    for await (const outcome of outcomes) all.push(outcome);
  } catch (reason) {
    error = reason as NerError;
  }
  const failed = all.filter(({ ok }) => !ok);
  return { all, error, failed: failed.map(({ document }) => document) };
}

/** Of such documents a request takes 100 while nothing is known of the service's speed. */
const document = (i: number) => `Ada ${i} `.padEnd(100, '.');
const documents = (n: number) => Array.from({ length: n }, (_, i) => document(i));

describe('a bad moment', () => {
  it.each<[string, Reply]>([
    ['429 of the gateway', rateLimited(1)],
    ['429 of the function', throttled],
    ['503', { status: 503, body: { error: 'The model cannot be loaded.', code: 'model_unavailable' } }],
    ['408', kongError(408, 'Request timeout')],
    ['500', { status: 500, body: { error: 'Internal server error.', code: 'internal' } }],
    ['502', kongError(502, 'An invalid response was received from the upstream server')],
    ['504 as an HTML page', page(504)],
    ['a reset', reset],
    ['an answer that breaks off', half],
  ])('is survived: %s', async (_, reply) => {
    const { result, requests } = await run([reply, reply]);
    expect(result).toHaveLength(1);
    expect(requests.length).toBeLessThanOrEqual(4);
    expect(requests.at(-1)).toBe('Ada');
  });

  it.each<[string, Reply]>([
    ['the gateway’s limit', rateLimited(42)],
    ['Lambda’s', throttled],
  ])('costs nothing of the patience for an outage when it is %s', async (_, refusal) => {
    const { result, now } = await run(Array<Reply>(6).fill(refusal), { outageMs: 60_000 });
    expect(result).toHaveLength(1);
    expect(now).toBeGreaterThan(20_000);
  });

  it('is waited for longer each time, some of it by chance, up to 12 s', () => {
    const waits = (random: number) => [1, 2, 3, 4, 5, 6].map((failures) => backOff(failures, undefined, random));
    expect(waits(1)).toEqual([1000, 2000, 4000, 8000, 12_000, 12_000]);
    expect(waits(0)).toEqual([750, 1500, 3000, 6000, 9000, 9000]);
  });

  it.each([
    ['a number', '42', 42_000],
    ['a fraction, rounded up', '32.7', 33_000],
    ['a date, by the answer’s own Date', 'Mon, 23 Nov 2026 09:28:00 GMT', 42_000],
    ['a date in the past', 'Mon, 23 Nov 2026 09:27:00 GMT', 750],
    ['below zero', '-5', 750],
    ['a date as asctime writes it', 'Mon Nov 23 09:28:00 2026', 42_000],
    ['a word', 'soon', 750],
    ['nothing', '', 750],
  ])('asks for a wait by Retry-After: %s', async (_, value, ms) => {
    process.env['TZ'] = 'Asia/Tokyo'; // a date without a zone is GMT, wherever this runs
    const headers = { date: 'Mon, 23 Nov 2026 09:27:18 GMT', 'retry-after': value };
    const { sleeps } = await run([kongError(503, 'busy', headers)]);
    expect(sleeps).toEqual([ms]);
  });

  it('of another status asks for a wait, too', async () => {
    const { sleeps, result } = await run([page(502, { 'retry-after': '42' })]);
    expect([sleeps, result]).toEqual([[42_000], [expect.anything()]]);
  });

  it('of one attempt that takes too long is tried again', async () => {
    await using gateway = await startGateway((_, n) => (n === 1 ? () => {} : undefined));
    await using ner = clientOf(gateway, { attemptTimeoutMs: 100 });
    expect(await ner.extract('Ada')).toHaveLength(1);
  });

  it('of a call with timeoutMs ends it in time, with its own sentence', async () => {
    await using gateway = await startGateway(() => (response) => response.writeHead(200).write('{'));
    await using ner = clientOf(gateway);
    const error = await ner.extract('Ada', { timeoutMs: 100 }).catch((e) => e);
    expect(error).toBeInstanceOf(TimeoutError);
    expect(error.message).toBe('the call took longer than timeoutMs, 100 ms');
    const { error: late } = await collect(ner.extractAll(['Ada'], { timeoutMs: 100 }));
    expect(late).toBeInstanceOf(TimeoutError);
  });
});

describe('the caller’s fault', () => {
  const location = 'https://kong.example.com/nlp/ner?token=secret';
  it.each<[string, Reply, string]>([
    ['401', kongError(401, 'Unauthorized'), 'check NER_API_KEY'],
    ['403', kongError(403, 'You cannot consume this service'), 'burst-ner doctor tells who refused'],
    ['404', kongError(404, 'no Route matched with those values'), 'url must include the route'],
    ['301', page(301, { location }), 'names https://kong.example.com/nlp/ner: set url to that'],
    ['302', page(302, { location: '/login' }), '/login: set url to that'],
    ['307', page(307, { location }), 'set url to that'],
    ['308', page(308, { location }), 'set url to that'],
    ['300 without a Location', page(300), 'answered 300'],
    ['405', page(405), 'is url the whole address'],
    ['407', page(407), 'the proxy wants a password'],
    ['411', page(411), 'wants another kind of request'],
    ['415', page(415), 'takes no JSON'],
    ['426', page(426), 'try https://'],
    ['400 of a server that expects TLS', page(400), 'answered 400'],
    ['an HTML page with 200', page(200), 'text/html'],
    ['an encoded answer', { status: 200, headers: { 'content-encoding': 'br' }, body: 'x' }, 'as br'],
  ])('stops at once and settles nothing: %s', async (_, reply, part) => {
    await using gateway = await startGateway(() => reply);
    await using ner = clientOf(gateway);
    const { all, error } = await collect(ner.extractAll(documents(300)));
    expect(all).toEqual([]);
    expect(error?.message).toContain(part);
    expect(`${error?.message}`).not.toMatch(/Lovelace|secret/);
    // Where a text might be to blame, an empty one tells that it is not.
    expect(gateway.received.slice(1).map(({ texts }) => texts)).toEqual(gateway.received.length > 1 ? [['']] : []);
  });

  it.each<[string, Reply]>([
    ['413', kongError(413, 'Request size limit exceeded')],
    ['400 by a code of the service', { status: 400, body: { error: 'Invalid JSON.', code: 'invalid_json' } }],
  ])('settles nothing when even an empty text is refused: %s', async (_, reply) => {
    await using gateway = await startGateway(() => reply);
    await using ner = clientOf(gateway);
    const { all, error } = await collect(ner.extractAll(documents(300)));
    expect([all, error?.status]).toEqual([[], Number.parseInt(_, 10)]);
    expect(gateway.received.length).toBeLessThan(12);
  });

  it.each([
    [403, [170, 420]],
    [404, [170, 420]],
    [200, [170, 420]],
    // What firewalls answer to a text they dislike.
    [302, [170, 420]],
    [405, [170, 420]],
    [501, [0, 420]],
    [503, [0, 170]],
    [403, [0]],
    [404, [50]],
    [200, [0, 99, 100]],
  ])('it is not when other texts are served: %i for some fails them alone', async (status, numbers) => {
    const bad = new Set(numbers.map(document));
    await using gateway = await startGateway(({ texts }) =>
      texts.some((it) => bad.has(it)) ? page(status) : undefined,
    );
    await using ner = clientOf(gateway);
    const { all, failed } = await collect(ner.extractAll(documents(600)));
    expect(all).toHaveLength(600);
    expect(new Set(failed)).toEqual(bad);
  });

  it('is not its fault after a success: a single 404, while the gateway reloads, is tried again', async () => {
    await using gateway = await startGateway((_, n) => (n === 3 ? kongError(404, 'no Route matched') : undefined));
    await using ner = clientOf(gateway, { concurrency: 1 });
    for (const name of ['Ada', 'Bob', 'Eve']) expect(await ner.extract(name)).toHaveLength(1);
  });

  it.each([403, 404, 200, 301, 405])(
    'it is again when nothing else is served either: %i settles nothing',
    async (status) => {
      await using gateway = await startGateway((_, n) => (n > 2 ? page(status) : undefined));
      await using ner = clientOf(gateway, { concurrency: 1 });
      const { all, error } = await collect(ner.extractAll(documents(600)));
      expect(all.map(({ ok }) => ok)).toEqual(Array(200).fill(true));
      expect(error?.status).toBe(status);
      expect(gateway.received.length).toBeLessThan(10);
    },
  );
});

describe('the apiKey function', () => {
  it('gives the key of each request, and another one after a 401', async () => {
    await using gateway = await startGateway(({ headers }) =>
      headers['apikey'] === 'old' ? kongError(401, 'Unauthorized') : undefined,
    );
    const keys = ['old', KEY, KEY, KEY];
    await using ner = clientOf(gateway, { apiKey: async () => keys.shift() });
    expect(await ner.extract('Ada')).toHaveLength(1);
    expect(await ner.extract('Bob')).toHaveLength(1);
    expect(gateway.received.map(({ headers }) => headers['apikey'])).toEqual(['old', KEY, KEY]);
  });

  it('that gives none, or fails, ends the call', async () => {
    await using gateway = await startGateway();
    const none = clientOf(gateway, { apiKey: () => undefined });
    await expect(none.extract('Ada')).rejects.toThrow('NER_API_KEY');
    const broken = clientOf(gateway, { apiKey: () => Promise.reject(new Error('vault')) });
    await expect(broken.extract('Ada')).rejects.toThrow('gave no key');
    expect(gateway.received).toHaveLength(0);
  });
});

/** Documents through Kong in virtual time, where each takes 50 ms of the service. */
async function batch(
  n: number,
  options: ConstructorParameters<typeof Kong>[1],
  client: Partial<NerClientOptions> = {},
  bad: ReadonlySet<number> = new Set(),
) {
  const clock = new VirtualClock(seeded(1));
  let away = 0;
  const outage = options.outage ?? (() => undefined);
  const kong = new Kong(clock, { ...options, server: (local) => NINE + 20_000 + local });
  return inTimeOf(clock, NINE, async () => {
    const dispatcher = new VirtualDispatcher(async (texts) => {
      if (outage(clock.now()) !== undefined) away++;
      const answer = await kong.request(50 * texts.length);
      return texts.some((text) => bad.has(Number.parseInt(text, 10))) ? { ...answer, status: 502 } : answer;
    });
    const ner = new NerClient({ url: 'http://gateway.test/nlp/ner', apiKey: 'key', clock, dispatcher, ...client });
    const texts = Array.from({ length: n }, (_, i) => `${i} `.padEnd(1000, 'x'));
    const result = await collect(ner.extractAll(texts));
    return { ...result, seconds: clock.now() / 1000, away, ner };
  });
}

describe('the service is away', () => {
  it.each([503, 502, 504, 500, 'reset', 'refused', 'unknown host'] as const)(
    '%s for 60 s: everybody waits, one probe at a time, and nothing is lost',
    async (kind) => {
      const { all, error, failed, away } = await batch(3000, {
        outage: (now) => (now > 20_000 && now < 80_000 ? kind : undefined),
      });
      expect({ error, failed }).toEqual({ error: undefined, failed: [] });
      expect(all).toHaveLength(3000);
      expect(away).toBeGreaterThan(3);
      expect(away).toBeLessThanOrEqual(20);
    },
  );

  it.each([503, 'reset'] as const)('%s for longer than outageMs stops, and settles nothing', async (kind) => {
    const result = await batch(3000, { outage: (now) => (now > 20_000 ? kind : undefined) }, { outageMs: 60_000 });
    expect(result.error).toBeInstanceOf(ServiceUnavailableError);
    expect(result.error?.message).toContain('60 s are the most (outageMs)');
    expect(result.all.length).toBeGreaterThan(100);
    expect(result.failed).toEqual([]);
    expect(result.seconds).toBeLessThan(90);
  });

  it('a Retry-After beyond outageMs is not waited for', async () => {
    const { error, all, away, seconds } = await batch(100, { outage: () => 503, retryAfter: 3600 });
    expect(error).toBeInstanceOf(ServiceUnavailableError);
    expect(error?.message).toContain('asks to wait 3600 s');
    expect({ all, away }).toEqual({ all: [], away: 1 });
    expect(seconds).toBeLessThan(5);
  });

  it('waits for the rate limit do not count, and the next call has an outage of its own', async () => {
    await using gateway = await startGateway((_, n) =>
      n === 1 || n === 5 ? kongError(503, 'busy') : n < 4 ? rateLimited(3000) : undefined,
    );
    await using ner = clientOf(gateway, { outageMs: 60_000 });
    expect(await ner.extract('Ada')).toHaveLength(1);
    expect(await ner.extract('Bob')).toHaveLength(1);
  });
});

describe('nothing listens, and nothing ever did', () => {
  it('is waited for while the service is started, and told at once', async () => {
    const events: NerEvent[] = [];
    const { all, failed } = await batch(
      100,
      { outage: (now) => (now < 30_000 ? 'refused' : undefined) },
      { onEvent: (event) => events.push(event) },
    );
    expect({ all: all.length, failed }).toEqual({ all: 100, failed: [] });
    expect(events[0]).toMatchObject({ type: 'outage', left: 60_000, error: { code: 'unreachable' } });
  });

  it('ends after a minute, whatever outageMs is', async () => {
    const { all, error, seconds } = await batch(100, { outage: () => 'refused' });
    expect(error).toBeInstanceOf(ServiceUnavailableError);
    expect(error?.message).toContain('60 s are the most where nothing ever answered');
    expect(error?.message).toContain('check url');
    expect(all).toEqual([]);
    expect(seconds).toBeLessThanOrEqual(60);
  });
});

describe('a text that is too much by itself', () => {
  const long = Array.from({ length: 2000 }, (_, i) => (i % 7 ? 'word' : `Ada${i}`)).join(' ');
  const tooLong = (texts: string[], most: number) => texts.some((text) => text.length > most);
  const refusing = (code: string) => (texts: string[]) =>
    served(texts, ({ results, model }) => {
      const error = { error: 'Send it in parts.', code };
      return { results: results.map((it, i) => (tooLong([texts[i] as string], 4000) ? error : it)), model };
    });
  it.each<[string, (texts: string[]) => Reply]>([
    ['413 of the gateway', () => kongError(413, 'Request size limit exceeded')],
    ['too_large', refusing('too_large')],
    ['no time', refusing('deadline_exceeded')],
  ])('is cut again and joined: %s', async (_, refuse) => {
    await using gateway = await startGateway(({ texts }) => (tooLong(texts, 4000) ? refuse(texts) : undefined));
    await using ner = clientOf(gateway);
    const entities = await ner.extract(long);
    expect(entities).toHaveLength(286);
    for (const { text, start, end } of entities) expect(long.slice(start, end)).toBe(text);
  });

  it('is told when its parts are too much, too', async () => {
    await using gateway = await startGateway(({ texts }) =>
      tooLong(texts, 500) ? kongError(413, 'Request size limit exceeded') : undefined,
    );
    await using ner = clientOf(gateway);
    const { all, failed } = await collect(ner.extractAll(['Ada', long, 'Bob']));
    expect(failed).toEqual([long]);
    expect(all.map((it) => it.ok || it.error.code)).toEqual([true, 'http_413', true]);
    expect(gateway.received.length).toBeLessThan(15);
  });
});

describe('the bytes of a body', () => {
  const bytes = ({ received }: Gateway) => received.map(({ body }) => Buffer.byteLength(body));
  const roomy = { max_texts: 1024, max_characters: 1_048_576, max_text_characters: 1_048_576 };
  it.each([
    ['400,000 Chinese characters in many texts', Array(400).fill('界'.repeat(1000))],
    ['400,000 in one', ['界'.repeat(400_000)]],
    ['characters that JSON escapes', Array(300).fill('\u0001'.repeat(1000))],
    ['escapes in one', ['\u0001'.repeat(100_000)]],
    ['emoji in one text', ['😀'.repeat(200_000)]],
  ])('stay within the limit: %s', async (_, texts) => {
    for (const max_body_bytes of [1_048_576, 40_000]) {
      await using gateway = await startGateway();
      gateway.model = { model: MODEL, labels: [], limits: { ...roomy, max_body_bytes } };
      await using ner = clientOf(gateway);
      const { failed } = await collect(ner.extractAll(texts));
      expect(failed).toEqual([]);
      expect(Math.max(...bytes(gateway))).toBeLessThanOrEqual(max_body_bytes);
    }
  });

  it('are fewer after a 413 of a gateway that takes less than it tells', async () => {
    const most = 30_000;
    await using gateway = await startGateway(({ body }) =>
      Buffer.byteLength(body) > most ? kongError(413, 'Request size limit exceeded') : undefined,
    );
    await using ner = clientOf(gateway, { concurrency: 1 });
    const { failed } = await collect(ner.extractAll(Array(1000).fill(`Ada ${'界'.repeat(400)}`)));
    expect(failed).toEqual([]);
    expect(bytes(gateway).filter((it) => it > most)).toHaveLength(1);
  });
});

describe('poisonous texts', () => {
  it('fail alone, at little cost to the others, in the source’s order', async () => {
    const bad = new Set([...Array(20).keys()].map((i) => 1000 * i + 500));
    const none = await batch(20_000, {});
    const some = await batch(20_000, {}, {}, bad);
    expect(some.failed.map((text) => Number.parseInt(text, 10))).toEqual([...bad]);
    expect(some.all.every((it) => it.ok || it.error.code === 'http_502')).toBe(true);
    expect(some.seconds / none.seconds).toBeLessThanOrEqual(1.2);
  });

  it('that are all there is fail alone too', async () => {
    const { failed, error } = await batch(20, {}, {}, new Set(Array(20).keys()));
    expect(error).toBeUndefined();
    expect(failed).toHaveLength(20);
  });
});

describe('an abort', () => {
  it.each<[string, Reply]>([
    ['a 503', kongError(503, 'busy', { 'retry-after': '60' })],
    ['the gateway’s limit', rateLimited(60)],
  ])('ends the wait after %s at once, on the system’s clock, and frees its slot', async (_, reply) => {
    await using gateway = await startGateway((_, n) => (n === 1 ? reply : undefined));
    const clock = new VirtualClock();
    let aborted = false;
    // Skips the wait of whoever comes after the abort.
    const both = {
      now: () => clock.now(),
      random: () => 0,
      sleep: (ms: number, signal: AbortSignal | undefined) => (aborted ? clock : systemClock).sleep(ms, signal),
    };
    const controller = new AbortController();
    const onEvent = () =>
      setTimeout(() => {
        aborted = true;
        controller.abort(new Error('enough'));
      }, 20);
    await using ner = clientOf(gateway, { clock: both, onEvent, concurrency: 1 });
    await expect(ner.extract('Ada', { signal: controller.signal })).rejects.toThrow('enough');
    expect(gateway.received).toHaveLength(1);
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
    expect(await ner.extract('Bob')).toHaveLength(1);
  });
});

describe('calls of one text', () => {
  it('that are made at once share requests', async () => {
    const texts = documents(1000);
    const requests = async (use: (ner: NerClient) => Promise<unknown>) => {
      await using gateway = await startGateway();
      await using ner = clientOf(gateway);
      await use(ner);
      return gateway.received.length;
    };
    const all = await requests((ner) => collect(ner.extractAll(texts)));
    const each = await requests((ner) => Promise.all(texts.map((it) => ner.extract(it))));
    expect(each).toBeLessThanOrEqual(1.1 * all);
    expect(await requests((ner) => Promise.all(texts.map((it) => ner.extract(it, { alone: true }))))).toBe(1000);
  });

  it('each have their own outcome, and one that is aborted costs the others nothing', async () => {
    await using gateway = await startGateway(({ texts }) =>
      served(texts, (body) => ({
        ...body,
        results: body.results.map((it, i) => (texts[i] === 'bad' ? { error: 'No.', code: 'invalid_text' } : it)),
      })),
    );
    await using ner = clientOf(gateway);
    const aborted = AbortSignal.abort(new Error('enough'));
    const all = await Promise.allSettled([
      ner.extract('Ada'),
      ner.extract('bad'),
      ner.extract('Eve', { signal: aborted }),
      ner.extract('Bob', { labels: ['ORG'] }),
    ]);
    expect(all).toMatchObject([
      { value: [{ text: 'Ada' }] },
      { reason: { code: 'invalid_text' } },
      { reason: { message: 'enough' } },
      { value: [] },
    ]);
    expect(gateway.received.map(({ texts }) => texts)).toEqual([['Ada', 'bad', 'Bob']]);
  });

  it('are ended by close, those that have not begun included', async () => {
    await using gateway = await startGateway();
    const ner = clientOf(gateway);
    const calls = documents(500).map((it) => ner.extract(it));
    await ner.close();
    expect(await Promise.all(calls)).toHaveLength(500);
    await expect(ner.extract('late')).rejects.toThrow('this client is closed');
  });

  it('with headers of their own have requests of their own', async () => {
    await using gateway = await startGateway();
    await using ner = clientOf(gateway, { headers: { tenant: 'a' } });
    await Promise.all([ner.extract('Ada'), ner.extract('Bob', { headers: { tenant: 'b' } }), ner.extract('Eve')]);
    const sent = gateway.received.map(({ texts, headers }) => [headers['tenant'], ...texts]);
    expect(sent.sort()).toEqual([
      ['a', 'Ada', 'Eve'],
      ['b', 'Bob'],
    ]);
  });
});

it('a loop over extractAll in which close is awaited ends', async () => {
  await using gateway = await startGateway();
  const ner = clientOf(gateway);
  let n = 0;
  const loop = async () => {
    for await (const _ of ner.extractAll(documents(10_000))) if (n++ === 0) await ner.close();
  };
  await expect(loop()).rejects.toThrow('this client is closed');
  expect(n).toBeGreaterThan(100);
});

it('every request says who sent it, and has an id that errors without an answer have, too', async () => {
  await using gateway = await startGateway(() => reset);
  await using ner = clientOf(gateway, { outageMs: 1 });
  const error = await ner.extract('Ada').catch((e) => e);
  const last = gateway.received.at(-1);
  expect(last?.headers).toMatchObject({
    'user-agent': expect.stringMatching(/^burst-ner\/\d+\.\d+\.\d+$/),
    'accept-encoding': 'identity',
    'x-request-id': expect.stringMatching(/^[0-9a-f-]{36}$/),
  });
  expect(error.requestId).toBe(last?.headers['x-request-id']);
});

it('the documentation has the table of verdicts', async () => {
  const page = await readFile(new URL('../../../docs/sending.md', import.meta.url), 'utf8');
  const when = { undefined: '', true: ', after a success', false: ', before any success' };
  const rows = VERDICTS.map(({ what, served, fault, next }) => `| ${what}${when[`${served}`]} | ${fault} | ${next} |`);
  const tight = page.replaceAll(/ +/g, ' ');
  for (const row of rows) expect(tight).toContain(row);
});

it('an error is what it was, whoever asks', () => {
  const error = new RequestError('http_418', 'no', { status: 418 });
  expect(error).toMatchObject({ name: 'RequestError', code: 'http_418', status: 418 });
});

it('a document that fails is told to whoever waits for it, also when another call is the witness', async () => {
  await using gateway = await startGateway(({ texts }) => (texts.includes('Poison') ? page(502) : undefined));
  await using ner = clientOf(gateway, { concurrency: 3 });
  const late = new AbortController();
  let outcome: Outcome<string> | undefined;
  const waiting = (async () => {
    for await (const it of ner.extractAll(['Poison'], { signal: late.signal })) outcome = it;
  })().catch(() => {});
  const others = async () => {
    for (let i = 0; i < 100 && !outcome; i++) await ner.extract('Ada', { alone: true });
  };
  await Promise.all([others(), others()]);
  late.abort();
  await waiting;
  expect(outcome).toMatchObject({ ok: false, error: { status: 502 } });
});
