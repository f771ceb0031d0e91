// What the emulator reads: kong.yaml and its references, requests, and answers of an upstream.
import { readdirSync, readFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import { isDeepStrictEqual } from 'node:util';
import { parseDocument } from 'yaml';
import { render, trust } from '../../kong/render.mjs';
import { ConfigError, parseConfig } from '../../packages/emulator/src/gateway/config.js';
import { startGateway } from '../../packages/emulator/src/gateway/gateway.js';
import { readHead } from '../../packages/emulator/src/gateway/head.js';
import { Ended, Malformed, Reader } from '../../packages/emulator/src/gateway/reader.js';
import { readAnswer } from '../../packages/emulator/src/gateway/upstream.js';
import { expected, type Parser, pieces } from './fuzz.js';

const CONFIGS = 'packages/emulator/test/gateway/golden/configs';
const YAML = [
  ...[
    '&a ',
    '*a',
    '<<: *a',
    '!!binary ',
    '? ',
    '- ',
    '---\n',
    '%YAML 1.1\n',
    '|\n',
    '>\n',
    '{',
    '}',
    '[',
    ']',
    '"',
    "'",
  ],
  ...[
    '__proto__: ',
    'constructor: ',
    'null',
    '~',
    '.inf',
    '0x10',
    '1e999',
    'plugins: []\n',
    'name: a\n',
    '\t',
    '\u2028',
  ],
  ...[
    '$' + '{{ env "DECK_A" }}',
    '$' + '{{ env "A" }}',
    '${{',
    '{vault://env/a}',
    '\r',
    '\0',
    '\ud83d\ude00',
    'a: [*a,*a,*a,*a]\n',
  ],
];

/** The declarative file, its references filled in. */
export function kong(): Parser {
  const env = new Proxy({}, { get: () => 'https://abc.lambda-url.eu-west-1.on.aws/' });
  const texts = readdirSync(CONFIGS).map((name) => readFileSync(`${CONFIGS}/${name}`));
  return {
    inputs: [Buffer.from(render(readFileSync('kong/kong.yaml', 'utf8'), env)), ...texts],
    words: YAML,
    parse(input) {
      try {
        const { services, credentials } = parseConfig('kong.yaml', input.toString());
        if (!Array.isArray(services) || !credentials) throw new Error('no config');
      } catch (error) {
        expected(error, ConfigError);
        if (!((error as ConfigError).line >= 1)) throw new Error(`no line: ${error}`);
      }
    },
  };
}

const SECRET = 'secret-of-the-environment';

/** decK's references, in files of any kind. What is filled in changes nothing but itself. */
export function references(): Parser {
  const env = new Proxy({}, { get: (_, name) => (String(name).endsWith('_A') ? SECRET : `${SECRET}-2`) });
  return {
    inputs: ['kong', 'private', 'redis', 'old-key'].map((name) => readFileSync(`kong/${name}.yaml`)),
    words: YAML,
    parse(input) {
      const text = input.toString();
      let filled: string;
      try {
        filled = trust(render(text, env), '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n');
      } catch (error) {
        const { message } = error as Error;
        if (!/^line \d+: [^\n]+$/.test(message) || message.includes(SECRET)) throw error;
        return;
      }
      const [before, after] = [parseDocument(text), parseDocument(filled)];
      // Its reader says what is wrong with the file itself.
      if (before.errors.length > 0 || text.includes('CERTIFICATE')) return;
      if (after.errors.length > 0) throw new Error(`${after.errors[0]?.code} after it was filled in`);
      if (/[*]|!!/.test(text)) return;
      // A key may be a list or a mapping, too.
      const [wanted, got] = [before, after].map((each) => each.toJS({ mapAsMap: true }));
      if (!isDeepStrictEqual(filledIn(wanted), got)) throw new Error('another content');
    },
  };

  function filledIn(value: unknown): unknown {
    if (typeof value === 'string') {
      return value.replace(/\$\{\{\s*env\s+"([^"\p{Cc}]*)"\s*\}\}/gu, (_, name) =>
        name.endsWith('_A') ? SECRET : `${SECRET}-2`,
      );
    }
    if (Array.isArray(value)) return value.map(filledIn);
    return value instanceof Map ? new Map([...value].map(([key, each]) => [filledIn(key), filledIn(each)])) : value;
  }
}

const REQUESTS = [
  'POST /nlp/ner HTTP/1.1\r\nHost: a\r\napikey: k-batch\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n{"text":"Paris"}',
  'POST /nlp/ner?a=b HTTP/1.1\r\nHost: a:80\r\napikey: k-batch\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\n{"a":\r\nb\r\n"Paris"}  \n\r\n0\r\nT: 1\r\n\r\nGET /health HTTP/1.1\r\nHost: a\r\n\r\n',
  'GET http://a.b/nlp/ner/model#x HTTP/1.0\r\nConnection: keep-alive\r\nAccept: text/html;q=0.5, */*\r\nExpect: 100-continue\r\n\r\n',
  `POST /a/../nlp/./ner%2f HTTP/1.1\r\n${'X-A: b\r\n'.repeat(20)}Host: [::1]:8000\r\nConnection: close, X-A\r\n\r\n`,
];
const ANSWERS = [
  'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 15\r\nx-ner-cold-start: 1\r\n\r\n{"entities":[]}',
  'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 429 Too Many\r\nTransfer-Encoding: chunked\r\nRetry-After: 7\r\nVia: 1.1 up\r\n\r\n3\r\nabc\r\n0\r\n\r\n',
  'HTTP/1.0 502 Bad Gateway\r\nServer: up\r\nConnection: keep-alive\r\n\r\nuntil the end',
  'HTTP/1.1 204 No Content\r\n\r\n',
];
const HTTP = [
  ...[
    '\r\n',
    '\n',
    '\r',
    '\r\n\r\n',
    ': ',
    ' ',
    '\t',
    '\0',
    '\x01',
    '\x7f',
    '\xff',
    '%00',
    '%2e%2e',
    '%zz',
    '..',
    '//',
    '#',
    '?',
  ],
  ...[
    'Content-Length: 5\r\n',
    'Content-Length: -5\r\n',
    'Content-Length: 1e3\r\n',
    'Content-Length: Infinity\r\n',
    'Content-Length: \r\n',
  ],
  ...[
    'Transfer-Encoding: chunked\r\n',
    'Transfer-Encoding: gzip\r\n',
    'Connection: close\r\n',
    'Connection: keep-alive\r\n',
  ],
  ...[
    'Upgrade: websocket\r\n',
    'Expect: 100-continue\r\n',
    'Trailer: x\r\n',
    'HTTP/1.1 101 Switching\r\n\r\n',
    'HTTP/1.1 100 \r\n\r\n',
  ],
  ...[
    '0\r\n\r\n',
    'ffffffffffffffff\r\n',
    '7fffffff\r\n',
    '-1\r\n',
    'HTTP/2.0',
    'HTTP/1.1',
    'HTTP/0.9',
    'Host: \r\n',
    'apikey: k-batch\r\n',
  ],
];

/** Heads and bodies, both ways: the same whatever pieces they come in. */
export function heads(): Parser {
  return {
    inputs: [...REQUESTS, ...ANSWERS].map((text) => Buffer.from(text, 'latin1')),
    words: HTTP,
    async parse(input) {
      const read = input.subarray(0, 5).toString() === 'HTTP/' ? answers : requests;
      const [whole, cut] = [await read(reader([input])), await read(reader(pieces(input)))];
      if (!isDeepStrictEqual(whole, cut))
        throw new Error(`${JSON.stringify(whole)} and in pieces ${JSON.stringify(cut)}`);
    },
  };
}

function reader(parts: Buffer[]): Reader {
  const stream = new PassThrough();
  const made = new Reader(stream as unknown as Socket);
  for (const part of parts) stream.write(part);
  stream.end();
  return made;
}

async function requests(from: Reader): Promise<unknown[]> {
  const said: unknown[] = [];
  try {
    while (await from.ready()) {
      const head = await readHead(from);
      if (!head) break;
      said.push(head, await bytes(from.body(head.framing)));
      if (!head.keepAlive) break;
    }
  } catch (error) {
    expected(error, Malformed, Ended);
    said.push((error as Error).constructor.name);
  }
  return said;
}

async function answers(from: Reader): Promise<unknown[]> {
  const said: unknown[] = [];
  try {
    const answer = await readAnswer(from, 'POST');
    const { framing } = answer;
    if (typeof framing === 'number' && !(Number.isSafeInteger(framing) && framing >= 0))
      throw new Error(`${framing} bytes`);
    said.push(answer, await bytes(from.body(framing)));
  } catch (error) {
    expected(error, Malformed, Ended);
    said.push((error as Error).constructor.name);
  }
  return said;
}

async function bytes(parts: AsyncIterable<Buffer>): Promise<string> {
  const all: Buffer[] = [];
  for await (const part of parts) all.push(part);
  return Buffer.concat(all).toString('latin1');
}

/** How long nobody waits any more, where the gateway says nothing: to a damaged request, and to a good one, ms. */
const QUIET_MS = 40;
const DEAD_MS = 20_000;

/** A whole gateway over sockets, between damaged requests and damaged answers. What it says is HTTP, and it goes on. */
export async function gateway(): Promise<Parser> {
  let answer = ANSWERS[0] ?? '';
  const upstream = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => {
      for (const piece of pieces(Buffer.from(answer, 'latin1'))) socket.write(piece);
      socket.end();
    });
  });
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`;
  const text = `_format_version: "3.0"
services:
  - {name: s, url: "${url}", retries: 0, connect_timeout: 500, read_timeout: 500, write_timeout: 500,
     routes: [{name: r, paths: [/nlp/ner, /health]}],
     plugins: [{name: key-auth, config: {hide_credentials: true}}, {name: correlation-id, config: {header_name: x-request-id, generator: uuid, echo_downstream: true}},
       {name: rate-limiting, config: {minute: 900000000, policy: local}}]}
consumers: [{username: batch-processor, keyauth_credentials: [{key: k-batch}]}]
`;
  const { port, close } = await startGateway({ file: 'kong.yaml', text, port: 0 });
  const ask = (request: Buffer, patience: number) =>
    new Promise<string>((resolve) => {
      const said: Buffer[] = [];
      const socket = connect(port, '127.0.0.1', () => {
        for (const piece of pieces(request)) socket.write(piece);
        socket.setTimeout(patience);
      });
      const end = () => resolve(Buffer.concat(said).toString('latin1'));
      socket.on('data', (data) => said.push(data)).on('error', () => {});
      socket
        .on('end', () => socket.destroy())
        .on('timeout', () => socket.destroy())
        .on('close', end);
    });
  const good = Buffer.from(`${REQUESTS[0]}`.replace('Host: a\r\n', 'Host: a\r\nConnection: close\r\n'));
  let count = 0;
  return {
    inputs: [...REQUESTS, ...ANSWERS].map((each) => Buffer.from(each, 'latin1')),
    words: HTTP,
    async parse(input) {
      const answered = input.subarray(0, 5).toString() === 'HTTP/';
      answer = answered ? input.toString('latin1') : (ANSWERS[0] ?? '');
      isHttp(await (answered ? ask(good, DEAD_MS) : ask(input, QUIET_MS)));
      if (count++ % 20 > 0) return;
      answer = ANSWERS[0] ?? '';
      const said = await ask(good, DEAD_MS);
      if (!said.startsWith('HTTP/1.1 200 OK')) throw new Error(`a good request is answered ${JSON.stringify(said)}`);
    },
    async close() {
      await close();
      await new Promise((resolve) => upstream.close(resolve));
    },
  };
}

/** Throws for an answer's head that a caller could misread. An answer may be cut, or never begin; nginx passes a 101 on. */
function isHttp(said: string): void {
  const rest = said.replace(/^(HTTP\/1\.1 1(?!01)\d\d [^\r\n]*\r\n([^\r\n]+\r\n)*\r\n)+/, '');
  const [head = ''] = rest.split('\r\n\r\n');
  const [line = '', ...headers] = head.split('\r\n');
  if (rest === '' || head.length === rest.length) return;
  const named = (name: string) => headers.filter((each) => each.toLowerCase().startsWith(`${name}:`));
  const [lengths, codings] = [named('content-length'), named('transfer-encoding')];
  const clear =
    /^HTTP\/1\.1 (?:101|[2-9]\d\d) [^\r\n]*$/.test(line) &&
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what is looked for.
    headers.every((each) => /^[^\x00-\x20:\x7f]+: [^\r\n\x00]*$/.test(each)) &&
    lengths.length + codings.length <= 1 &&
    lengths.every((each) => /^[^:]+: \d+$/.test(each));
  if (!clear) throw new Error(`no clear answer: ${JSON.stringify(head)}`);
}
