// How soon an abort is noticed, whatever the client waits for, and that it leaves no listener.
import { getEventListeners, once } from 'node:events';
import http from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';
import { median } from '../median.mjs';

const KEY = 'bench-key';
const answer = (/** @type {string[]} */ texts) =>
  JSON.stringify({
    results: texts.map(() => ({ entities: [] })),
    model: { name: 'none', version: '0', digest: 'none' },
  });

/** What there is to wait for: how the server answers, what the client is given. */
const WAITS = {
  'an answer': { status: 0 },
  "the rate limit's next window": { status: 429, headers: { 'retry-after': '60' } },
  'another attempt': { status: 503, headers: { 'retry-after': '60' } },
  'a free slot': { status: 0, busy: true },
  'the source': { status: 200, endless: true },
};

/**
 * @param {{ quick?: boolean }} [options]
 * @returns {Promise<import('../report.mjs').Row[]>}
 */
export async function rows({ quick = false } = {}) {
  const all = [];
  for (const [what, kind] of Object.entries(WAITS)) all.push(await row(what, kind, quick ? 5 : 20));
  return all;
}

/**
 * @param {string} what
 * @param {{ status: number, headers?: Record<string, string>, busy?: boolean, endless?: boolean }} kind
 * @param {number} runs
 * @returns {Promise<import('../report.mjs').Row>}
 */
async function row(what, { status, headers = {}, busy, endless }, runs) {
  const { NerClient } = await import('../../packages/client/dist/index.js');
  const server = http.createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    if (request.method === 'GET') return response.writeHead(404).end('{"message":"no Route matched"}');
    if (status === 0) return; // never answers
    const body = status === 200 ? answer(JSON.parse(Buffer.concat(chunks).toString()).texts) : '{"message":"no"}';
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  const url = `http://127.0.0.1:${port}/nlp/ner`;
  const times = [];
  let listeners = 0;
  for (let i = 0; i < runs; i++) {
    const ner = new NerClient({ url, apiKey: KEY, concurrency: 1 });
    const holding = new AbortController();
    const held = busy ? ner.extract('Ada', { signal: holding.signal }).catch(() => {}) : undefined;
    const controller = new AbortController();
    const { signal } = controller;
    const outcomes = ner.extractAll(endless ? never() : ['Ada'], { signal });
    const waiting = (async () => {
      for await (const _ of outcomes);
    })();
    const rejected = waiting.then(
      () => Number.NaN, // it did not wait
      (error) => (error === signal.reason ? performance.now() : Number.NaN),
    );
    await wait(50);
    const aborted = performance.now();
    controller.abort(new Error('enough'));
    times.push((await rejected) - aborted);
    listeners += getEventListeners(signal, 'abort').length;
    holding.abort();
    await held;
    await ner.close();
  }
  server.closeAllConnections();
  server.close();
  const most = Math.max(...times);
  return {
    what: `abort while waiting for ${what}, the median and the longest of ${runs}`,
    must: '≤ 5 ms, no listener left',
    value: `${median(times).toFixed(2)} ms, ${most.toFixed(2)} ms, ${listeners} listeners`,
    verdict: most <= 5 && listeners === 0 ? 'reached' : 'falls short',
  };
}

async function* never() {
  yield 'Ada';
  await new Promise(() => {});
}
