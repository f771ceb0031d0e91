import type { Config } from '../src/gateway/config.js';
import { ConfigError } from '../src/gateway/config.js';
import { type Gateway, startGateway } from '../src/gateway/gateway.js';
import { difference, Transcriber } from './compare.js';
import type { Case } from './recording.js';
import { standIns } from './stand-ins.js';
import { readBefore } from './support.js';
import { type Answer, Wire } from './wire.js';

/** How long an answer may take before it counts as none, ms. */
const PATIENCE = 70_000;

/** Kong's FIN came within this time, ms. */
const SOON = 150;

/**
 * Replays the cases of one boot against a gateway of its own, whose wall clock stands at each case's time of sending.
 *
 * @param name the config's, for messages
 * @param text its YAML
 * @returns for each case the lines that differ; none when it matches
 */
export async function replay(cases: readonly Case[], name: string, text: string, config: Config): Promise<string[][]> {
  const stand = standIns();
  const ports = new Map<string, string>();
  const local = await localize(text, stand, ports);
  let clock = 0;
  const gateway = await startGateway({ file: name, text: local, port: 0, now: () => clock });
  ports.set(String(gateway.port), '9300');
  const wires = new Map<number, Wire>();
  // The last case of each connection that Kong left open, and when it was answered.
  const open = new Map<number, { wire: Wire; lines: string[]; answeredAt: number }>();
  const one = async (each: Case, since: number): Promise<string[]> => {
    // Requests that the recording leaves out were sent between the case before and this one.
    await prepare(each, gateway, local, config, (share) => {
      clock = (since + (each.t - since) * share) * 1000;
    });
    stand.take();
    const known = wires.get(each.client_conn);
    const wire = known && !known.ended ? known : await Wire.open(gateway.port);
    wires.set(each.client_conn, wire);
    const answer = await ask(each, wire);
    const answeredAt = performance.now();
    const shown = new Transcriber(each, ports);
    const closed = each.kong_closed_conn === true && (await ends(wire, SOON));
    const lines = difference(
      [...shown.recorded(each.response), ...closing(each.kong_closed_conn), ...shown.attempts(each.upstream ?? [])],
      [...shown.answered(answer), ...closing(each.kong_closed_conn && closed), ...shown.attempts(stand.take())],
    );
    if (each.kong_closed_conn === false) open.set(each.client_conn, { wire, lines, answeredAt });
    else open.delete(each.client_conn);
    return lines;
  };
  const differences: string[][] = [];
  try {
    for (const [i, each] of cases.entries()) {
      try {
        differences.push(await one(each, cases[i - 1]?.t ?? each.t));
      } catch (error) {
        differences.push([`+ the replay failed: ${String(error)}`]);
      }
    }
    await new Promise((resolve) => setTimeout(resolve, SOON));
    for (const { wire, lines, answeredAt } of open.values()) {
      if (wire.endedAt !== undefined && wire.endedAt - answeredAt <= SOON)
        lines.push(...closing(false).map((line) => `- ${line}`), ...closing(true).map((line) => `+ ${line}`));
    }
  } finally {
    for (const wire of wires.values()) wire.close();
    await gateway.close();
    await stand.close();
  }
  return differences;
}

function closing(closed: boolean | null | undefined): string[] {
  return typeof closed === 'boolean' ? [`the connection ${closed ? 'ends' : 'stays open'}`] : [];
}

/** The config with this replay's ports in the place of the recorded ones. */
async function localize(text: string, stand: ReturnType<typeof standIns>, ports: Map<string, string>): Promise<string> {
  let local = text;
  for (const [whole, host, recorded] of text.matchAll(/(\/\/(?:127\.0\.0\.1|localhost)):(\d+)/g)) {
    const port = await stand.port(Number(recorded));
    // In a comment.
    if (port === undefined) continue;
    ports.set(String(port), String(recorded));
    local = local.replaceAll(whole, `${host}:${port}`);
  }
  return local;
}

/**
 * Does what was done before a case, and sends the counted requests that the recording leaves out.
 *
 * @param setClock sets the wall clock between the case before, 0, and this one, 1
 */
async function prepare(
  each: Case,
  gateway: Gateway,
  text: string,
  config: Config,
  setClock: (share: number) => void,
): Promise<void> {
  const omitted = each.omitted_counted ?? 0;
  const { method, path } = counted(each, config);
  for (let sent = 1; sent <= omitted; sent++) {
    setClock(sent / (omitted + 1));
    await sendOnce(each, gateway.port, method, path, config, text);
  }
  setClock(1);
  const before = each.before ? readBefore(each.before) : undefined;
  if (before?.do === 'request') await sendOnce(each, gateway.port, before.method, before.path, config, text);
  if (before?.do !== 'reload') return;
  try {
    gateway.reload(before.edit(text));
  } catch (error) {
    // Kong, too, goes on with what it has.
    if (!(error instanceof ConfigError)) throw error;
  }
}

/** A request that takes the same route as a case and does nothing special upstream. */
function counted({ request }: Case, { services }: Config): { method: string; path: string } {
  const [method = '', target = ''] = request.line.split(' ');
  const routes = services.flatMap((service) => service.routes);
  const choices = routes
    .flatMap(({ paths, methods }) => paths.map((path) => ({ path, methods })))
    .sort((a, b) => b.path.length - a.path.length);
  const choice = choices.find(({ path }) => target.startsWith(path)) ?? choices[0];
  const allowed = !choice?.methods || choice.methods.includes(method);
  return { method: allowed ? method : (choice?.methods?.[0] ?? 'POST'), path: choice?.path ?? '/' };
}

/** Sends a request by the consumer of a case, on a connection of its own, and waits for its answer. */
async function sendOnce(
  { request }: Case,
  port: number,
  method: string,
  path: string,
  { credentials }: Config,
  text: string,
): Promise<void> {
  // A second key would make it a 401, which is not counted.
  const own = request.headers.filter(([, value]) => credentials.find(value)).slice(0, 1);
  const [, query] = /\?(\S*)/.exec(request.line) ?? [];
  const inQuery = query?.split('&').some((argument) => credentials.find(argument.split('=')[1] ?? ''));
  const [, first = ''] = /\bkey: *["']?([^"'\s}]+)/.exec(text) ?? [];
  const keys = own.length > 0 || inQuery ? own : [['apikey', first]];
  const lines = [
    `${method} ${path}${inQuery ? `?${query}` : ''} HTTP/1.1`,
    'Host: gw.test',
    ...keys.map((pair) => pair.join(': ')),
    'Content-Length: 0',
  ];
  const wire = await Wire.open(port);
  wire.send(`${lines.join('\r\n')}\r\n\r\n`);
  await wire.answer(method).catch(() => {});
  wire.close();
}

/** Sends a case's request; null when the connection ends without an answer. */
async function ask({ request }: Case, wire: Wire): Promise<Answer | null> {
  wire.send([request.line, ...request.headers.map((pair) => pair.join(': ')), '', body(request)].join('\r\n'));
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(resolve, PATIENCE, null);
  });
  try {
    return await Promise.race([wire.answer(request.line.split(' ')[0]).catch(() => null), late]);
  } finally {
    clearTimeout(timer);
  }
}

async function ends(wire: Wire, within: number): Promise<boolean> {
  await Promise.race([wire.end(), new Promise((resolve) => setTimeout(resolve, within))]);
  // Where this process was held up, what has arrived meanwhile counts.
  await new Promise((resolve) => setImmediate(resolve));
  return wire.ended;
}

/** Of bodies over 400 bytes the recording has the beginning: they are the letter x, chunked ones in equal chunks. */
export function body({ headers, body, body_len }: Case['request']): string {
  if (body_len <= body.length) return body;
  const chunked = headers.some(([name]) => name.toLowerCase() === 'transfer-encoding');
  const [head = '', size = ''] = (chunked && /^([\da-f]+)\r\n/i.exec(body)) || [];
  if (!head) return body + 'x'.repeat(body_len - body.length);
  const chunk = `${head}${'x'.repeat(Number.parseInt(size, 16))}\r\n`;
  const end = '0\r\n\r\n';
  return chunk.repeat(Math.round((body_len - end.length) / chunk.length)) + end;
}
