// Other load generators, as people call them, each in a process of its own: what they report, ms.
import child_process from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { root } from '../../scripts/step.mjs';

const exec = promisify(child_process.exec);
const BODY = '{"text":"Ada Lovelace lived in London."}';
const BIN = path.join(root, '.cache/bench/bin');
/** What `go install` fetches where it is not in PATH. wrk is a package of the system's. @type {Record<string, string>} */
const GO = { hey: 'github.com/rakyll/hey@v0.1.4', vegeta: 'github.com/tsenart/vegeta/v12@v12.12.0' };
const CLI = path.join(root, 'packages/loadtest/dist/cli.js');
const AUTOCANNON = path.join(root, 'node_modules/.bin/autocannon');

/** @typedef {{ p50: number, p90: number, p99: number }} Reported */
/** @typedef {(url: string) => Promise<Reported>} Load */

const env = { ...process.env, NER_API_KEY: 'k', PATH: `${BIN}:${process.env['PATH']}` };

/** @param {string} command */
async function output(command) {
  const { stdout } = await exec(command, { env, maxBuffer: 1 << 28 });
  return stdout;
}

/** @param {number[]} values @param {number} p */
const rank = (values, p) => values.toSorted((a, b) => a - b)[Math.ceil(p * values.length) - 1] ?? Number.NaN;

/** @param {string} command @returns {Promise<Reported>} */
async function ours(command) {
  const { latency } = JSON.parse(await output(`node ${CLI} run ${command} --json`));
  const { p50, p90, p99 } = latency.all;
  return { p50: p50.value, p90: p90.value, p99: p99.value };
}

/** @param {string} command @returns {Promise<Reported>} */
async function autocannon(command) {
  const { latency } = JSON.parse(await output(`${AUTOCANNON} -j -m POST -H apikey=k -b '${BODY}' ${command}`));
  return latency;
}

/** @param {string} command @returns {Promise<Reported>} */
async function hey(command) {
  const rows = (await output(`hey -m POST -H 'apikey: k' -d '${BODY}' -o csv ${command}`)).trim().split('\n').slice(1);
  const values = rows.map((row) => Number(row.split(',')[0]) * 1e3);
  return { p50: rank(values, 0.5), p90: rank(values, 0.9), p99: rank(values, 0.99) };
}

/** @param {string} flags @param {string} url @returns {Promise<Reported>} */
async function vegeta(flags, url) {
  const body = path.join(root, '.cache/bench/body.json');
  fs.writeFileSync(body, BODY);
  const attack = `echo 'POST ${url}' | vegeta attack -header 'apikey: k' -body ${body} ${flags}`;
  // It sends nothing at all when it comes to its first request a millisecond late, and says so by its exit code.
  const report = () => output(`${attack} | vegeta report -type=json`);
  const { latencies } = JSON.parse(await report().catch(report).catch(report).catch(report));
  return { p50: latencies['50th'] / 1e6, p90: latencies['90th'] / 1e6, p99: latencies['99th'] / 1e6 };
}

/** @param {string} flags @param {string} url @returns {Promise<Reported>} */
async function wrk(flags, url) {
  const script = path.join(root, '.cache/bench/post.lua');
  fs.writeFileSync(script, `wrk.method = "POST"\nwrk.body = '${BODY}'\nwrk.headers["apikey"] = "k"\n`);
  const text = await output(`wrk -t1 --latency -s ${script} ${flags} ${url}`);
  const read = (/** @type {number} */ percent) => {
    const [, value, unit = 'ms'] = new RegExp(`${percent}% +([\\d.]+)(us|ms|s)`).exec(text) ?? [];
    return Number(value) * ({ us: 1e-3, ms: 1, s: 1e3 }[unit] ?? Number.NaN);
  };
  return { p50: read(50), p90: read(90), p99: read(99) };
}

/** n requests at once, once (ours: five times). @param {number} n @returns {Record<string, Load>} */
export function burstLoads(n) {
  return {
    ours: (url) => ours(`${url} -n ${n} --bursts 5 --every 300ms`),
    autocannon: (url) => autocannon(`-c ${n} -a ${n} ${url}`),
    hey: (url) => hey(`-n ${n} -c ${n} ${url}`),
    vegeta: (url) => vegeta(`-rate=${n}/1ms -duration=1ms -workers=${n}`, url),
  };
}

/** A hundred requests a second, or what comes nearest. @param {number} seconds @returns {Record<string, Load>} */
export function rateLoads(seconds) {
  return {
    ours: (url) => ours(`${url} --rate 100 --duration ${seconds}s`),
    autocannon: (url) => autocannon(`-c 20 -R 100 -d ${seconds} ${url}`),
    wrk: (url) => wrk(`-c20 -d${seconds}s`, url),
    hey: (url) => hey(`-c 20 -q 5 -z ${seconds}s ${url}`),
    vegeta: (url) => vegeta(`-rate=100 -duration=${seconds}s`, url),
  };
}

/** Which of the loads this machine has; fetches what the Go proxy gives. @param {Record<string, Load>} loads */
export async function available(loads) {
  fs.mkdirSync(BIN, { recursive: true });
  const found = [];
  for (const [name, load] of Object.entries(loads)) {
    const has = () => output(`command -v ${name}`).then(Boolean, () => false);
    const fetched = () => exec(`go install ${GO[name]}`, { env: { ...env, GOBIN: BIN } }).then(Boolean, () => false);
    const ready = name === 'ours' || name === 'autocannon' || (await has()) || (name in GO && (await fetched()));
    if (ready) found.push({ name, load });
    else
      console.error(`  ${name} is not here: its column says "not run" (install ${GO[name] ?? `the package ${name}`})`);
  }
  return found;
}
