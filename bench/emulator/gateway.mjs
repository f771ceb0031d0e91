// Whether the emulator's gateway answers as Kong was recorded to, and what it costs. Run by `npm run bench -- emulator`;
// alone, `node bench/emulator/gateway.mjs [--quick]` prints the rows as JSON lines.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { conformance, report } from '../../packages/emulator/conformance/dist/conformance.js';
import { root } from '../../scripts/step.mjs';
import { decide, median, spread } from '../median.mjs';

/** @typedef {import('../report.mjs').Row} Row */

const GOLDEN = path.join(root, 'packages/emulator/test/gateway/golden');
const SYSTEM = fileURLToPath(new URL('./gateway.system.mjs', import.meta.url));
const LIMIT = 100;

/**
 * @param {{ quick?: boolean }} [options] a tenth of the bursts and of the requests
 * @returns {Promise<Row[]>}
 */
export async function rows({ quick = false } = {}) {
  const upstream = await start('upstream');
  const gateway = await start('gateway', String(upstream.port));
  try {
    const burst = bursts(gateway.port);
    return [
      await golden(),
      ...(await overAdmission(burst, quick ? 2 : 20)),
      await sequential(burst),
      await ownTime(gateway.port, upstream.port, quick ? 200 : 2000),
    ];
  } finally {
    gateway.stop();
    upstream.stop();
  }
}

/** @returns {Promise<Row>} */
async function golden() {
  let last = '';
  const code = report(await conformance(GOLDEN), (/** @type {string} */ line) => {
    last = line;
  });
  return { what: 'gateway: golden cases', must: '100 %', value: last, verdict: code === 0 ? 'reached' : 'falls short' };
}

/**
 * Bursts of as many requests at once as were recorded from Kong: how many of them were admitted as often as there.
 * @param {(count: number) => Promise<number>} burst
 * @param {number} repeats
 * @returns {Promise<Row[]>}
 */
async function overAdmission(burst, repeats) {
  const needed = Math.floor(0.9 * repeats);
  const rows = [];
  for (const [count, [least, most]] of recordedBursts()) {
    const admitted = [];
    for (let i = 0; i < repeats; i++) admitted.push(await burst(count));
    const within = admitted.filter((ok) => ok >= least && ok <= most).length;
    rows.push({
      what: `gateway: over-admission, limit ${LIMIT}, ${count} at once`,
      must: `${least} to ${most} in ${needed} of ${repeats} bursts`,
      value: `${within} of ${repeats}; ${spread(admitted).join(' to ')} admitted`,
      verdict: within >= needed ? 'reached' : 'falls short',
    });
  }
  return rows;
}

/** The least and the most that Kong admitted, by the number of requests at once. */
function recordedBursts() {
  /** @type {Map<number, [number, number]>} */
  const found = new Map();
  for (const name of fs.readdirSync(GOLDEN).filter((name) => name.startsWith('11-'))) {
    for (const line of fs.readFileSync(path.join(GOLDEN, name), 'utf8').trim().split('\n')) {
      const { sent, ok } = JSON.parse(line);
      const [least, most] = found.get(sent) ?? [ok, ok];
      found.set(sent, [Math.min(least, ok), Math.max(most, ok)]);
    }
  }
  return found;
}

/** @param {(count: number, oneByOne: boolean) => Promise<number>} burst @returns {Promise<Row>} */
async function sequential(burst) {
  const admitted = await burst(LIMIT + 20, true);
  return {
    what: `gateway: ${LIMIT + 20} one by one, limit ${LIMIT}`,
    must: `${LIMIT} admitted`,
    value: `${admitted} admitted`,
    verdict: admitted === LIMIT ? 'reached' : 'falls short',
  };
}

/**
 * A keep-alive request through the gateway, less one straight to the upstream, run after run in turn.
 * @param {number} gateway port @param {number} upstream port @param {number} requests a run
 * @returns {Promise<Row>}
 */
async function ownTime(gateway, upstream, requests) {
  const [through, straight] = await Promise.all([Client.open(gateway), Client.open(upstream)]);
  const p50 = async (/** @type {Client} */ client) => {
    const times = [];
    for (let i = 0; i < requests; i++) {
      const begin = performance.now();
      const status = await client.ask('unlimited');
      if (status !== 200) throw new Error(`the benchmark's request was answered ${status}`);
      times.push(performance.now() - begin);
    }
    return median(times);
  };
  await p50(through);
  await p50(straight);
  const { values, verdict } = await decide(
    5,
    async () => (await p50(through)) - (await p50(straight)),
    (ms) => ms <= 1,
  );
  through.close();
  straight.close();
  const [least, most] = spread(values).map((ms) => ms.toFixed(2));
  return {
    what: 'gateway: its own time, keep-alive, p50 (through it less straight, by runs in turn)',
    must: '<= 1 ms',
    value: `${median(values).toFixed(2)} ms (${least} to ${most})`,
    verdict,
  };
}

/** Bursts on connections that stand, each by a consumer that sent nothing before. @param {number} port */
function bursts(port) {
  let used = 0;
  return async (/** @type {number} */ count, oneByOne = false) => {
    const key = `w${used++}`;
    const clients = await Promise.all(Array.from({ length: oneByOne ? 1 : count }, () => Client.open(port)));
    const statuses = [];
    if (oneByOne) for (let i = 0; i < count; i++) statuses.push(await clients[0]?.ask(key));
    else {
      // Accepted, all of them.
      await Promise.all(clients.map((client) => client.ask('unlimited')));
      statuses.push(...(await Promise.all(clients.map((client) => client.ask(key)))));
    }
    for (const client of clients) client.close();
    return statuses.filter((status) => status === 200).length;
  };
}

/** A keep-alive connection that costs little itself. */
class Client {
  #text = '';
  /** @type {(status: number) => void} */
  #answered = () => {};

  /** @param {net.Socket} socket */
  constructor(socket) {
    this.socket = socket.setEncoding('latin1').on('data', (text) => {
      this.#text += text;
      const end = this.#text.indexOf('\r\n\r\n');
      const length = Number(/\r\ncontent-length: (\d+)/i.exec(this.#text)?.[1] ?? 0);
      if (end < 0 || this.#text.length < end + 4 + length) return;
      const status = Number(this.#text.slice(9, 12));
      this.#text = '';
      this.#answered(status);
    });
  }

  /** @param {number} port */
  static async open(port) {
    const socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
    await once(socket, 'connect');
    return new Client(socket);
  }

  /** @param {string} key @returns {Promise<number>} the status */
  ask(key) {
    return new Promise((resolve) => {
      this.#answered = resolve;
      const head = `POST /nlp/ner HTTP/1.1\r\nHost: gw.test\r\napikey: ${key}\r\nContent-Type: application/json\r\n`;
      this.socket.write(`${head}Content-Length: 13\r\n\r\n{"text":"hi"}`);
    });
  }

  close() {
    this.socket.destroy();
  }
}

/** @param {string[]} role of gateway.system.mjs */
async function start(...role) {
  const child = fork(SYSTEM, role);
  const [port] = await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(() => Promise.reject(new Error(`the ${role[0]} of the benchmark did not start`))),
  ]);
  return { port: Number(port), stop: () => child.disconnect() };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const row of await rows({ quick: process.argv.includes('--quick') })) console.log(JSON.stringify(row));
}
