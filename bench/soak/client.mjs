// The client of the soak: documents without a pause, in streams and one by one, each of which must come back once.
import { setTimeout as sleep } from 'node:timers/promises';
import { NerClient } from '../../packages/client/dist/index.js';
import { seeded } from '../client/virtual-clock.mjs';
import { answering, order } from './part.mjs';
import { draw, NEW_SHARE, newWords, pool } from './texts.mjs';

/** @typedef {{ number: number, text: string, place: string }} Document `place`: in the pool, or empty for new words */
/** @typedef {import('../../packages/client/dist/index.js').Entity} Entity */

/** How many answers to new words are kept, to be compared at the end. */
const MOST_NEW = 1000;
const CONCURRENCY = 2;

const { url, apiKey, seed, expected } = await order();
const random = seeded(seed);
const texts = pool(seeded(seed));
/** Of the clock that the client is given. */
let ahead = 0;
const clock = {
  now: () => performance.now() + ahead,
  random: () => Math.random(),
  /** @param {number} ms @param {AbortSignal | undefined} signal */
  sleep: (ms, signal) => sleep(ms, undefined, { signal }).catch((error) => Promise.reject(signal?.reason ?? error)),
};
const ner = new NerClient({ url, apiKey, clock, concurrency: CONCURRENCY });

/** How often each document came back, by its number; filled, or its pages would come one by one and look like growth. */
const seen = new Uint8Array(2 ** 22).fill(0);
const result = { documents: 0, characters: 0, failed: 0, compared: 0, other: 0, badAborts: 0, aborts: 0 };
/** @type {string[]} */
const errors = [];
/** @type {{ text: string, found: string }[]} */
const fresh = [];
let news = 0;
let sending = true;

/** @returns {Document} */
function next() {
  const number = result.documents++;
  if (random() < NEW_SHARE) return { number, text: newWords(random), place: '' };
  const kind = draw(random);
  const at = Math.floor(random() * texts[kind].length);
  return { number, text: texts[kind][at] ?? '', place: `${kind} ${at}` };
}

/** @param {Document} document @param {readonly Entity[]} entities */
function take({ number, text, place }, entities) {
  seen[number] = (seen[number] ?? 0) + 1;
  result.characters += text.length;
  const found = entities.map(({ start, end, label }) => `${start} ${end} ${label}`).join();
  if (place === '') {
    news++;
    if (fresh.length < MOST_NEW) fresh.push({ text, found });
    else if (random() < MOST_NEW / news) fresh[Math.floor(random() * MOST_NEW)] = { text, found };
  } else {
    result.compared++;
    if (found === expected[place]) return;
    result.other++;
    tell(`${place}: ${found.slice(0, 200)} and not ${expected[place]?.slice(0, 200)}`);
  }
}

/** @param {unknown} error */
function tell(error) {
  if (errors.length < 10) errors.push(String(error));
}

async function streams() {
  while (sending) {
    let left = 500 + random() * 5000;
    const source = function* () {
      while (sending && left-- > 0) yield next();
    };
    try {
      const text = (/** @type {Document} */ document) => document.text;
      const order = random() < 0.5 ? 'input' : 'completion';
      for await (const outcome of ner.extractAll(source(), { text, order })) {
        if (outcome.ok) take(outcome.document, outcome.entities);
        else {
          seen[outcome.document.number] = (seen[outcome.document.number] ?? 0) + 1;
          result.failed++;
          tell(outcome.error);
        }
      }
    } catch (error) {
      tell(error);
    }
  }
}

async function singles() {
  while (sending) {
    const document = next();
    try {
      take(document, await ner.extract(document.text, { alone: random() < 0.5 }));
    } catch (error) {
      result.failed++;
      seen[document.number] = (seen[document.number] ?? 0) + 1;
      tell(error);
    }
  }
}

/** Calls that are given up, whose documents count for nothing. */
async function aborted() {
  while (sending) {
    await sleep(3000);
    const stop = new AbortController();
    const reason = new Error('given up');
    setTimeout(() => stop.abort(reason), random() * 500);
    result.aborts++;
    try {
      const some = Array.from({ length: 300 }, () => newWords(random));
      for await (const _ of ner.extractAll(some, { signal: stop.signal }));
    } catch (error) {
      if (error !== reason) {
        result.badAborts++;
        tell(error);
      }
    }
  }
}

const work = Promise.all([streams(), singles(), aborted()]);

/** Ends, once all that was sent has come back. */
export async function end() {
  sending = false;
  await work;
  await ner.close();
  const numbers = seen.subarray(0, result.documents);
  const lost = numbers.reduce((sum, times) => sum + Number(times === 0), 0);
  const twice = numbers.reduce((sum, times) => sum + Number(times > 1), 0);
  return { ...result, lost, twice, fresh, errors };
}

answering({
  so_far: () => result.documents,
  /** @param {number} ms how much further the clock goes at once, as one does that slept */
  clock(ms) {
    ahead += ms;
  },
  end,
});
