// The whole path for as long as one wants, with faults by a timetable: is every document answered once, and rightly, and
// does no part's memory grow?
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { render, trust } from '../../kong/render.mjs';
import { DEFAULT_MODEL, describeModel, prepareModel } from '../../scripts/model.mjs';
import { python } from '../../scripts/python.mjs';
import { root } from '../../scripts/step.mjs';
import { seeded } from '../client/virtual-clock.mjs';
import { recognize } from './alone.mjs';
import { LEAST, Memory } from './memory.mjs';
import { Part } from './part.mjs';
import { pool } from './texts.mjs';

/** @typedef {import('../report.mjs').Row} Row */

/** A cycle of faults, s; less in a run that is shorter. */
const CYCLE_S = 180;
/**
 * Cycles before those whose memory counts, and s of each: short ones, for V8 compiles by how often a function ran, and what
 * only a fault calls is else compiled over the whole run.
 */
const WARM_UP = { cycles: 60, seconds: 15 };
/** Requests a minute. */
const HIGH = 6000;
const LOW = 600;
/** A Python process is killed about so often, s. */
const KILL_S = 7;

/**
 * @typedef {{ host: Part, gateway: Part, client: Part }} System
 * @typedef {{ at: number, what: 'kills' | 'limits' | 'restarts' | 'gatewayKills' | 'gatewayClock' | 'clientClock', run: (system: System) => unknown }} Fault
 * @typedef {Awaited<ReturnType<typeof import('./client.mjs').end>>} Ended
 */

/** When in a cycle, as a part of it, and what. @type {Fault[]} */
const FAULTS = [
  { at: 0.1, what: 'limits', run: ({ gateway }) => gateway.ask('limit', LOW) },
  { at: 0.25, what: 'limits', run: ({ gateway }) => gateway.ask('limit', HIGH) },
  { at: 0.4, what: 'restarts', run: ({ gateway }) => gateway.ask('restart') },
  { at: 0.5, what: 'gatewayClock', run: ({ gateway }) => gateway.ask('clock', 37_000) },
  { at: 0.65, what: 'gatewayClock', run: ({ gateway }) => gateway.ask('clock', -95_000) },
  { at: 0.75, what: 'gatewayClock', run: ({ gateway }) => gateway.ask('clock', 0) },
  { at: 0.85, what: 'clientClock', run: ({ client }) => client.ask('clock', 20_000) },
];

/**
 * @param {{ quick?: boolean, minutes?: number }} [options]
 * @returns {Promise<Row[]>}
 */
export async function rows({ quick = false, minutes = quick ? 0.5 : 3 } = {}) {
  const seed = 1;
  const random = seeded(seed + 1);
  const model = await prepareModel(describeModel(DEFAULT_MODEL));
  const texts = Object.entries(pool(seeded(seed))).flatMap(([kind, all]) =>
    all.map((text, at) => ({ place: `${kind} ${at}`, text })),
  );
  const found = await recognize(
    model,
    texts.map(({ text }) => text),
  );
  const expected = Object.fromEntries(texts.map(({ place }, i) => [place, found[i] ?? '']));
  const { system, startGateway } = await start(model, { seed, expected });
  const cycleS = Math.min(CYCLE_S, minutes * 60);
  const memory = new Memory(cycleS);
  const count = { kills: 0, limits: 0, restarts: 0, gatewayKills: 0, gatewayClock: 0, clientClock: 0 };
  const began = performance.now();
  const cycles = Math.round((minutes * 60) / cycleS);
  const first = cycles < LEAST ? 0 : -WARM_UP.cycles;
  for (let cycle = first; cycle < cycles; cycle++) {
    const seconds = cycle < 0 ? WARM_UP.seconds : cycleS;
    const faults = timetable(random, seconds);
    if (cycle === first) faults.push({ at: 0.95 * seconds, what: 'gatewayKills', run: killGateway });
    const begin = performance.now();
    const now = () => (performance.now() - begin) / 1000;
    while (now() < seconds) {
      await sleep(1000 * Math.max(0, Math.min(1, (faults[0]?.at ?? seconds) - now())));
      for (; faults[0] && faults[0].at <= now(); faults.shift()) {
        if ((await faults[0].run(system)) !== false) count[faults[0].what]++;
      }
      if (cycle >= 0) await memory.weigh(system, cycle);
    }
    if (cycle >= 0) await memory.weighLive(system, cycle);
    const documents = await system.client.ask('so_far');
    console.error(`  Soak: ${Math.round((performance.now() - began) / 1000)} s, ${documents} documents …`);
  }
  /** @type {Ended} */
  const ended = await system.client.ask('end');
  const took = (performance.now() - began) / 60_000;
  await system.gateway.ask('close');
  const processes = await system.host.ask('close');
  for (const { process } of Object.values(system)) process.disconnect();
  const alone = await recognize(
    model,
    ended.fresh.map(({ text }) => text),
  );
  for (const [i, { found: by }] of ended.fresh.entries()) if (by !== alone[i]) ended.other++;
  ended.compared += alone.length;
  for (const error of ended.errors) console.error(`  ${error}`);
  return [...answered(ended, took, count, processes), ...memory.rows()];

  /** Its memory begins anew with the process, so this is done before anybody looks at it. */
  async function killGateway() {
    system.gateway.process.kill('SIGKILL');
    await system.gateway.ended;
    system.gateway = await startGateway();
  }
}

/** The faults of one cycle, in order. @param {() => number} random @param {number} cycleS @returns {Fault[]} */
function timetable(random, cycleS) {
  const faults = FAULTS.map((fault) => ({ ...fault, at: (fault.at + random() * 0.02) * cycleS }));
  for (let at = random() * KILL_S; at < 0.95 * cycleS; at += KILL_S * (0.5 + random())) {
    faults.push({ at, what: 'kills', run: ({ host }) => host.ask('kill', random()) });
  }
  return faults.sort((a, b) => a.at - b.at);
}

/** @param {string} model @param {{ seed: number, expected: Record<string, string> }} given */
async function start(model, { seed, expected }) {
  const secret = () => randomBytes(24).toString('base64url');
  const env = {
    DECK_NER_ORIGIN_SECRET: secret(),
    DECK_BATCH_PROCESSOR_KEY: secret(),
    DECK_LOAD_GENERATOR_KEY: secret(),
  };
  const kong = path.join(root, 'kong/kong.yaml');
  const service = path.join(root, 'packages/service');
  const host = new Part('./function.mjs', { options: { kong, service, python, model, reserved: 3, env } });
  await host.ready();
  const { url, ca } = await host.ask('where');
  const text = trust(render(fs.readFileSync(kong, 'utf8'), { ...env, DECK_NER_FUNCTION_URL: url }), ca);
  let port = 0;
  const startGateway = async () => {
    const gateway = new Part('./gateway.mjs', { text, port, limit: HIGH });
    await gateway.ready();
    port = await gateway.ask('where');
    return gateway;
  };
  const gateway = await startGateway();
  const endpoint = `http://127.0.0.1:${port}/nlp/ner`;
  const client = new Part('./client.mjs', { url: endpoint, apiKey: env.DECK_LOAD_GENERATOR_KEY, seed, expected });
  await client.ready();
  /** @type {System} */
  const system = { host, gateway, client };
  return { system, startGateway };
}

/**
 * @param {Ended} ended
 * @param {number} minutes
 * @param {Record<Fault['what'], number>} count
 * @param {number} processes left
 * @returns {Row[]}
 */
function answered(ended, minutes, count, processes) {
  const none = (/** @type {string} */ what, /** @type {number} */ value, of = '') => ({
    ...{ what, must: '0', value: `${value}${of}` },
    verdict: value === 0 ? 'reached' : 'falls short',
  });
  const among = (/** @type {number} */ count) => ` of ${count.toLocaleString('en')}`;
  const of = among(ended.documents);
  const aMinute = Math.round(ended.documents / minutes).toLocaleString('en');
  const characters = Math.round(ended.characters / Math.max(1, ended.documents)).toLocaleString('en');
  const faults = `${count.kills} × kill -9 of Python, ${count.gatewayKills} × of the gateway, ${count.restarts} restarts of it, ${count.limits} × another limit, clocks set ${count.gatewayClock} × (gateway) and ${count.clientClock} × (client)`;
  return [
    {
      what: `documents a minute, ${minutes.toFixed(0)} minutes`,
      must: '',
      value: `${aMinute}, of ${characters} characters in the mean`,
      verdict: '',
    },
    { what: 'faults on the way', must: '', value: faults, verdict: '' },
    none('documents that never came back', ended.lost, of),
    none('documents that came back twice', ended.twice, of),
    none('documents that failed', ended.failed, of),
    none('documents with other entities than those of the engine alone', ended.other, among(ended.compared)),
    none('calls given up that ended otherwise', ended.badAborts, ` of ${ended.aborts}`),
    none('Python processes left at the end', processes),
  ];
}
