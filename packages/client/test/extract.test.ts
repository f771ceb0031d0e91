import { getEventListeners } from 'node:events';
import { inspect } from 'node:util';
import { Agent, MockAgent } from 'undici';
import { describe, expect, it, vi } from 'vitest';
import {
  AuthenticationError,
  ConfigError,
  DocumentError,
  NerClient,
  type NerClientOptions,
  type NerEvent,
  ProtocolError,
  RouteError,
} from '../src/index.js';
import { VirtualClock } from './clock.js';
import { type Gateway, KEY, kongError, type Reply, served, startGateway } from './gateway.js';

function clientOf(gateway: Gateway, options: Partial<NerClientOptions> = {}): NerClient {
  return new NerClient({ url: gateway.url, apiKey: KEY, clock: new VirtualClock(), ...options });
}

describe('extract', () => {
  it('finds entities with UTF-16 offsets', async () => {
    await using gateway = await startGateway();
    await using ner = clientOf(gateway);
    const text = '😀 Ada Lovelace lived in 東京 with Zoë.';
    const entities = await ner.extract(text);
    expect(entities.map((entity) => entity.text)).toEqual(['Ada', 'Lovelace', 'Zoë']);
    for (const { text: found, start, end } of entities) expect(text.slice(start, end)).toBe(found);
    expect(entities[0]).toEqual({ text: 'Ada', label: 'NAME', start: 3, end: 6 });
    expect(gateway.received[0]).toMatchObject({ path: '/nlp/ner', texts: [text] });
    expect(gateway.received[0]?.headers).toMatchObject({ apikey: KEY, 'content-type': 'application/json' });
  });

  it('sends nothing for an empty text', async () => {
    await using gateway = await startGateway();
    await using ner = clientOf(gateway);
    expect(await ner.extract('')).toEqual([]);
    expect(gateway.received).toHaveLength(0);
  });

  it('tells of every answer', async () => {
    await using gateway = await startGateway((request, n) =>
      n === 1
        ? kongError(503, 'busy')
        : {
            ...(served(request.texts) as object),
            status: 200,
            headers: {
              'x-request-id': 'r2',
              'x-ner-cold-start': '1',
              'server-timing': 'init;desc="a; b";dur=612.5, ner;dur=9',
            },
          },
    );
    const seen: NerEvent[] = [];
    await using ner = clientOf(gateway, { onEvent: (event) => event.type === 'answer' && seen.push(event) });
    await ner.extract('Ada');
    expect(seen).toEqual([
      {
        type: 'answer',
        status: 503,
        requestId: '7857324e104be61ca0f8896913f42b58',
        coldStart: undefined,
        timings: {},
        attempt: 1,
        texts: 1,
      },
      {
        type: 'answer',
        status: 200,
        requestId: 'r2',
        coldStart: true,
        timings: { init: 612.5, ner: 9 },
        attempt: 2,
        texts: 1,
      },
    ]);
  });

  it('takes fields it does not know', async () => {
    await using gateway = await startGateway(({ texts }) => served(texts, (body) => ({ ...body, extra: { deep: 1 } })));
    await using ner = clientOf(gateway);
    expect(await ner.extract('Ada')).toHaveLength(1);
  });

  it('refuses a text that is no string without a request', async () => {
    await using gateway = await startGateway();
    await using ner = clientOf(gateway);
    const error = await ner.extract(null as unknown as string).catch((e) => e);
    expect(error).toBeInstanceOf(DocumentError);
    expect(error).toMatchObject({ code: 'invalid_text', message: expect.stringContaining('null, not a string') });
    expect(gateway.received).toHaveLength(0);
  });
});

describe('options', () => {
  it.each([
    [{ apiKey: undefined }, 'NER_API_KEY'],
    [{ apiKey: '' }, 'NER_API_KEY'],
    [{ apiKey: 'secret\n' }, 'NER_API_KEY'],
    [{ url: 'http://127.0.0.1:8000' }, 'url must include the route, e.g. /nlp/ner'],
    [{ url: 'http://127.0.0.1:8000/' }, 'url must include the route, e.g. /nlp/ner'],
    [{ url: 'kong.example.com/nlp/ner' }, 'url must be an http or https address'],
    [{ url: 'ftp://kong.example.com/nlp/ner' }, 'url must be an http or https address'],
    [{ url: 'http://me:secret@kong.example.com/nlp/ner' }, 'user name or password'],
    [{ concurrency: 0 }, 'concurrency must be a whole number of at least 1, not 0'],
    [{ outageMs: Number.NaN }, 'outageMs must be a whole number of at least 1, not NaN'],
  ])('%j are refused', (options, sentence) => {
    const make = () => new NerClient({ url: 'http://127.0.0.1/nlp/ner', apiKey: KEY, ...options });
    expect(make).toThrow(ConfigError);
    expect(make).toThrow(sentence);
    expect(make).not.toThrow('secret');
  });

  it('dispatcher is used, and stays open', async () => {
    const mock = new MockAgent();
    mock.disableNetConnect();
    const body = { results: [{ entities: [] }], model: { name: 'm', version: '1', digest: 'd' } };
    mock.get('https://kong.example.com').intercept({ path: '/nlp/ner', method: 'POST' }).reply(200, body).times(2);
    for (let i = 0; i < 2; i++) {
      await using ner = new NerClient({ url: 'https://kong.example.com/nlp/ner', apiKey: KEY, dispatcher: mock });
      expect(await ner.extract('Ada')).toEqual([]);
    }
    await mock.close();
  });

  it('close waits for a request that waits for its next attempt, and takes no other', async () => {
    await using gateway = await startGateway((_, n) => (n === 1 ? kongError(503, 'busy') : undefined));
    const clock = new VirtualClock();
    let wake = () => {};
    const sleep = vi.spyOn(clock, 'sleep').mockImplementationOnce(
      () =>
        new Promise((resolve) => {
          wake = resolve;
        }),
    );
    const ner = clientOf(gateway, { clock });
    const extracting = ner.extract('Ada');
    await expect.poll(() => sleep).toHaveBeenCalled();
    const closing = ner.close();
    await expect(ner.extract('Bob')).rejects.toThrow('this client is closed');
    wake();
    expect(await extracting).toHaveLength(1);
    await closing;
    expect(gateway.received.map(({ texts }) => texts)).toEqual([['Ada'], ['Ada']]);
  });

  it('a closed client says so', async () => {
    await using gateway = await startGateway();
    const ner = clientOf(gateway);
    await ner.close();
    await ner.close();
    await expect(ner.extract('Ada')).rejects.toThrow('this client is closed');
  });
});

describe('what goes wrong for every document', () => {
  it('a wrong key: one request, and the sentence names the variable', async () => {
    await using gateway = await startGateway();
    await using ner = clientOf(gateway, { apiKey: 'wrong-key' });
    const error = await ner.extract('Ada').catch((e) => e);
    expect(error).toBeInstanceOf(AuthenticationError);
    expect(error).toMatchObject({ status: 401, message: expect.stringContaining('check NER_API_KEY') });
    expect(gateway.received).toHaveLength(1);
  });

  it('a url without the route stops at once, with the same sentence as for no path', async () => {
    await using gateway = await startGateway();
    await using ner = clientOf(gateway, { url: `${gateway.origin}/ner` });
    const error = await ner.extract('Ada').catch((e) => e);
    expect(error).toBeInstanceOf(RouteError);
    expect(error.message).toMatch(/^url must include the route, e\.g\. \/nlp\/ner: .*no Route matched/);
    expect(gateway.received.map(({ texts }) => texts)).toEqual([['Ada'], ['']]);
  });

  it('an unknown host and untrusted TLS are not tried again', async () => {
    const clock = new VirtualClock();
    let tries = 0;
    const connect = (code: string) =>
      new Agent({
        connect: (_, done) => {
          tries++;
          done(Object.assign(new Error(), { code }), null);
        },
      });
    const failing = async (code: string) => {
      const dispatcher = connect(code);
      const ner = new NerClient({ url: 'https://kong.example.com/nlp/ner', apiKey: KEY, dispatcher, clock });
      return ner.extract('Ada').catch((e) => e);
    };
    expect(await failing('ENOTFOUND')).toMatchObject({ code: 'unknown_host', message: expect.stringContaining('url') });
    expect(await failing('DEPTH_ZERO_SELF_SIGNED_CERT')).toMatchObject({ code: 'untrusted' });
    expect(tries).toBe(2);
  });
});

describe('a url', () => {
  it('with https where http is spoken is not tried again', async () => {
    await using gateway = await startGateway();
    await using ner = clientOf(gateway, { url: gateway.url.replace('http:', 'https:') });
    const error = await ner.extract('Ada').catch((e) => e);
    expect(error).toMatchObject({ code: 'untrusted', message: expect.stringContaining('does not speak TLS') });
    expect(error.message).toContain('should url begin with http://?');
    expect(error.message).not.toContain('NODE_EXTRA_CA_CERTS');
    expect(gateway.received).toHaveLength(0);
  });

  it('where nobody listens is tried again, then says which', async () => {
    const gateway = await startGateway();
    await gateway[Symbol.asyncDispose]();
    const clock = new VirtualClock();
    await using ner = clientOf(gateway, { clock });
    const error = await ner.extract('Ada').catch((e) => e);
    expect(error).toMatchObject({ code: 'unavailable', cause: { code: 'unreachable' } });
    expect(error.message).toContain(gateway.origin);
    expect(clock.now()).toBeGreaterThan(40_000);
  });
});

describe('an answer that does not hold to the contract', () => {
  const html = '<html>Ada Lovelace, please log in</html>';
  it.each([
    ['an HTML page', { status: 200, headers: { 'content-type': 'text/html' }, body: html }, 'text/html'],
    ['truncated JSON', { status: 200, body: '{"results":[{"entities":[{"text":"Ada Lov' }, 'not with JSON'],
    ['no results', { status: 200, body: { entities: [] } }, 'results'],
    ['a result too many', served(['Ada', 'Bob']), '2 results to 1 texts'],
    [
      'an offset that is no number',
      served(['x'], (b) => ({ ...b, results: [{ entities: [{ start_char: '0' }] }] })),
      'results.0',
    ],
    [
      'offsets counted wrongly',
      served(['x'], (b) => ({
        ...b,
        results: [{ entities: [{ text: 'Ada', label: 'X', start_char: 1, end_char: 4 }] }],
      })),
      'offsets of entity 0',
    ],
  ])('%s is a ProtocolError, at once, and quotes no text', async (_, reply, part) => {
    await using gateway = await startGateway(() => reply);
    await using ner = clientOf(gateway);
    const error = await ner.extract('Ada Lovelace').catch((e) => e);
    expect(error).toBeInstanceOf(ProtocolError);
    expect(error.message).toContain(part);
    expect(inspect(error)).not.toContain('Lov');
    expect(gateway.received.length).toBeLessThanOrEqual(2);
  });

  it('an answer of more than 8 MiB is not read to its end', async () => {
    await using gateway = await startGateway(() => ({ status: 200, body: 'x'.repeat(9 * 1024 * 1024) }));
    await using ner = clientOf(gateway);
    await expect(ner.extract('Ada')).rejects.toThrow('answered more than 8388608 bytes');
  });
});

describe('what an error quotes', () => {
  const failing = async (reply: Reply, text = 'Ada') => {
    await using gateway = await startGateway(() => reply);
    await using ner = clientOf(gateway);
    return await ner.extract(text).catch((e) => e); // before they are disposed of
  };
  const item = (error: string, code = 'no') => served(['x'], (b) => ({ ...b, results: [{ error, code }] }));

  it.each<[string, Reply, string]>([
    ['Kong', kongError(400, 'bad thing'), 'bad thing'],
    ['the service', { status: 400, body: { error: 'Bad thing.', code: 'bad' } }, 'Bad thing.'],
    ['the service, of one text', item('Bad thing.'), 'Bad thing.'],
  ])('is the sentence of %s', async (_, reply, part) => {
    expect((await failing(reply)).message).toContain(part);
  });

  it.each<[string, Reply]>([
    ['an error without a code', { status: 400, body: { error: 'Ada Lovelace' } }],
    ['an unknown shape', { status: 400, body: { detail: 'Ada Lovelace', Message: 'Ada Lovelace' } }],
    ['a list', { status: 400, body: ['Ada Lovelace'] }],
    ['what is no HTTP', (response) => response.socket?.end('Ada Lovelace\r\n\r\n')],
  ])('is nothing of %s', async (_, reply) => {
    expect(inspect(await failing(reply), { depth: 20, showHidden: true })).not.toContain('Lovelace');
  });

  it.each<[string, (words: string) => Reply]>([
    ['Kong', (words) => kongError(400, words)],
    ['the service', (words) => ({ status: 400, body: { error: words, code: words } })],
    ['the service, of one text', (words) => item(words, words)],
    [
      'a header',
      (words) => ({ status: 200, headers: { 'content-type': words.replace(/[\n\u202e]/g, '\x85') }, body: '<' }),
    ],
  ])('of %s is short, printable and without the key', async (_, reply) => {
    const long = await failing(reply(`\n\u202e${'é'.repeat(5000)}`));
    for (const shown of [long.message, long.code]) {
      expect(shown).not.toMatch(/\p{C}|é{201}/u);
      expect(shown.length).toBeLessThan(420);
    }
    const echo = await failing(reply(`${'x'.repeat(195)}${KEY}`));
    expect(`${echo.message} ${echo.code}`).not.toContain(KEY.slice(0, 4));
  });
});

describe('the API key', () => {
  it('is in no inspection, no JSON and no error', async () => {
    const key = 'k-9f8e7d6c';
    await using gateway = await startGateway((_, n) =>
      n < 3 ? kongError(400, 'bad') : (response) => response.destroy(),
    );
    await using ner = clientOf(gateway, { apiKey: key });
    const errors = [await ner.extract('Ada').catch((e) => e), await ner.extract('Ada').catch((e) => e)];
    const shown = [ner, ...errors].map((it) => inspect(it, { depth: 20, showHidden: true }) + JSON.stringify(it));
    expect(errors.map((error) => error.code)).toEqual(['http_400', 'unavailable']);
    for (const text of shown) expect(text).not.toContain(key);
  });
});

describe('abort', () => {
  it('ends an attempt at once and leaves no listener', async () => {
    let arrive = () => {};
    const arrived = new Promise<void>((resolve) => {
      arrive = resolve;
    });
    await using gateway = await startGateway(() => {
      arrive();
      return () => {}; // never answers
    });
    await using ner = clientOf(gateway);
    const controller = new AbortController();
    const extracting = ner.extract('Ada', { signal: controller.signal });
    await arrived;
    controller.abort(new Error('enough'));
    await expect(extracting).rejects.toThrow('enough');
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
  });

  it('ends a wait for a free slot', async () => {
    await using gateway = await startGateway(() => () => {});
    await using ner = clientOf(gateway, { concurrency: 1 });
    const first = new AbortController();
    const second = new AbortController();
    const holding = ner.extract('Ada', { signal: first.signal });
    const waiting = ner.extract('Bob', { signal: second.signal });
    second.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
    expect(getEventListeners(second.signal, 'abort')).toHaveLength(0);
    first.abort();
    await expect(holding).rejects.toThrow('aborted');
  });

  it('that never comes leaves no listener either, of a thousand calls with one signal', async () => {
    await using gateway = await startGateway();
    await using ner = clientOf(gateway);
    const { signal } = new AbortController();
    const warnings: Error[] = [];
    const onWarning = (warning: Error) => warnings.push(warning);
    process.on('warning', onWarning);
    await Promise.all(Array.from({ length: 1000 }, () => ner.extract('Ada', { signal })));
    await new Promise((resolve) => setImmediate(resolve));
    process.off('warning', onWarning);
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
    expect(warnings).toEqual([]);
  });

  it('before the call: nothing is sent', async () => {
    await using gateway = await startGateway();
    await using ner = clientOf(gateway);
    await expect(ner.extract('Ada', { signal: AbortSignal.abort(new Error('early')) })).rejects.toThrow('early');
    expect(gateway.received).toHaveLength(0);
  });
});
