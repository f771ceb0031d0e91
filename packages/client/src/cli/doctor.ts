import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { NerError } from '../errors.js';
import { parseJson } from '../json.js';
import { checked, type Settings } from '../options.js';
import { date, readLimits } from '../rate-headers.js';
import { type Reply, Transport } from '../transport.js';
import { readAnswer, readDescription } from '../wire.js';
import { connectionOf } from './flags.js';
import { count } from './progress.js';
import { modelName } from './record.js';

const TEXT = 'Ada Lovelace lived in London.';
const NONE_FOUND = '; most models name Ada Lovelace and London here: is it the right model, and of this language?';
const NO_LIMIT =
  'the gateway tells of no limit, so nobody is held to one, or the client meets it as answers of 429. Causes: the route ' +
  'has no rate-limiting; hide_client_headers is on; or it counts in a Redis that it cannot reach or whose certificate ' +
  "it cannot verify, and lets everything through: Kong's log tells";
const CONNECT_MS = 10_000;
// Date has whole seconds, and the answer takes a moment.
const SKEW_MS = 2000;

type Status = 'ok' | 'note' | 'FAIL';

/** A check that ends the examination. */
class Failed extends Error {}

/** Runs `burst-ner doctor`: one line a check, until one fails. What comes out is its exit code. */
export async function doctor(flags: { url?: string }): Promise<number> {
  try {
    await examine(checked(connectionOf(flags)));
    return 0;
  } catch (error) {
    if (error instanceof Failed) return 1;
    throw error;
  }
}

async function examine(settings: Settings): Promise<void> {
  const transport = new Transport(settings);
  const apiKey = await settings.apiKey();
  const exchange = { apiKey, headers: {}, timeoutMs: settings.attemptTimeoutMs, signal: undefined };
  say('ok', 'address', transport.shown);
  await connection(settings.url);

  const about = await attempt('connection', () => transport.get('/model', exchange));
  if (about.status === 404) {
    say('note', 'model', `${about.url} is not there (404); the client keeps to the limits it knows`);
  } else {
    const { model, limits } = await attempt('answer', () => readDescription(about, apiKey), about);
    say('ok', 'key, route', 'the gateway knows both');
    say('ok', 'model', modelName(model));
    const each = Object.entries(limits).map(([name, value]) => `${name} ${value.toLocaleString('en')}`);
    say('ok', 'limits', each.join(', '));
  }

  const sent = Date.now();
  const body = JSON.stringify({ texts: [TEXT] });
  const reply = await attempt('one text', () => transport.post(body, exchange));
  const ms = Date.now() - sent;
  const { results } = await attempt('answer', () => readAnswer(reply, 1, apiKey), reply);
  const [result] = results;
  if (!result || 'error' in result) return fail('one text', `the function could not do it: ${result?.error}`);
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
  if (limits.length === 0) say('note', 'budget', NO_LIMIT);
  for (const [period, { limit, remaining }] of limits) {
    say('ok', 'budget', `${remaining} of ${limit} requests left this ${period}`);
  }
}

function clock(reply: Reply, localMs: number): void {
  const told = date(reply);
  const skew = (told ?? Number.NaN) - localMs;
  const far = `${Math.abs(Math.round(skew / 1000))} s ${skew > 0 ? 'behind' : 'ahead of'}`;
  if (told === undefined) say('note', 'clock', 'the answer has no Date to compare with');
  else if (Math.abs(skew) <= SKEW_MS) say('ok', 'clock', "this machine's is that of the answer");
  else {
    const sentence =
      `this machine's is ${far} that of the answer. The client counts the gateway's minutes by the gateway's clock, so ` +
      'it loses no request; but certificates and logs go by this one: set it';
    say('note', 'clock', sentence);
  }
}

/** @param reply that it is about; without it there was none */
async function attempt<T>(name: string, action: () => T | Promise<T>, reply?: Reply): Promise<T> {
  try {
    return await action();
  } catch (error) {
    if (!(error instanceof NerError)) throw error;
    return fail(name, reply ? `${error.message}. ${explain(reply)}` : error.message);
  }
}

function fail(name: string, words: string): never {
  say('FAIL', name, words);
  throw new Failed();
}

function say(status: Status, name: string, words: string): void {
  process.stdout.write(`${status.padEnd(5)} ${name.padEnd(11)} ${words}\n`);
}

/**
 * Who made an error, in words, and what to do about it. Three can: Kong answers `{"message": …, "request_id": …}`, Lambda
 * `{"Message": …}`, `{"Reason": …, "message": …}` or bare words, and the function `{"error": …, "code": …}`. Via tells
 * nothing of the maker: Kong adds it to its own 502 and 504, too.
 */
export function explain(reply: Reply): string {
  const { status } = reply;
  const body = Object(parseJson(reply.body)) as Record<string, unknown>;
  if (typeof body['error'] === 'string' && typeof body['code'] === 'string') {
    const advice = FUNCTION.get(body['code']) ?? `search its log for the request id ${reply.requestId ?? ''}`;
    return `This is the function's own error (a body with "error" and "code"): the request passed Kong and Lambda. ${sentence(advice)}`;
  }
  const proxied = reply.header('via') !== undefined;
  if ('Message' in body || 'Reason' in body || (proxied && reply.header('x-amzn-requestid') !== undefined)) {
    const advice = LAMBDA[status] ?? 'look at the function in the AWS console';
    const way = proxied ? 'the request passed Kong' : 'it came past Kong, for it has no Via header; check --url';
    return `This is Lambda's error (made by AWS, not by our code): ${way}. ${sentence(advice)}`;
  }
  // Its 502 and 504 have a Via, and before Kong 3.5 no request_id.
  const ownAfterAll = [502, 504].includes(status) && reply.header('x-kong-upstream-latency') !== undefined;
  if ('message' in body && (!proxied || 'request_id' in body || ownAfterAll)) {
    const advice = KONG[status] ?? "look at the route's plugins and at Kong's log";
    return `This is Kong's own error (a body with "message", and no x-amzn-requestid): the function was not reached or did not answer. ${sentence(advice)}`;
  }
  return (
    'This is the answer of none of Kong, Lambda and the function, as far as it tells: a proxy or another server stands ' +
    'at this address. Check --url, and what stands between here and Kong.'
  );
}

const KONG: Record<number, string> = {
  401: "no consumer has this key: check NER_API_KEY, and that the consumer's key in kong.yaml was filled in and deployed",
  403: "a plugin of the route refuses this consumer (acl: put it into kong.yaml's group nlp-ner) or this address",
  404: 'no route has this path: --url is the whole endpoint, e.g. https://kong.example.com/nlp/ner',
  413: 'the plugin request-size-limiting allows less than a request of this size',
  429: "the consumer's requests of this window are used up, by this or another program with the key: wait, and see the budget above",
  500: "Kong met an error of its own: look at its log, and at the upstream's TLS (tls_verify, CA)",
  502: 'Kong got no answer from the Function URL: check the host of nlp-ner-service, and that its ca_certificates are those of the host',
  503: 'Kong cannot reach the Function URL: check that its host resolves and that egress is open',
  504: "no answer within connect_timeout or read_timeout: the Function URL's host or its TLS (ca_certificates), a cold start that fails, or a text that takes too long; Kong's log tells which",
};

const LAMBDA: Record<number, string> = {
  403: 'the Function URL refuses Kong: its auth type is not NONE, or lambda:InvokeFunctionUrl or lambda:InvokeFunction is not allowed to all',
  404: 'there is no such Function URL: check the host of nlp-ner-service in kong.yaml',
  413: 'the request is over 6 MB, Lambda’s own limit',
  429: "the function's concurrency is used up: lower --concurrency, or raise the reserved concurrency",
  502: 'the function crashed, ran into its time-out, or cannot load its model: its last log lines say which',
  503: 'Lambda has a fault, or the function is being changed: try again in a minute',
};

const FUNCTION = new Map(
  Object.entries({
    forbidden:
      'Kong and the function have different origin secrets: bring infra/build/kong.yaml of the last apply into Kong',
    not_found: 'Kong passes another path on than / or /model: check strip_path of the route',
    method_not_allowed: 'a request was turned into another method, by a redirect perhaps: check --url',
    model_unavailable:
      'the model loads longer than an initialisation may take: try again, then look at its size and place',
    internal: 'the function met a bug: its log has the type and place of the exception under this request id',
    too_large: 'the function has lower limits than this client knows: update one of them',
  }),
);

function sentence(advice: string): string {
  return `${advice[0]?.toUpperCase()}${advice.slice(1)}.`;
}
