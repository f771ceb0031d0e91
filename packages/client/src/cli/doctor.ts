import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { ConfigError, NerError } from '../errors.js';
import { checked, type Settings } from '../options.js';
import { date, readLimits } from '../rate-headers.js';
import { type Reply, Transport } from '../transport.js';
import { readAnswer, readDescription } from '../wire.js';
import { explain } from './answers.js';
import { count } from './progress.js';
import { modelName } from './record.js';

const TEXT = 'Ada Lovelace lived in London.';
const NONE_FOUND = '; most models name Ada Lovelace and London here: is it the right model, and of this language?';
const NO_LIMIT =
  'the gateway tells of no limit, so nobody is held to one, or the client meets it as answers of 429. Causes: the route ' +
  'has no rate-limiting; hide_client_headers is on; or it counts in a Redis that it cannot reach or whose certificate ' +
  "it cannot verify, and lets everything through: Kong's log tells";
// A cold start of a large model fits.
const TIMEOUT_MS = 50_000;
const CONNECT_MS = 10_000;
// Date has whole seconds, and the answer takes a moment.
const SKEW_MS = 2000;

type Status = 'ok' | 'note' | 'FAIL';

/** A check that ends the examination. */
class Failed extends Error {}

/** Runs `burst-ner doctor`: one line a check, until one fails. What comes out is its exit code. */
export async function doctor(url: string | undefined): Promise<number> {
  try {
    if (!url) throw new ConfigError('no url: pass --url or set the environment variable NER_URL');
    const settings = checked({ url, apiKey: process.env['NER_API_KEY'] });
    await examine(settings);
    return 0;
  } catch (error) {
    if (error instanceof Failed) return 1;
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`burst-ner: ${error.message}\n`);
    return 2;
  }
}

async function examine(settings: Settings): Promise<void> {
  const transport = new Transport(settings);
  const apiKey = await settings.apiKey();
  const exchange = { apiKey, headers: {}, timeoutMs: TIMEOUT_MS, signal: undefined };
  say('ok', 'address', transport.shown);
  await connection(settings.url);

  const about = await attempt('connection', () => transport.get('/model', exchange));
  if (about.status === 404) {
    say('note', 'model', `${about.url} is not there (404); the client keeps to the limits it knows`);
  } else {
    const { model, limits } = read(about, () => readDescription(about, apiKey));
    say('ok', 'key, route', 'the gateway knows both');
    say('ok', 'model', modelName(model));
    const each = Object.entries(limits).map(([name, value]) => `${name} ${value.toLocaleString('en')}`);
    say('ok', 'limits', each.join(', '));
  }

  const sent = Date.now();
  const body = JSON.stringify({ texts: [TEXT] });
  const reply = await attempt('one text', () => transport.post(body, exchange));
  const ms = Date.now() - sent;
  const { results } = read(reply, () => readAnswer(reply, 1, apiKey));
  const [result] = results;
  if (!result || 'error' in result) fail('one text', `the function could not do it: ${result?.error}`);
  const cold = reply.header('x-ner-cold-start') === '1' ? ', a cold start' : '';
  const found = result.entities.length;
  say(found ? 'ok' : 'note', 'one text', `${count(found, 'entity')} in ${ms} ms${cold}${found ? '' : NONE_FOUND}`);
  budget(reply);
  clock(reply, sent + ms / 2);
}

/** Facts only: should there be no connection, the request after it says why. */
async function connection({ protocol, hostname, port }: URL): Promise<void> {
  const host = hostname.replace(/^\[|\]$/g, '');
  try {
    const addresses = await lookup(host, { all: true });
    say('ok', 'name', `${host} is ${addresses.map(({ address }) => address).join(', ')}`);
    const secure = protocol === 'https:';
    const to = { host, port: Number(port) || (secure ? 443 : 80), timeout: CONNECT_MS };
    const started = performance.now();
    const socket = secure ? connectTls({ ...to, servername: host }) : connect(to);
    socket.on('timeout', () => socket.destroy(new Error('timeout')));
    try {
      await once(socket, secure ? 'secureConnect' : 'connect');
      const took = `in ${(performance.now() - started).toFixed(0)} ms`;
      const tls =
        'getProtocol' in socket
          ? `, ${socket.getProtocol()}, certificate verified, valid until ${socket.getPeerCertificate().valid_to}`
          : ', no TLS';
      say('ok', 'connection', `${took}${tls}`);
    } finally {
      socket.destroy();
    }
  } catch {}
}

function budget(reply: Reply): void {
  const limits = [...readLimits(reply).byPeriod];
  if (limits.length === 0) {
    say('note', 'budget', NO_LIMIT);
  }
  for (const [period, { limit, remaining }] of limits) {
    say('ok', 'budget', `${remaining} of ${limit} requests left this ${period}`);
  }
}

function clock(reply: Reply, localMs: number): void {
  const told = date(reply);
  const skew = (told ?? Number.NaN) - localMs;
  const seconds = Math.abs(Math.round(skew / 1000));
  if (told === undefined) say('note', 'clock', 'the answer has no Date to compare with');
  else if (Math.abs(skew) <= SKEW_MS) say('ok', 'clock', "this machine's is that of the answer");
  else {
    say(
      'note',
      'clock',
      `this machine's is ${seconds} s ${skew > 0 ? 'behind' : 'ahead of'} that of the answer. The client counts the ` +
        "gateway's minutes by the gateway's clock, so it loses no request; but certificates and logs go by this one: set it",
    );
  }
}

function read<T>(reply: Reply, reader: () => T): T {
  try {
    return reader();
  } catch (error) {
    if (!(error instanceof NerError)) throw error;
    return fail('answer', `${error.message}. ${explain(reply)}`);
  }
}

async function attempt(name: string, request: () => Promise<Reply>): Promise<Reply> {
  try {
    return await request();
  } catch (error) {
    if (!(error instanceof NerError)) throw error;
    return fail(name, error.message);
  }
}

function fail(name: string, words: string): never {
  say('FAIL', name, words);
  throw new Failed();
}

function say(status: Status, name: string, words: string): void {
  process.stdout.write(`${status.padEnd(5)} ${name.padEnd(11)} ${words}\n`);
}
