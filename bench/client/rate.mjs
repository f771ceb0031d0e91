// How the client keeps within the gateway's rate limit and outlives an outage, beside its peers, in virtual time: the
// real NerClient, and the peers as they are, against Kong's rate-limiting plugin as it was recorded.

import { Kong, NINE } from './kong.mjs';
import { leastPossible } from './least.mjs';
import { inTimeOf, seeded, VirtualClock } from './virtual-clock.mjs';
import { VirtualDispatcher } from './virtual-dispatcher.mjs';

/** @typedef {ConstructorParameters<typeof Kong>[1]} KongOptions */
/** @typedef {{ what: string, must: string, value: string, peers?: Record<string, string>, verdict: 'reached' | 'falls short' | 'undecided' }} Row */
/** Sends; gives how many failed, and the most requests that one took. @typedef {{ failed: number, most: number }} Sent */
/** @typedef {(kong: Kong, clock: VirtualClock, requests: number) => Promise<Sent>} Client */
/** @typedef {{ kong?: KongOptions, processes?: number, requests?: number, seed?: number, during?: (kong: Kong, clock: VirtualClock) => Promise<void> }} Load */

/** @typedef {() => Promise<Response>} Fetch */

const ENDPOINT = 'http://gateway.test/nlp/ner';
const SLOTS = 5;
const WAY = 10;

/**
 * @param {{ quick?: boolean }} [options] quick: a tenth of the seeds
 * @returns {Promise<Row[]>}
 */
export async function rows({ quick = false } = {}) {
  const ours = await client();
  const peers = await others();
  const seeds = Array.from({ length: quick ? 2 : 20 }, (_, seed) => seed);
  return [...(await alone(ours, peers)), ...(await shared(ours, peers, seeds)), ...(await outage(ours, peers, seeds))];
}

/** @param {Client} ours @param {Record<string, Client>} peers @returns {Promise<Row[]>} */
async function alone(ours, peers) {
  const all = [];
  for (const limit of [100, 60]) {
    for (const service of [200, 4000]) {
      /** @type {(second: number) => KongOptions} */
      const kong = (second) => ({
        limits: { minute: limit },
        service: () => service,
        way: () => WAY,
        server: from(second),
      });
      let worst = 0;
      let refused = 0;
      let failed = 0;
      for (const second of [1, 20, 40]) {
        const result = await run(ours, { kong: kong(second) });
        const least = leastPossible({ requests: 1000, limit, slots: SLOTS, second, service, way: WAY });
        worst = Math.max(worst, result.seconds / least);
        refused += result.refused;
        failed += result.failed;
      }
      all.push({
        what: `1,000 requests, ${limit} a minute, ${service / 1000} s each, from :01, :20 and :40`,
        must: '0 × 429, at most 1.01 × the least possible time',
        value: `${refused} × 429, ${failed} failed, ${worst.toFixed(3)} × the least possible time`,
        peers: await compare(peers, { kong: kong(40) }),
        verdict: verdict(refused === 0 && failed === 0 && worst <= 1.01),
      });
    }
  }
  return all;
}

/** @param {Client} ours @param {Record<string, Client>} peers @param {number[]} seeds @returns {Promise<Row[]>} */
async function shared(ours, peers, seeds) {
  /** @type {(seed: number) => KongOptions} */
  const kong = (seed) => {
    const random = seeded(seed);
    const second = 60 * random();
    return {
      server: from(second),
      service: () => 100 + 1000 * random(),
      way: () => 5 + 20 * random(),
      lag: () => 3 * random(),
    };
  };
  /** @type {[string, (seed: number) => Load][]} */
  const loads = [
    ['four processes on one key, 1,000 requests', (seed) => ({ seed, processes: 4, kong: kong(seed) })],
    [
      'limit lowered from 100 to 40 while requests are under way, then raised to 150',
      (seed) => ({
        seed,
        kong: { ...kong(seed), server: from(20) },
        during: async (kong, clock) => {
          // 60 into the third minute: more than the new limit.
          while (kong.count(200) < 260) await clock.sleep(100);
          kong.limits = { minute: 40 };
          await clock.sleep(150_000);
          kong.limits = { minute: 150 };
        },
      }),
    ],
  ];
  const all = [];
  for (const [what, load] of loads) {
    let failed = 0;
    let worst = 0;
    for (const seed of seeds) {
      const result = await run(ours, load(seed));
      failed += result.failed;
      worst = Math.max(worst, result.refused / result.answers);
    }
    all.push({
      what: `${what}, the worst of ${seeds.length} runs`,
      must: '0 failed, at most 6 % of answers 429',
      value: `${failed} failed, ${(100 * worst).toFixed(1)} % of answers 429`,
      peers: await compare(peers, load(0)),
      verdict: verdict(failed === 0 && worst <= 0.06),
    });
  }
  return all;
}

/** @param {Client} ours @param {Record<string, Client>} peers @param {number[]} seeds @returns {Promise<Row[]>} */
async function outage(ours, peers, seeds) {
  const all = [];
  for (const kind of /** @type {const} */ ([503, 'reset'])) {
    /** @type {(seed: number) => Load} */
    const load = (seed) => ({
      seed,
      requests: SLOTS,
      kong: { way: () => 1, outage: (now) => (now < 12_000 ? kind : undefined) },
    });
    let failed = 0;
    let most = 0;
    for (const seed of seeds.flatMap((seed) => [10 * seed, 10 * seed + 5])) {
      const result = await run(ours, load(seed));
      failed += result.failed;
      most = Math.max(most, result.most);
    }
    all.push({
      what: `12 s of ${kind === 503 ? '503' : 'resets'}, then up, ${SLOTS} slots, the worst of ${2 * seeds.length} runs`,
      must: 'success, at most 6 requests a slot',
      value: `${failed} failed, at most ${most} requests a slot`,
      peers: await compare(peers, load(0)),
      verdict: verdict(failed === 0 && most <= 6),
    });
  }
  return all;
}

/** @param {Client} send @param {Load} load */
async function run(send, { kong: options = {}, processes = 1, requests = 1000, seed = 0, during }) {
  const clock = new VirtualClock(seeded(seed));
  const kong = new Kong(clock, options);
  return inTimeOf(clock, NINE, async () => {
    const changes = during?.(kong, clock);
    const sent = await Promise.all(Array.from({ length: processes }, () => send(kong, clock, requests / processes)));
    const seconds = clock.now() / 1000;
    await changes;
    return {
      seconds,
      failed: sent.reduce((sum, { failed }) => sum + failed, 0),
      most: Math.max(...sent.map(({ most }) => most)),
      refused: kong.count(429),
      answers: [...kong.statuses.values()].reduce((sum, n) => sum + n, 0),
    };
  });
}

/** @param {Record<string, Client>} peers @param {Load} load @returns {Promise<Record<string, string>>} */
async function compare(peers, load) {
  /** @type {Record<string, string>} */
  const figures = {};
  for (const [name, peer] of Object.entries(peers)) {
    const { seconds, failed, refused, answers, most } = await run(peer, load);
    const share = answers ? ((100 * refused) / answers).toFixed(1) : '0.0';
    figures[name] =
      `${failed} failed, ${refused} × 429 (${share} %), ${seconds.toFixed(0)} s, at most ${most} requests each`;
  }
  return figures;
}

/** The real client, one text a request. @returns {Promise<Client>} */
async function client() {
  const { NerClient } = await import(new URL('../../packages/client/dist/index.js', import.meta.url).href);
  return async (kong, clock, requests) => {
    /** @type {Map<string, number>} */
    const sent = new Map();
    const dispatcher = new VirtualDispatcher(([text = '']) => {
      sent.set(text, (sent.get(text) ?? 0) + 1);
      return kong.request();
    });
    const ner = new NerClient({ url: ENDPOINT, apiKey: 'key', clock, dispatcher, concurrency: SLOTS });
    const all = await Promise.allSettled(
      Array.from({ length: requests }, (_, i) => ner.extract(`text ${i}`, { alone: true })),
    );
    await ner.close();
    return { failed: all.filter(({ status }) => status === 'rejected').length, most: Math.max(...sent.values()) };
  };
}

/** Peers, each in as many slots as ours. @returns {Promise<Record<string, Client>>} */
async function others() {
  const [{ default: PQueue }, { default: ky }] = await Promise.all([import('p-queue'), import('ky')]);
  const slots = () => new PQueue({ concurrency: SLOTS });
  const paced = (/** @type {Kong} */ kong) =>
    new PQueue({ concurrency: SLOTS, interval: 60_000, intervalCap: kong.limits.minute ?? Number.POSITIVE_INFINITY });
  const post = (/** @type {Fetch} */ fetch) => ky.post(ENDPOINT, { fetch, retry: { limit: 5, methods: ['post'] } });
  return {
    'fetch, up to 5 retries after 1, 2, 4, … s': peer(slots, naively),
    'p-queue at the limit a minute, the same retries': peer(paced, naively),
    'ky, POST retried up to 5 times': peer(slots, post),
  };
}

/**
 * @param {(kong: Kong) => { add: (task: () => Promise<unknown>) => Promise<unknown> }} queueOf
 * @param {(fetch: Fetch) => Promise<unknown>} send one request with its retries
 * @returns {Client}
 */
function peer(queueOf, send) {
  return async (kong, _clock, requests) => {
    const queue = queueOf(kong);
    const sent = Array.from({ length: requests }, () => 0);
    /** @type {(i: number) => Fetch} */
    const fetchOf = (i) => async () => {
      sent[i] = (sent[i] ?? 0) + 1;
      const { status, headers } = await kong.request().catch(() => Promise.reject(new TypeError('fetch failed')));
      return new Response('{}', { status, headers: [...headers] });
    };
    const all = await Promise.allSettled(sent.map((_, i) => queue.add(() => send(fetchOf(i)))));
    return { failed: all.filter(({ status }) => status === 'rejected').length, most: Math.max(...sent) };
  };
}

/** What many write by hand. @param {Fetch} fetch */
async function naively(fetch) {
  for (let attempt = 0; ; attempt++) {
    const response = await fetch().catch(() => undefined);
    if (response?.ok) return;
    if (attempt === 5) throw new Error(`gave up: ${response?.status}`);
    await new Promise((resolve) => setTimeout(resolve, 1000 * 2 ** attempt));
  }
}

/** A gateway whose clock shows that second of a minute at the start. @param {number} second */
function from(second) {
  return (/** @type {number} */ local) => NINE + second * 1000 + local;
}

/** @param {boolean} reached @returns {Row['verdict']} */
function verdict(reached) {
  return reached ? 'reached' : 'falls short';
}
