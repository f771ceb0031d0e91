// What the load test says against what was: time stamps of packets on the loopback interface, and a server that stalls.
import child_process from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import readline from 'node:readline';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { root } from '../../scripts/step.mjs';
import { figure, median, verdict } from '../median.mjs';
import { available, burstLoads, rateLoads } from './peers.mjs';

/** @import { Row } from '../report.mjs' */

const CAPTURE = fileURLToPath(new URL('./capture.py', import.meta.url));
const DIST = path.join(root, 'packages/loadtest/dist');
const STALL_MS = 2000;
const HOLD_MS = 5;

/**
 * @param {{ quick?: boolean }} [options] fewer runs, and shorter ones
 * @returns {Promise<Row[]>}
 */
export async function rows({ quick = false } = {}) {
  const { startTruth } = await import(pathToFileURL(path.join(DIST, 'truth.js')).href);
  const truth = await startTruth();
  const capture = process.getuid?.() === 0 && os.type() === 'Linux' && (await startCapture(Number(truth.url.port)));
  try {
    const all = [];
    if (capture) {
      for (const n of [5, 20, 100]) all.push(await burstError(truth, capture, n, quick ? 3 : 5));
      for (const holdMs of [50, 200]) all.push(await rateError(truth, capture, holdMs, quick ? 3 : 5, quick ? 2 : 3));
      all.push(await spread(truth, capture, quick ? 10 : 20, ''));
      all.push(await tlsSpread(startTruth, quick ? 10 : 20));
    } else {
      const row = { must: 'a packet capture', value: 'not run: it needs root on Linux', verdict: 'not run' };
      all.push({ what: 'reported latency and spread against those on the wire', ...row });
    }
    return [...all, ...(await stall(truth, quick ? 1 : 5))];
  } finally {
    if (capture) capture.close();
    await truth.close();
  }
}

/** @typedef {import('../../packages/loadtest/src/truth.js').Truth} Truth */
/** @typedef {Awaited<ReturnType<typeof startCapture>>} Capture */

/** @param {number} port @param {string[]} [flags] */
async function startCapture(port, flags = []) {
  const child = child_process.spawn('python3', [CAPTURE, String(port), ...flags], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = readline.createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  await lines.next();
  return {
    /** Since the last call, ms. @returns {Promise<{ latencies: number[], spreads: number[] }>} */
    async taken() {
      child.stdin.write('\n');
      return JSON.parse((await lines.next()).value);
    },
    close: () => child.kill(),
  };
}

/**
 * Runs each load in turn, and compares what it reported with what was captured.
 * @param {Capture} capture
 * @param {string} url
 * @param {ReturnType<typeof burstLoads>} loads
 * @param {number} runs
 * @param {(reported: number, truth: number) => number} compare p50 with p50
 * @returns {Promise<Map<string, number[]>>}
 */
async function interleave(capture, url, loads, runs, compare) {
  const found = await available(loads);
  const errors = new Map(found.map(({ name }) => [name, /** @type {number[]} */ ([])]));
  for (let run = 0; run < runs; run++) {
    for (const { name, load } of found) {
      await capture.taken();
      const { p50 } = await load(url);
      errors.get(name)?.push(compare(p50, median((await capture.taken()).latencies)));
    }
  }
  return errors;
}

/** @param {Map<string, number[]>} errors @param {(values: number[]) => string} format */
function peers(errors, format) {
  return Object.fromEntries([...errors].filter(([name]) => name !== 'ours').map(([name, v]) => [name, format(v)]));
}

/** @param {Truth} truth @param {Capture} capture @param {number} n @param {number} runs @returns {Promise<Row>} */
async function burstError(truth, capture, n, runs) {
  await truth.hold({ holdMs: HOLD_MS });
  const errors = await interleave(capture, truth.url.href, burstLoads(n), runs, (reported, true_) => reported - true_);
  const bound = n > 20 ? 1 : 0.5;
  const own = errors.get('ours') ?? [];
  const format = (/** @type {number[]} */ values) => `${figure(values, 2)} ms`;
  return {
    what: `burst of ${n}: reported p50 less p50 on the wire (server of ${HOLD_MS} ms)`,
    must: `<= ${bound} ms`,
    value: format(own),
    peers: peers(errors, format),
    verdict: verdict(own, (ms) => Math.abs(ms) <= bound),
  };
}

/**
 * @param {Truth} truth @param {Capture} capture @param {number} holdMs @param {number} runs @param {number} seconds
 * @returns {Promise<Row>}
 */
async function rateError(truth, capture, holdMs, runs, seconds) {
  await truth.hold({ holdMs });
  const percent = (/** @type {number} */ reported, /** @type {number} */ true_) => (reported / true_ - 1) * 100;
  const errors = await interleave(capture, truth.url.href, rateLoads(seconds), runs, percent);
  const own = errors.get('ours') ?? [];
  const format = (/** @type {number[]} */ values) => `${figure(values, 1)} %`;
  return {
    what: `server of ${holdMs} ms, 100 a second (wrk: closed loop): reported p50 against p50 on the wire`,
    must: 'within 2 %',
    value: format(own),
    peers: peers(errors, format),
    verdict: verdict(own, (error) => Math.abs(error) <= 2),
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
 * @param {Truth} truth @param {Capture} capture @param {number} bursts @param {string} name @param {NodeJS.ProcessEnv} [env]
 * @returns {Promise<Row>}
 */
async function spread(truth, capture, bursts, name, env) {
  await truth.hold({ holdMs: HOLD_MS });
  await capture.taken();
  const args = [path.join(DIST, 'cli.js'), 'run', truth.url.href, '-n', '100', '--bursts', String(bursts)];
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
  const { spreads } = await capture.taken();
  const bound = name ? 10 : 2.5;
  return {
    what: `spread of first bytes on the wire${name}, 100 at once, ${spreads.length} bursts`,
    must: `median <= ${bound} ms`,
    value: `${figure(spreads, 2)} ms`,
    verdict: verdict(spreads, (ms) => ms <= bound),
  };
}

/** @param {(certificate: { key: string, cert: string }) => Promise<Truth>} start @param {number} bursts */
async function tlsSpread(start, bursts) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'burst-ner-bench-'));
  const file = path.join(folder, 'cert.pem');
  const openssl = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1'];
  const names = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'];
  const files = ['-keyout', path.join(folder, 'key.pem'), '-out', file];
  child_process.execFileSync('openssl', [...openssl, ...names, ...files], { stdio: 'ignore' });
  const cert = fs.readFileSync(file, 'utf8');
  const truth = await start({ key: fs.readFileSync(path.join(folder, 'key.pem'), 'utf8'), cert });
  const capture = await startCapture(Number(truth.url.port), ['tls']);
  try {
    return await spread(truth, capture, bursts, ', TLS', { NODE_EXTRA_CA_CERTS: file });
  } finally {
    capture.close();
    await truth.close();
    fs.rmSync(folder, { recursive: true });
  }
}
