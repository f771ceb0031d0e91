// The closed loop against servers that answer in odd ways and know the truth: how many requests they read, and how long
// they kept each. Run by `npm run bench -- loadtest`; alone, `node bench/loadtest/loop.mjs [--quick]` prints JSON lines.
import child_process from 'node:child_process';
import net from 'node:net';
import path from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { root } from '../../scripts/step.mjs';
import { decide, figure, median } from '../median.mjs';

/** @typedef {import('../report.mjs').Row} Row */

const SELF = fileURLToPath(import.meta.url);
const CLI = path.join(root, 'packages/loadtest/dist/cli.js');
const AUTOCANNON = path.join(root, 'node_modules/.bin/autocannon');
const BODY = '{"text":"Oslo"}';
const OK = 'HTTP/1.1 200 OK\r\nx-ner-cold-start: 0\r\n';
const WHOLE = `${OK}content-length: 2\r\n\r\n{}`;

/**
 * How a server answers its nth request on a connection.
 * @type {Record<string, (socket: net.Socket, nth: number) => Promise<unknown>>}
 */
const KINDS = {
  '1.5 s': async (socket) => sleep(1500).then(() => socket.write(WHOLE)),
  'a 103 first': async (socket) => {
    socket.write('HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n');
    await sleep(50);
    socket.write(WHOLE);
  },
  'HTTP/1.0': async (socket) => sleep(50).then(() => socket.end('HTTP/1.0 200 OK\r\nx-ner-cold-start: 0\r\n\r\n{}')),
  'every fifth cut in its body': async (socket, nth) => {
    await sleep(50);
    if (nth % 5 === 4) socket.end(`${OK}content-length: 99\r\n\r\n{`);
    else socket.write(WHOLE);
  },
  'chunks and a trailer': async (socket) => {
    socket.write(`${OK}trailer: x-t\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n`);
    await sleep(30);
    socket.write('0\r\nx-t: 1\r\n\r\n');
  },
  'a reset after each fifth answer': async (socket, nth) => {
    await sleep(50);
    socket.write(WHOLE, () => nth % 5 === 4 && socket.resetAndDestroy());
  },
};

/** @param {{ quick?: boolean }} [options] shorter runs @returns {Promise<Row[]>} */
export async function rows({ quick = false } = {}) {
  const all = [];
  for (const kind of Object.keys(KINDS)) all.push(await row(kind, kind === '1.5 s' ? 7 : quick ? 2 : 4));
  return all;
}

/** Five runs, each against a server of its own; three times as many while the spread of p50 straddles the bound. */
const RUNS = 5;

/** @param {string} kind @param {number} seconds @returns {Promise<Row>} */
async function row(kind, seconds) {
  const sum = { ok: 0, whole: 0, lost: 0, cut: 0, ended: 0 };
  let exact = true;
  const measure = async () => {
    const { told, truth } = await ours(kind, seconds);
    const [missing, lost] = [truth.whole - told.ok, truth.cut - told.lost];
    // What is under way at the end was read by the server, or not yet.
    exact &&= missing >= 0 && lost >= 0 && missing + lost <= told.ended && told.others === 0;
    for (const [name, count] of Object.entries({ ...told, ...truth })) {
      if (name in sum) sum[/** @type {keyof typeof sum} */ (name)] += count;
    }
    return 100 * (told.p50 / truth.p50 - 1);
  };
  const within = (/** @type {number} */ percent) => Math.abs(percent) <= 2;
  const { values, verdict } = await decide(RUNS, measure, within);
  const { told, truth } = await theirs(kind, seconds);
  return {
    what: `closed loop of 4 for ${seconds} s, answers: ${kind}`,
    must: 'p50 within 2 %, counts exact, none invented',
    value: `p50 ${figure(values, 1)} %; ${sum.ok} ok of ${sum.whole}, ${sum.lost} lost of ${sum.cut}, ${sum.ended} under way at the end`,
    peers: {
      autocannon: `p50 ${(100 * (told.p50 / truth.p50 - 1)).toFixed(1)} %; ${told.ok} ok of ${truth.whole}, ${told.lost} lost of ${truth.cut}${told.others ? `, ${told.others} 1xx` : ''}`,
    },
    verdict: exact ? verdict : 'falls short',
  };
}

/** @param {string} kind @param {number} seconds */
function ours(kind, seconds) {
  return against(kind, async (url) => {
    const args = [CLI, 'run', url, '--duration', `${seconds}s`, '--connections', '4', '--text', 'Oslo', '--json'];
    const { outcomes, latency, sent } = JSON.parse(await output(args));
    const { ok, cut: ended, 'connection-error': lost } = outcomes;
    return { ok, lost, ended, others: sent - ok - ended - lost, p50: latency.all.p50.value };
  });
}

/** @param {string} kind @param {number} seconds */
function theirs(kind, seconds) {
  return against(kind, async (url) => {
    const args = [AUTOCANNON, '-j', '-c', '4', '-d', String(seconds), '-m', 'POST', '-b', BODY, url];
    const found = JSON.parse(await output(args));
    return { ok: found['2xx'], lost: found.errors, others: found['1xx'], p50: found.latency.p50 };
  });
}

/**
 * @template T
 * @param {string} kind @param {(url: string) => Promise<T>} load
 * @returns {Promise<{ told: T, truth: { whole: number, cut: number, p50: number } }>}
 */
async function against(kind, load) {
  const child = child_process.fork(SELF, ['serve', kind]);
  const next = () => new Promise((resolve) => child.once('message', resolve));
  try {
    const { port } = await next();
    const told = await load(`http://127.0.0.1:${port}/nlp/ner`);
    child.send('truth');
    return { told, truth: await next() };
  } finally {
    child.kill();
  }
}

/** @param {string} kind */
function serve(kind) {
  /** @type {{ ms: number, cut: boolean }[]} */
  const kept = [];
  const server = net.createServer((socket) => {
    let [text, nth] = ['', 0];
    socket.setNoDelay(true).on('error', () => {});
    socket.on('data', async (chunk) => {
      if (socket.writableEnded) return;
      text += chunk;
      // As Kong: a body that is announced too long is refused at once.
      if (Number(/content-length: *(\d+)/i.exec(text)?.[1]) > 2 ** 20)
        return void socket.end('HTTP/1.1 413 No\r\ncontent-length: 0\r\n\r\n');
      if (!text.endsWith(BODY)) return;
      text = '';
      const [mine, began] = [nth++, performance.now()];
      await KINDS[kind]?.(socket, mine);
      kept.push({ ms: performance.now() - began, cut: kind.includes('cut') && mine % 5 === 4 });
    });
  });
  server.listen(0, '127.0.0.1', () => process.send?.({ port: /** @type {net.AddressInfo} */ (server.address()).port }));
  process.on('message', () => {
    const whole = kept.filter(({ cut }) => !cut);
    process.send?.({ whole: whole.length, cut: kept.length - whole.length, p50: median(whole.map(({ ms }) => ms)) });
  });
}

/** @param {string[]} args @returns {Promise<string>} */
function output(args) {
  const env = { ...process.env, NER_API_KEY: 'k' };
  return new Promise((resolve, reject) => {
    child_process.execFile(process.execPath, args, { env, maxBuffer: 1 << 28 }, (error, stdout) => {
      if (stdout) resolve(stdout);
      else reject(error);
    });
  });
}

if (process.argv[1] === SELF) {
  if (process.argv[2] === 'serve') serve(process.argv[3] ?? '');
  else for (const found of await rows({ quick: process.argv.includes('--quick') })) console.log(JSON.stringify(found));
}
