import { describe, expect, it } from 'vitest';
import { type AnswerEvent, NerClient, type NerEvent, ServiceUnavailableError } from '../src/index.js';
import { FakeGateway, type FakeGatewayOptions, VirtualClock } from '../src/testing/index.js';

function start(options: FakeGatewayOptions = {}) {
  const clock = new VirtualClock();
  const gateway = new FakeGateway({ clock, ...options });
  const { dispatcher } = gateway;
  const answers: AnswerEvent[] = [];
  const onEvent = (event: NerEvent) => event.type === 'answer' && answers.push(event);
  const ner = new NerClient({
    url: 'https://kong.example.com/nlp/ner',
    apiKey: 'test-key',
    dispatcher,
    clock,
    onEvent,
  });
  return { clock, gateway, ner, answers };
}

describe('the fake gateway', () => {
  it('answers by text, with offsets that the client takes', async () => {
    const find = (text: string) => {
      const start = text.indexOf('Ada');
      return start < 0 ? [] : [{ text: 'Ada', label: 'PERSON', start, end: start + 3 }];
    };
    const { ner, gateway } = start({ find });
    const [none, ada] = await Promise.all([ner.extract('x'), ner.extract('😀 Ada')]);
    expect({ none, ada }).toEqual({ none: [], ada: [{ text: 'Ada', label: 'PERSON', start: 3, end: 6 }] });
    expect(gateway.requests).toMatchObject([{ number: 1, texts: ['x', '😀 Ada'], headers: { apikey: 'test-key' } }]);
    expect((await ner.describe()).limits.max_texts).toBe(1024);
  });

  it('keeps a limit a minute as Kong does, which the client keeps, too', async () => {
    const { ner, clock, answers } = start({ limit: 2 });
    for (const text of ['a', 'b', 'c']) await ner.extract(text);
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    expect(clock.now()).toBeGreaterThanOrEqual(60_000);
    expect(ner.budget()).toMatchObject([{ period: 'minute', limit: 2, used: 1 }]);
    const other = start({ limit: 1 });
    const { dispatcher } = other.gateway;
    await dispatcher.request({
      origin: 'https://kong.example.com',
      path: '/',
      method: 'POST',
      body: '{"texts":[]}',
    });
    expect(await other.ner.extract('a')).toEqual([]);
    expect(other.answers.map(({ status }) => status)).toEqual([429, 200]);
  });

  it('has cold starts, other answers and connections that fail', async () => {
    const { ner, answers } = start({
      coldStarts: 1,
      answer: ({ number }) => (number === 2 ? { status: 503 } : number === 3 ? new Error('reset') : undefined),
    });
    for (const text of ['a', 'b']) await ner.extract(text);
    expect(answers.map(({ status, coldStart }) => [status, coldStart])).toEqual([
      [200, true],
      [503, undefined],
      ...Array(answers.length - 2).fill([200, false]),
    ]);
    const away = start({ answer: () => new Error('reset') });
    await expect(away.ner.extract('a')).rejects.toBeInstanceOf(ServiceUnavailableError);
  });

  it('waits for an abort', async () => {
    const { ner } = start({ answer: () => new Promise(() => {}) });
    const controller = new AbortController();
    const call = ner.extract('a', { signal: controller.signal, alone: true });
    setImmediate(() => controller.abort(new Error('enough')));
    await expect(call).rejects.toThrow('enough');
  });
});
