import { createServer, type ServerResponse } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Server } from 'node:net';
import { describe, expect, it } from 'vitest';
import { inFolder } from './cli-run.js';
import { KEY, kongError, MODEL, type Reply, rateLimited, startGateway } from './gateway.js';

const { run } = inFolder();
const doctor = (url: string) => run(['doctor', '--url', url]);

async function listening(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe('burst-ner doctor', () => {
  it('tells address, connection, key, model, limits, one text, budget and clock', async () => {
    await using gateway = await startGateway();
    gateway.model = {
      model: MODEL,
      labels: ['NAME'],
      limits: { max_body_bytes: 1_048_576, max_texts: 1024, max_characters: 250_000, max_text_characters: 40_000 },
    };
    const { code, stdout, stderr } = await doctor(gateway.url);
    expect(
      stdout
        .replace(/\d+ ms/g, 'N ms')
        .replace(/:\d{4,5}/g, ':PORT')
        .split('\n'),
    ).toEqual([
      'ok    address     http://127.0.0.1:PORT/nlp/ner',
      'ok    name        127.0.0.1 is 127.0.0.1',
      'ok    connection  in N ms, no TLS',
      'ok    key, route  the gateway knows both',
      'ok    model       en_test/1.0.0/sha256:00',
      'ok    limits      max_body_bytes 1,048,576, max_texts 1,024, max_characters 250,000, max_text_characters 40,000',
      'ok    one text    3 entities in N ms',
      expect.stringMatching(/^note {2}budget {6}the gateway tells of no limit, .*Causes: .*Redis.*Kong's log tells$/),
      "ok    clock       this machine's is that of the answer",
      '',
    ]);
    expect([code, stderr, gateway.asked, gateway.received.length]).toEqual([0, '', ['/nlp/ner/model'], 1]);
  });

  it('tells the budget left, and a clock that is off', async () => {
    const server = createServer((request, response) => {
      if (request.method === 'GET') return response.writeHead(404).end('{}');
      const minute = { 'x-ratelimit-limit-minute': '100', 'x-ratelimit-remaining-minute': '58' };
      response.writeHead(200, { date: new Date(Date.now() + 3_600_000).toUTCString(), ...minute });
      response.end(JSON.stringify({ results: [{ entities: [] }], model: MODEL }));
    });
    const { code, stdout } = await doctor(`http://${await listening(server)}/nlp/ner`);
    server.close();
    expect(stdout).toMatch(/^note {2}model +.*\/nlp\/ner\/model is not there \(404\)/m);
    expect(stdout).toMatch(/^ok {4}budget +58 of 100 requests left this minute$/m);
    expect(stdout).toMatch(/^note {2}clock +this machine's is 3(599|600|601) s behind that of the answer\. /m);
    expect(code).toBe(0);
  });

  const proxied = { via: '1.1 kong/3.9.3', 'x-amzn-requestid': 'e2d3' };
  it.each<[string, Reply, string, string]>([
    ['a key that Kong does not know', kongError(401, 'Unauthorized'), "Kong's own", 'No consumer has this key'],
    ['a limit that is used up', rateLimited(41), "Kong's own", "consumer's requests of this window are used up"],
    [
      'an upstream that does not answer',
      kongError(502, 'An invalid response'),
      "Kong's own",
      'no answer from the Function URL',
    ],
    [
      'an upstream that does not answer, as Kong 3.9.3 says it',
      { status: 502, headers: { via: '1.1 kong/3.9.3' }, body: { message: 'An invalid response', request_id: 'e2d3' } },
      "Kong's own",
      'no answer from the Function URL',
    ],
    [
      'an upstream that takes too long, as an older Kong says it',
      {
        status: 504,
        headers: { via: '1.1 kong/3.0.0', 'x-kong-upstream-latency': '15003' },
        body: { message: 'The upstream server is timing out' },
      },
      "Kong's own",
      'its TLS (ca_certificates)',
    ],
    [
      'a function that Kong may not call',
      { status: 403, headers: proxied, body: { Message: 'Forbidden' } },
      "Lambda's",
      'The Function URL refuses Kong',
    ],
    [
      'a function that is busy',
      { status: 429, headers: proxied, body: { Reason: 'R', Type: 'User', message: 'Rate Exceeded.' } },
      "Lambda's",
      'concurrency is used up',
    ],
    [
      'a function that crashed',
      { status: 502, headers: proxied, body: 'Internal Server Error' },
      "Lambda's",
      'crashed, ran into its time-out, or cannot load',
    ],
    [
      'a Function URL in the place of Kong',
      { status: 403, body: { Message: 'Forbidden' } },
      "Lambda's",
      'it came past Kong, for it has no Via header; check --url',
    ],
    [
      'an upstream that is another',
      { status: 500, headers: { via: '1.1 kong/3.9.3' }, body: { message: 'x' } },
      'none of Kong, Lambda',
      'Check --url',
    ],
    [
      'another origin secret',
      { status: 403, headers: proxied, body: { error: 'No.', code: 'forbidden' } },
      "the function's own",
      'different origin secrets',
    ],
    [
      'a bug of the function',
      { status: 500, headers: { ...proxied, 'x-request-id': 'e2d3' }, body: { error: 'E', code: 'constructor' } },
      "the function's own",
      'request id e2d3',
    ],
    [
      'a page of a proxy',
      { status: 200, headers: { 'content-type': 'text/html' }, body: '<html>' },
      'none of Kong, Lambda',
      'Check --url',
    ],
  ])('explains %s', async (_, reply, who, advice) => {
    await using gateway = await startGateway(() => reply);
    const { code, stdout, stderr } = await doctor(gateway.url);
    const last = stdout.trimEnd().split('\n').at(-1);
    expect(last).toMatch(/^FAIL {2}answer {6}http:\/\/127\.0\.0\.1:\d+\/nlp\/ner /);
    expect(last).toContain(`This is ${who === 'none of Kong, Lambda' ? 'the answer of none of Kong, Lambda' : who}`);
    expect(last).toContain(advice);
    expect([code, stderr]).toEqual([1, '']);
    expect(stdout).not.toContain(KEY);
  });

  it('tells a key that is refused at /model, and asks nothing more', async () => {
    const paths: string[] = [];
    const server = createServer((request, response: ServerResponse) => {
      paths.push(String(request.url));
      response.writeHead(401, { 'content-type': 'application/json' }).end('{"message":"Unauthorized"}');
    });
    const { code, stdout } = await doctor(`http://${await listening(server)}/nlp/ner`);
    server.close();
    expect(stdout).toMatch(/FAIL {2}answer .*does not know this API key.*Kong's own error/);
    expect([code, paths]).toEqual([1, ['/nlp/ner/model']]);
  });

  it('tells nobody there and no TLS there', async () => {
    const silent = createTcpServer((socket) => {
      socket
        .on('error', () => {})
        .resume()
        .end('HTTP/1.1 400 Bad Request\r\n\r\n');
    });
    const place = await listening(silent);
    const noTls = await doctor(`https://${place}/nlp/ner`);
    await new Promise((resolve) => silent.close(resolve));
    const nobody = await doctor(`http://${place}/nlp/ner`);
    expect(noTls.stdout).toMatch(/FAIL {2}connection {2}.*does not speak TLS/);
    expect(nobody.stdout).toMatch(/FAIL {2}connection {2}cannot connect to .*ECONNREFUSED/);
    expect([noTls.code, nobody.code]).toEqual([1, 1]);
  });

  it('cannot begin without an address or a key', async () => {
    const none = await run(['doctor']);
    const noKey = await run(['doctor', '--url', 'http://127.0.0.1:9/nlp/ner'], { env: {} });
    expect([none.code, noKey.code]).toEqual([2, 2]);
    expect(none.stderr).toBe('burst-ner: no url: pass --url or set the environment variable NER_URL\n');
    expect(noKey.stderr).toContain('set the environment variable NER_API_KEY');
  });
});
