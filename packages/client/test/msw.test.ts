// The client under msw's handlers, as its users write them for their own tests: docs/client.md, "Testing".
import { HttpResponse, http, type RequestHandler } from 'msw';
import { expect, it, vi } from 'vitest';
import { NerClient, type NerEvent, type Outcome, ServiceUnavailableError } from '../src/index.js';
import { mswDispatcher } from '../src/testing/index.js';

const ENDPOINT = 'https://kong.example.com/nlp/ner';
const model = { name: 'en_test', version: '1.0.0', digest: '0'.repeat(64) };
const ada = { entities: [{ text: 'Ada', label: 'PERSON', start_char: 0, end_char: 3 }] };
const finds = (...results: object[]) => http.post(ENDPOINT, () => HttpResponse.json({ results, model }));

/** A client in time that passes only when it waits. */
function clientOf(handlers: RequestHandler[]) {
  let now = 0;
  const clock = {
    now: () => now,
    random: () => 0,
    sleep: async (ms: number) => {
      now += ms;
    },
  };
  const waits: NerEvent[] = [];
  const dispatcher = mswDispatcher(...handlers);
  const ner = new NerClient({
    url: ENDPOINT,
    apiKey: 'test-key',
    dispatcher,
    clock,
    onEvent: (event) => event.type === 'wait' && waits.push(event),
  });
  return { ner, waits };
}

it('waits out a 429 for as long as it asks, then is answered', async () => {
  const keys: (string | null)[] = [];
  const limited = http.post(
    ENDPOINT,
    ({ request }) => {
      keys.push(request.headers.get('apikey'));
      const headers = { 'retry-after': '41' };
      return HttpResponse.json({ message: 'API rate limit exceeded' }, { status: 429, headers });
    },
    { once: true },
  );
  const { ner, waits } = clientOf([limited, finds(ada)]);
  expect(await ner.extract('Ada')).toEqual([{ text: 'Ada', label: 'PERSON', start: 0, end: 3 }]);
  expect(waits).toEqual([{ type: 'wait', ms: 41_000, reason: 'the gateway asks to wait' }]);
  expect(keys).toEqual(['test-key']);
});

it('survives a connection that breaks, and says so when it stays broken', async () => {
  const broken = http.post(ENDPOINT, () => HttpResponse.error(), { once: true });
  expect(await clientOf([broken, finds(ada)]).ner.extract('Ada')).toHaveLength(1);

  const attempt = vi.fn(() => HttpResponse.error());
  const error = await clientOf([http.post(ENDPOINT, attempt)])
    .ner.extract('Ada')
    .catch((reason) => reason);
  expect(error).toBeInstanceOf(ServiceUnavailableError);
  expect(error).toMatchObject({
    cause: { code: 'connection_lost' },
    message: expect.stringContaining('kong.example.com'),
  });
  expect(attempt.mock.calls.length).toBeGreaterThan(10);
});

it('gives a document its own error, and the others their entities', async () => {
  const refused = { error: 'The text takes too long.', code: 'too_large' };
  const { ner } = clientOf([finds(ada, refused)]);
  const outcomes: Outcome<string>[] = [];
  for await (const outcome of ner.extractAll(['Ada', 'x'])) outcomes.push(outcome);
  expect(outcomes).toMatchObject([
    { ok: true, document: 'Ada', entities: [{ text: 'Ada' }] },
    { ok: false, document: 'x', error: { name: 'DocumentError', code: 'too_large' } },
  ]);
});

it('is aborted while a handler is silent', async () => {
  const controller = new AbortController();
  const silent = http.post(ENDPOINT, () => {
    controller.abort(new Error('enough'));
    return new Promise<never>(() => {});
  });
  await expect(clientOf([silent]).ner.extract('Ada', { signal: controller.signal })).rejects.toThrow('enough');
});

it('is told of a request that no handler takes, and the network is not', async () => {
  await expect(clientOf([]).ner.extract('Ada')).rejects.toThrow(`501 (no msw handler for POST ${ENDPOINT})`);
});
