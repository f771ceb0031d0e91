// What the load test says against what was: time stamps of packets on the loopback interface, and a server that stalls.
import child_process from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import readline from 'node:readline';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { root } from '../../scripts/step.mjs';
import { decide, figure, median, verdict } from '../median.mjs';
import { available, burstLoads, rateLoads } from './peers.mjs';

/** @import { Readable, Writable } from 'node:stream' */
/** @import { Row } from '../report.mjs' */

const CAPTURE = fileURLToPath(new URL('./capture.py', import.meta.url));
const DIST = path.join(root, 'packages/loadtest/dist');
const STALL_MS = 2000;
const HOLD_MS = 5;
const CERTIFICATE = [
  ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1'],
  ...['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'],
];

/**
 * @param {{ quick?: boolean }} [options] fewer runs, and shorter ones
 * @returns {Promise<Row[]>}
 */
export async function rows({ quick = false } = {}) {
  const { startTruth } = await import(pathToFileURL(path.join(DIST, 'truth.js')).href);
  const all = await onTheWire(startTruth, quick);
  const truth = await startTruth();
  try {
    return [...all, ...(await stall(truth, quick ? 1 : 5))];
  } finally {
    await truth.close();
  }
}

/** Packets cannot be captured here; the message says why. */
class NoCapture extends Error {}

/** @param {StartTruth} startTruth @param {boolean} quick @returns {Promise<Row[]>} */
async function onTheWire(startTruth, quick) {
  try {
    if (process.getuid?.() !== 0 || os.type() !== 'Linux') throw new NoCapture('it needs root on Linux');
    const plain = await Captured.use(startTruth, undefined, (captured) => plainRows(captured, quick));
    return [...plain, await tlsSpread(startTruth, quick ? 10 : 20)];
  } catch (error) {
    if (!(error instanceof NoCapture)) throw error;
    const row = { must: 'a packet capture', value: `not run: ${error.message}`, verdict: 'not run' };
    return [{ what: 'reported latency and spread against those on the wire', ...row }];
  }
}

/** @param {Captured} captured @param {boolean} quick */
async function plainRows(captured, quick) {
  const runs = quick ? 3 : 5;
  const all = [];
  for (const n of [5, 20, 100]) all.push(await burstError(captured, n, runs));
  for (const holdMs of [50, 200]) all.push(await rateError(captured, holdMs, runs, quick ? 2 : 3));
  return [...all, await spread(captured, quick ? 10 : 20, '')];
}

/** @typedef {typeof import('../../packages/loadtest/src/load/truth.js').startTruth} StartTruth */
/** @typedef {import('../../packages/loadtest/src/load/truth.js').Truth} Truth */

/**
 * A server whose packets are captured. It has cores of its own and the load generators another, where there are two or
 * more: a target is a machine of its own, where neither waits until the other is done with a core.
 */
class Captured {
  /** @param {Truth} truth @param {child_process.ChildProcessByStdio<Writable, Readable, null>} child */
  constructor(truth, child) {
    this.truth = truth;
    this.url = truth.url.href;
    this.child = child;
    this.lines = readline.createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  }

  /**
   * @template T
   * @param {StartTruth} startTruth
   * @param {{ key: string, cert: string } | undefined} certificate
   * @param {(captured: Captured) => Promise<T>} measure
   * @returns {Promise<T>}
   * @throws {NoCapture}
   */
  static async use(startTruth, certificate, measure) {
    const cores = bound();
    const [first = cores, ...others] = single(cores);
    /** @type {Truth | undefined} */
    let truth;
    /** @type {child_process.ChildProcessByStdio<Writable, Readable, null> | undefined} */
    let child;
    try {
      bind(others.join(',') || first);
      truth = await startTruth(certificate);
      bind(first);
      const args = [CAPTURE, truth.url.port, ...(certificate ? ['tls'] : [])];
      child = child_process.spawn('python3', args, { stdio: ['pipe', 'pipe', 'inherit'] });
      // One that ends says nothing more, which is an error where it is read.
      child.on('error', () => {});
      child.stdin.on('error', () => {});
      const captured = new Captured(truth, child);
      if ((await captured.lines.next()).done) throw new NoCapture('the packet capture does not start');
      return await measure(captured);
    } finally {
      child?.kill();
      await truth?.close();
      bind(cores);
    }
  }

  /** Since the last call, ms. @returns {Promise<{ latencies: number[], spreads: number[] }>} */
  async taken() {
    this.child.stdin.write('\n');
    const { value, done } = await this.lines.next();
    if (done) throw new Error('the packet capture has ended');
    return JSON.parse(value);
  }
}

/** The cores that this process may use, as `0-3,6`. */
function bound() {
  return /Cpus_allowed_list:\s*(\S+)/.exec(fs.readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0';
}

/** `0-3,6` as single cores. @param {string} cores */
function single(cores) {
  return cores.split(',').flatMap((range) => {
    const [from = 0, to = from] = range.split('-').map(Number);
    return Array.from({ length: to - from + 1 }, (_, i) => `${from + i}`);
  });
}

/** This process, and what it starts from now on. @param {string} cores */
function bind(cores) {
  try {
    child_process.execFileSync('taskset', ['-acp', cores, String(process.pid)], { stdio: 'ignore' });
  } catch {
    throw new NoCapture('it needs taskset (util-linux), to give the server cores of its own');
  }
}

/**
 * Runs each load in turn, and compares what it reported with what was captured; three times as long when that does not
 * decide about ours.
 * @param {Captured} captured
 * @param {ReturnType<typeof burstLoads>} loads
 * @param {number} runs
 * @param {(reported: number, truth: number) => number} compare p50 with p50
 * @param {(error: number) => boolean} holds
 * @returns {Promise<Map<string, number[]>>}
 */
async function interleave(captured, loads, runs, compare, holds) {
  const found = await available(loads);
  const errors = new Map(found.map(({ name }) => [name, /** @type {number[]} */ ([])]));
  const measure = async () => {
    for (const { name, load } of found) {
      await captured.taken();
      const { p50 } = await load(captured.url);
      errors.get(name)?.push(compare(p50, median((await captured.taken()).latencies)));
    }
    return errors.get('ours')?.at(-1) ?? Number.NaN;
  };
  await decide(runs, measure, holds);
  return errors;
}

/** @param {Map<string, number[]>} errors @param {(values: number[]) => string} format */
function peers(errors, format) {
  return Object.fromEntries([...errors].filter(([name]) => name !== 'ours').map(([name, v]) => [name, format(v)]));
}

/** @param {Captured} captured @param {number} n @param {number} runs @returns {Promise<Row>} */
async function burstError(captured, n, runs) {
  await captured.truth.hold({ holdMs: HOLD_MS });
  const bound = n > 20 ? 1 : 0.5;
  const holds = (/** @type {number} */ ms) => Math.abs(ms) <= bound;
  const errors = await interleave(captured, burstLoads(n), runs, (reported, true_) => reported - true_, holds);
  const own = errors.get('ours') ?? [];
  const format = (/** @type {number[]} */ values) => `${figure(values, 2)} ms`;
  return {
    what: `burst of ${n}: reported p50 less p50 on the wire (server of ${HOLD_MS} ms)`,
    must: `<= ${bound} ms`,
    value: format(own),
    peers: peers(errors, format),
    verdict: verdict(own, holds),
  };
}

/** @param {Captured} captured @param {number} holdMs @param {number} runs @param {number} seconds @returns {Promise<Row>} */
async function rateError(captured, holdMs, runs, seconds) {
  await captured.truth.hold({ holdMs });
  const percent = (/** @type {number} */ reported, /** @type {number} */ true_) => (reported / true_ - 1) * 100;
  const holds = (/** @type {number} */ error) => Math.abs(error) <= 2;
  const errors = await interleave(captured, rateLoads(seconds), runs, percent, holds);
  const own = errors.get('ours') ?? [];
  const format = (/** @type {number[]} */ values) => `${figure(values, 1)} %`;
  return {
    what: `server of ${holdMs} ms, 100 a second (wrk: closed loop): reported p50 against p50 on the wire`,
    must: 'within 2 %',
    value: format(own),
    peers: peers(errors, format),
    verdict: verdict(own, holds),
  };
}

/**
 * The server stands still for two of ten seconds. Whoever wants an answer every 10 ms waits, by arithmetic, 2000 to 0 ms
 * in 200 of 1000 cases.
 * @param {Truth} truth
 * @param {number} runs
 * @returns {Promise<Row[]>}
 */
async function stall(truth, runs) {
  const waits = Array.from({ length: 1000 }, (_, i) => HOLD_MS + Math.max(0, STALL_MS - i * 10)).sort((a, b) => a - b);
  const found = await available(rateLoads(10));
  /** @type {{ p: 'p90' | 'p99', truth: number, values: Map<string, number[]> }[]} */
  const columns = [
    { p: 'p90', truth: waits[899] ?? 0, values: new Map() },
    { p: 'p99', truth: waits[989] ?? 0, values: new Map() },
  ];
  for (let run = 0; run < runs; run++) {
    for (const { name, load } of found) {
      await truth.hold({ holdMs: HOLD_MS, stall: { afterMs: 4000, ms: STALL_MS } });
      const reported = await load(truth.url.href);
      for (const { p, values } of columns) values.set(name, [...(values.get(name) ?? []), reported[p]]);
    }
  }
  return columns.map(({ p, truth: true_, values }) => {
    const own = values.get('ours') ?? [];
    const format = (/** @type {number[]} */ all) => `${all.length > 1 ? figure(all, 0) : all[0]?.toFixed(0)} ms`;
    return {
      what: `100 a second for 10 s, server still for ${STALL_MS / 1000} s: reported ${p}`,
      must: `${true_} ms +- 3 %`,
      value: format(own),
      peers: peers(values, format),
      verdict: verdict(own, (ms) => Math.abs(ms / true_ - 1) <= 0.03),
    };
  });
}

/**
 * @param {Captured} captured @param {number} bursts @param {string} name @param {NodeJS.ProcessEnv} [env]
 * @returns {Promise<Row>}
 */
async function spread(captured, bursts, name, env) {
  await captured.truth.hold({ holdMs: HOLD_MS });
  await captured.taken();
  const args = [path.join(DIST, 'cli.js'), 'run', captured.url, '-n', '100', '--bursts', String(bursts)];
  const child = child_process.spawn(process.execPath, [...args, '--every', '500ms', '--json'], {
    env: { ...process.env, NER_API_KEY: 'k', ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let stderr = '';
  child.stderr.on('data', (data) => {
    stderr += data;
  });
  const code = await new Promise((resolve) => child.on('close', resolve));
  if (code !== 0) throw new Error(`the run failed: ${stderr}`);
  const { spreads } = await captured.taken();
  const bound = name ? 10 : 2.5;
  return {
    what: `spread of first bytes on the wire${name}, 100 at once, ${spreads.length} bursts`,
    must: `median <= ${bound} ms`,
    value: `${figure(spreads, 2)} ms`,
    verdict: verdict(spreads, (ms) => ms <= bound),
  };
}

/** @param {StartTruth} startTruth @param {number} bursts */
async function tlsSpread(startTruth, bursts) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'burst-ner-bench-'));
  const key = path.join(folder, 'key.pem');
  const cert = path.join(folder, 'cert.pem');
  const env = { NODE_EXTRA_CA_CERTS: cert };
  try {
    const files = ['-keyout', key, '-out', cert];
    child_process.execFileSync('openssl', [...CERTIFICATE, ...files], { stdio: 'ignore' });
    const certificate = { key: fs.readFileSync(key, 'utf8'), cert: fs.readFileSync(cert, 'utf8') };
    return await Captured.use(startTruth, certificate, (captured) => spread(captured, bursts, ', TLS', env));
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
}
