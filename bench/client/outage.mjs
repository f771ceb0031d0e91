// What the client makes of a service that is away for a while, of texts that kill it, and of many small calls, in virtual
// time: 20,000 documents, each of 55 ms.

import { Kong, NINE } from './kong.mjs';
import { inTimeOf, seeded, VirtualClock } from './virtual-clock.mjs';
import { VirtualDispatcher } from './virtual-dispatcher.mjs';

/** @typedef {import('../report.mjs').Row} Row */
/** @typedef {{ outage?: (now: number) => import('./kong.mjs').Outage | undefined, retryAfter?: number, bad?: (document: number) => boolean, outageMs?: number }} Trouble */

const DOCUMENTS = 20_000;
const MS_PER_DOCUMENT = 55;
const FROM_MS = 30_000;
const KINDS = /** @type {const} */ ([503, 502, 'refused', 'reset', 'unknown host']);

/** In virtual time a quick run needs no fewer documents. @returns {Promise<Row[]>} */
export async function rows() {
  const none = await batch(DOCUMENTS, {});
  return [...(await away(DOCUMENTS, none)), await tooLong(DOCUMENTS), await poison(DOCUMENTS, none), await calls()];
}

/** @param {number} documents @param {Awaited<ReturnType<typeof batch>>} none @returns {Promise<Row[]>} */
async function away(documents, none) {
  /** @type {Row[]} */
  const all = [];
  for (const seconds of [10, 60, 300]) {
    let [failed, worst, most] = [0, 0, 0];
    for (const kind of KINDS) {
      const until = FROM_MS + seconds * 1000;
      const run = await batch(documents, { outage: (now) => (now > FROM_MS && now < until ? kind : undefined) });
      failed += run.failed + (documents - run.done);
      worst = Math.max(worst, run.seconds / (none.seconds + seconds));
      most = Math.max(most, run.away);
    }
    all.push({
      what: `outage of ${seconds} s (${KINDS.join(', ')}), ${documents.toLocaleString('en')} documents, the worst`,
      must: '0 failed, ≤ 1.05 × (time without + outage), ≤ 40 requests into it',
      value: `${failed} failed, ${worst.toFixed(3)} ×, ${most} requests`,
      verdict: failed === 0 && worst <= 1.05 && most <= 40 ? 'reached' : 'falls short',
    });
  }
  return all;
}

/** @param {number} documents @returns {Promise<Row>} */
async function tooLong(documents) {
  const troubles = [{ outage: () => /** @type {const} */ (503), retryAfter: 600 }, { outage: after }];
  let [settled, stopped, rest] = [0, 0, 0];
  for (const trouble of troubles) {
    const run = await batch(documents, trouble);
    settled += run.failed;
    if (run.error === 'unavailable') stopped++;
    // The same documents again from where it stopped, on a service that is back.
    rest += run.done + (await batch(documents - run.done, {})).done === documents ? 0 : 1;
  }
  return {
    what: '503 with Retry-After 600; 502 for longer than outageMs',
    must: 'stops, 0 settled as failed, a resume does the rest',
    value: `${stopped} of ${troubles.length} stopped, ${settled} settled as failed, ${rest} resumes fell short`,
    verdict: stopped === troubles.length && settled === 0 && rest === 0 ? 'reached' : 'falls short',
  };
}

/** @param {number} now */
function after(now) {
  return now > FROM_MS ? 502 : undefined;
}

/** @param {number} documents @param {Awaited<ReturnType<typeof batch>>} none @returns {Promise<Row>} */
async function poison(documents, none) {
  const run = await batch(documents, { bad: (i) => i % 1000 === 500 });
  const times = run.seconds / none.seconds;
  const expected = documents / 1000;
  return {
    what: `${expected} texts that end in a 502 among ${documents.toLocaleString('en')}, in the source's order`,
    must: 'they alone fail, ≤ 1.2 × the time of none',
    value: `${run.failed} failed, ${times.toFixed(2)} ×, ${run.requests} requests (${none.requests})`,
    verdict: run.failed === expected && run.done === documents && times <= 1.2 ? 'reached' : 'falls short',
  };
}

/** @returns {Promise<Row>} */
async function calls() {
  const texts = Array.from({ length: 1000 }, (_, i) => `document ${i} `.padEnd(1000, 'x'));
  const count = async (/** @type {(ner: any) => Promise<unknown>} */ use) => {
    const { ner, run, sent } = await start({});
    await run(() => use(ner));
    return sent.requests;
  };
  const together = await count((ner) => Promise.all(texts.map((text) => ner.extract(text))));
  const all = await count(async (ner) => {
    for await (const _ of ner.extractAll(texts));
  });
  return {
    what: '1,000 calls of `extract` at once',
    must: '≤ 1.1 × the requests of `extractAll`',
    value: `${together} requests, ${all} of extractAll`,
    verdict: together <= 1.1 * all ? 'reached' : 'falls short',
  };
}

/** @param {number} documents @param {Trouble} trouble */
async function batch(documents, trouble) {
  const { ner, run, sent, clock } = await start(trouble);
  let [done, failed] = [0, 0];
  let error = '';
  await run(async () => {
    const texts = function* () {
      for (let i = 0; i < documents; i++) yield `${i} `.padEnd(1000, 'x');
    };
    try {
      for await (const { ok } of ner.extractAll(texts())) {
        done++;
        if (!ok) failed++;
      }
    } catch (reason) {
      error = /** @type {{ code: string }} */ (reason).code;
    }
  });
  return { done, failed, error, seconds: clock.now() / 1000, ...sent };
}

/** @param {Trouble} trouble */
async function start({ outage = () => undefined, retryAfter, bad = () => false }) {
  const { NerClient } = await import(new URL('../../packages/client/dist/index.js', import.meta.url).href);
  const clock = new VirtualClock(seeded(1));
  const sent = { requests: 0, away: 0 };
  const server = (/** @type {number} */ local) => NINE + 20_000 + local;
  const kong = new Kong(clock, { outage, server, ...(retryAfter !== undefined && { retryAfter }) });
  const dispatcher = new VirtualDispatcher(async (texts) => {
    sent.requests++;
    if (outage(clock.now()) !== undefined) sent.away++;
    const answer = await kong.request(MS_PER_DOCUMENT * texts.length);
    const ended = texts.some((text) => text !== '' && bad(Number.parseInt(text, 10)));
    return ended ? { ...answer, status: 502 } : answer;
  });
  const ner = new NerClient({ url: 'http://gateway.test/nlp/ner', apiKey: 'key', clock, dispatcher });
  return { clock, sent, ner, run: (/** @type {() => Promise<unknown>} */ work) => inTimeOf(clock, NINE, work) };
}
