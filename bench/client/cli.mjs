// `burst-ner extract` as a process: how much memory a large input takes, and what kill -9 leaves.
import child_process from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { root, UserError } from '../../scripts/step.mjs';
import { seeded } from './virtual-clock.mjs';

const PROGRAM = path.join(root, 'packages/client/dist/cli/main.js');
const GATEWAY = path.join(root, 'bench/client/gateway.mjs');
const MB = 1e6;
const MOST_MB = 150;

/**
 * @param {{ quick?: boolean }} [options] quick: a tenth
 * @returns {Promise<{ what: string, must: string, value: string, verdict: string }[]>}
 */
export async function rows({ quick = false } = {}) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'burst-ner-bench-'));
  const gateway = child_process.spawn(process.execPath, [GATEWAY], { stdio: ['pipe', 'pipe', 'inherit'] });
  try {
    const [line] = await once(gateway.stdout, 'data');
    const url = String(line).trim();
    return [
      await memory(folder, url, quick ? 100 : 1000),
      await kills(folder, url, quick ? 5 : 50),
      await containers(folder, url, gateway),
    ];
  } finally {
    gateway.stdin.end();
    fs.rmSync(folder, { recursive: true });
  }
}

/** @param {string} folder @param {string} url @param {number} size of the input, in MB */
async function memory(folder, url, size) {
  const input = path.join(folder, 'large.jsonl');
  const documents = writeDocuments(input, size * MB, 1000);
  const out = path.join(folder, 'large.out.jsonl');
  const child = start(url, 'key', input, out);
  /** @type {number[]} */
  const samples = [];
  let peak = 0;
  const timer = setInterval(() => {
    const { now, most } = residentMb(child.pid);
    if (now > 0) samples.push(now);
    peak = Math.max(peak, most);
  }, 250);
  const [code] = await once(child, 'close');
  clearInterval(timer);
  const { whole } = compare(out, documents);
  const most = (/** @type {number} */ from, /** @type {number} */ to) =>
    Math.max(...samples.slice(Math.floor(samples.length * from), Math.ceil(samples.length * to)));
  const [early, late] = [most(0.25, 0.5), most(0.75, 1)];
  const good = code === 0 && whole && peak > 0 && peak <= MOST_MB && late <= 1.1 * early;
  return {
    what: `${size} MB of JSONL in, JSONL out (${documents} documents; a gateway without a limit)`,
    must: `peak of memory ≤ ${MOST_MB} MB, flat`,
    value: `${peak} MB; at most ${early} MB in the second quarter, ${late} MB in the last`,
    verdict: good ? 'reached' : 'falls short',
  };
}

/** @param {string} folder @param {string} url @param {number} count */
async function kills(folder, url, count) {
  const found = await killAndResume({ folder, url, key: 'key', kills: count, seed: 50, out: 'killed.jsonl' });
  const good = found.lost === 0 && found.twice === 0 && found.whole && found.kills === count;
  return {
    what: `kill -9 at ${count} random points, each time resumed`,
    must: '0 lost, 0 twice',
    value: `${found.lost} lost, ${found.twice} twice of ${found.documents} documents, ${found.kills} kills`,
    verdict: good ? 'reached' : 'falls short',
  };
}

/**
 * Two containers with one folder: the second is refused while the first lives, and goes on once it was killed.
 *
 * @param {string} folder @param {string} url @param {child_process.ChildProcess} gateway
 */
async function containers(folder, url, gateway) {
  const what = 'two containers, one output: a second run beside the first, and after its kill -9';
  const must = 'refused; then 0 lost, 0 twice';
  const inContainer = ['unshare', '--pid', '--fork', '--kill-child', '--mount-proc'];
  if (child_process.spawnSync(inContainer[0] ?? '', [...inContainer.slice(1), 'true']).status !== 0) {
    return { what, must, value: 'this machine makes no pid namespaces (unshare, as root)', verdict: 'not run' };
  }
  const input = path.join(folder, 'contained.jsonl');
  const documents = writeDocuments(input, 20 * MB, 300);
  const out = path.join(folder, 'contained.out.jsonl');
  const first = start(url, 'key', input, out, inContainer);
  while (sizeOf(out) === 0) await sleep(1);
  gateway.kill('SIGSTOP'); // so that the first run is long enough
  const refused = await ended(start(url, 'key', input, out, inContainer));
  const whileItRan = first.exitCode === null;
  first.kill('SIGKILL');
  await ended(first);
  gateway.kill('SIGCONT');
  const left = fs.existsSync(`${out}.lock`);
  const code = await ended(start(url, 'key', input, out, inContainer));
  const { lost, twice, whole } = compare(out, documents);
  const good = refused === 2 && whileItRan && left && code === 0 && whole;
  return {
    what,
    must,
    value: `exit code ${refused}; then ${lost} lost, ${twice} twice of ${documents} documents`,
    verdict: good ? 'reached' : 'falls short',
  };
}

/**
 * Runs one extraction that is killed again and again: each process when the output has grown to the next of some random
 * sizes, and up to 20 ms later. The last one may end.
 *
 * @param {{ folder: string, url: string, key: string, kills: number, seed: number, out: string }} options
 *   out: `.jsonl` or `.csv`, a name in the folder
 */
export async function killAndResume({ folder, url, key, kills, seed, out }) {
  const random = seeded(seed);
  const input = path.join(folder, 'documents.jsonl');
  const documents = writeDocuments(input, kills * 60_000, 300);
  const killed = path.join(folder, out);
  const reference = path.join(folder, `reference${path.extname(out)}`);
  if ((await ended(start(url, key, input, reference))) !== 0) throw new UserError('the run that was not killed failed');
  const size = fs.statSync(reference).size;
  const targets = Array.from({ length: kills }, () => random() * 0.95 * size).sort((a, b) => a - b);
  let done = 0;
  for (const target of targets) {
    const child = start(url, key, input, killed);
    const end = ended(child);
    while (child.exitCode === null && sizeOf(killed) <= target) await sleep(1);
    await sleep(random() * 20);
    child.kill('SIGKILL');
    if ((await end) === null) done++;
  }
  let code = await ended(start(url, key, input, killed));
  // Where documents fail at first, those of the last run are done again once more.
  if (code === 1) code = await ended(start(url, key, input, killed));
  const { lost, twice, whole } = compare(killed, documents, reference);
  return { documents, kills: done, lost, twice, whole: whole && code === 0 };
}

/** @param {string} url @param {string} key @param {string} input @param {string} out @param {string[]} before */
function start(url, key, input, out, before = []) {
  const [command = '', ...args] = [...before, process.execPath, PROGRAM, 'extract', '--url', url, '--out', out, input];
  return child_process.spawn(command, args, {
    env: { PATH: process.env['PATH'], NER_API_KEY: key },
    stdio: ['ignore', 'ignore', 'ignore'],
  });
}

/** @param {child_process.ChildProcess} child @returns {Promise<number | null>} its exit code; null when it was killed */
async function ended(child) {
  const [code] = await once(child, 'close');
  return code;
}

/** @param {string} file @param {number} bytes at least @param {number} each characters of a document @returns how many */
function writeDocuments(file, bytes, each) {
  const fd = fs.openSync(file, 'w');
  let id = 0;
  for (let size = 0; size < bytes; ) {
    let lines = '';
    for (let i = 0; i < 1000 && size + lines.length < bytes; i++) {
      const words = `Ada number ${id} lived in London and wrote to Bob about the engine. `;
      lines += `${JSON.stringify({ id, text: words.repeat(Math.ceil(each / words.length)) })}\n`;
      id++;
    }
    size += fs.writeSync(fd, lines);
  }
  fs.closeSync(fd);
  return id;
}

/**
 * Reads the output's ids in blocks: it may be larger than a string.
 *
 * @param {string} file @param {number} documents @param {string} [reference] what the file must be, byte for byte
 */
function compare(file, documents, reference) {
  const times = new Uint8Array(documents);
  const fd = fs.openSync(file, 'r');
  const block = Buffer.alloc(MB);
  let rest = '';
  let previous = '';
  for (let read = fs.readSync(fd, block); read > 0; read = fs.readSync(fd, block)) {
    const lines = (rest + block.toString('latin1', 0, read)).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      // A CSV has a row for each entity of a document.
      const id = /^\{"source":"[^"]*","line":\d+,"id":(\d+),|^[^,]*,\d+,(\d+),/.exec(line)?.slice(1).find(Boolean);
      if (id === undefined || (line[0] !== '{' && id === previous)) continue;
      previous = id;
      times[Number(id)] = (times[Number(id)] ?? 0) + 1;
    }
  }
  fs.closeSync(fd);
  const lost = times.filter((n) => n === 0).length;
  const twice = times.filter((n) => n > 1).length;
  const same = reference === undefined || fs.readFileSync(file).equals(fs.readFileSync(reference));
  return { lost, twice, whole: lost === 0 && twice === 0 && rest === '' && same };
}

/** @param {string} file */
function sizeOf(file) {
  return fs.statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

/** What a process has in memory, and the most it had so far. Linux alone tells both. @param {number | undefined} pid */
function residentMb(pid) {
  let status = '';
  try {
    status = fs.readFileSync(`/proc/${pid}/status`, 'utf8');
  } catch {} // it has ended
  const mb = (/** @type {string} */ name) =>
    Math.round((Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0) * 1024) / MB);
  return { now: mb('VmRSS'), most: mb('VmHWM') };
}
