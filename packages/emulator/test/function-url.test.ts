import { X509Certificate } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { Agent, request } from 'undici';
import { describe, expect, it } from 'vitest';
import type { FleetOptions } from '../src/lambda/fleet.js';
import { startFunctionUrl } from '../src/lambda/function-url.js';
import { fleetOf, later } from './function.js';

async function functionUrl(python: string, config: { timeoutMs?: number } = {}, options: FleetOptions = {}) {
  const { fleet, folder, touch, appeared } = await fleetOf(python, config, options);
  const { url, ca, close } = await startFunctionUrl(fleet);
  const dispatcher = new Agent({ connect: { ca } });
  later(() => dispatcher.destroy());
  later(close);
  const send = async (path = '', init: Parameters<typeof request>[1] = {}) => {
    const { statusCode, headers, body } = await request(new URL(path, url), { ...init, dispatcher });
    return { statusCode, headers, body: Buffer.from(await body.arrayBuffer()) };
  };
  const post = (body: string | Buffer, contentType = 'application/json') =>
    send('', { method: 'POST', body, headers: { 'content-type': contentType } });
  return { fleet, folder, url, ca, close, send, post, touch, appeared };
}

// Answers with what the event says, or with the event.
const MIRROR = `
import json, os, time
def handler(event, context):
    body = event.get("body")
    order = json.loads(body) if body and body.startswith("{") else {}
    if "file" in order: open("waiting", "w")
    while "file" in order and not os.path.exists(order["file"]): time.sleep(0.005)
    if "sleep" in order: time.sleep(order["sleep"])
    if "raise" in order: raise ValueError(order["raise"])
    if "size" in order: return {"statusCode": 200, "body": "x" * order["size"]}
    return order.get("answer", event)
`;
const json = (value: object) => JSON.stringify(value);

describe('a Function URL', () => {
  it('turns a request into a payload 2.0 event', async () => {
    const { send } = await functionUrl(MIRROR);
    const { statusCode, headers, body } = await send('/nlp%20/ner?a=1&b=%C3%A9&a=2', {
      method: 'POST',
      body: '{"text": "Zoë 🚀"}',
      headers: ['Content-Type', 'application/json; charset=utf-8', 'X-Two', 'a', 'x-two', 'b', 'Cookie', 'c=1; d=2'],
    });
    expect(statusCode).toBe(200);
    const event = JSON.parse(body.toString());
    expect(event).toMatchObject({
      version: '2.0',
      rawPath: '/nlp%20/ner',
      rawQueryString: 'a=1&b=%C3%A9&a=2',
      queryStringParameters: { a: '1,2', b: 'é' },
      cookies: ['c=1', 'd=2'],
      headers: { 'content-type': 'application/json; charset=utf-8', 'x-two': 'a,b' },
      requestContext: {
        http: { method: 'POST', path: '/nlp%20/ner', protocol: 'HTTP/1.1' },
        requestId: headers['x-amzn-requestid'],
        timeEpoch: expect.any(Number),
      },
      body: '{"text": "Zoë 🚀"}',
      isBase64Encoded: false,
    });
  });

  it('hands on names that every JavaScript object has', async () => {
    const { send } = await functionUrl(MIRROR);
    const headers = ['constructor', 'a', '__proto__', 'b', 'constructor', 'c'];
    const { body } = await send('/?toString=1&__proto__=2&toString=3', { method: 'POST', headers });
    const event = JSON.parse(body.toString());
    expect(Object.entries(event.queryStringParameters)).toEqual([
      ['toString', '1,3'],
      ['__proto__', '2'],
    ]);
    expect(Object.entries(event.headers)).toEqual(
      expect.arrayContaining([
        ['constructor', 'a,c'],
        ['__proto__', 'b'],
      ]),
    );
  });

  it.each([
    ['application/octet-stream', Buffer.from([0, 255, 128, 10]), true],
    ['application/x-www-form-urlencoded', Buffer.from('{}'), true],
    ['text/plain', Buffer.from('é'), false],
    ['text/plain', Buffer.from([0xff]), true],
  ])('hands on %s without losing a byte', async (contentType, bytes, isBase64Encoded) => {
    const { post } = await functionUrl(MIRROR);
    const event = JSON.parse((await post(bytes, contentType)).body.toString());
    expect(event.isBase64Encoded).toBe(isBase64Encoded);
    expect(Buffer.from(event.body, isBase64Encoded ? 'base64' : 'utf8')).toEqual(bytes);
  });

  it('turns an answer into a response', async () => {
    const { post } = await functionUrl(MIRROR);
    const bytes = Buffer.from([0, 255, 128, 10]);
    const full = await post(
      json({
        answer: {
          statusCode: 418,
          headers: { 'content-type': 'image/x-dot', 'content-length': '5', 'x-number': 1 },
          cookies: ['a=1', 'b=2'],
          body: bytes.toString('base64'),
          isBase64Encoded: true,
        },
      }),
    );
    expect(full).toMatchObject({
      statusCode: 418,
      headers: {
        'content-type': 'image/x-dot',
        'content-length': '4',
        'x-number': '1',
        'set-cookie': ['a=1', 'b=2'],
      },
      body: bytes,
    });
    const bare = await post(json({ answer: { statusCode: '204', headers: null, cookies: null, body: null } }));
    expect([bare.statusCode, bare.body.toString()]).toEqual([204, '']);
    const text = await post(json({ answer: 'é "quoted"' }));
    expect([text.statusCode, text.body.toString()]).toEqual([200, 'é "quoted"']);
    const none = await post(json({ answer: null }));
    expect([none.statusCode, none.body.toString()]).toEqual([200, 'null']);
    const plain = await post(json({ answer: ['é'] }));
    expect(plain).toMatchObject({ statusCode: 200, headers: { 'content-type': 'application/json' } });
    expect(JSON.parse(plain.body.toString())).toEqual(['é']);
  });

  it('answers 502 to a function error, a time-out, and an answer that HTTP cannot carry', async () => {
    const { post } = await functionUrl(MIRROR, { timeoutMs: 1500 });
    const orders = [
      { raise: 'boom' },
      { answer: { statusCode: 42 } },
      { answer: { statusCode: 101 } },
      { answer: { statusCode: null } },
      { answer: { statusCode: 'ok' } },
      { answer: { statusCode: 200, body: { an: 'object' } } },
      { answer: { statusCode: 200, body: [104, 105] } },
      { answer: { statusCode: 200, body: 'x', isBase64Encoded: 'no' } },
      { answer: { statusCode: 200, headers: ['a'] } },
      { answer: { statusCode: 200, headers: { 'x-first': { a: 1 } } } },
      { answer: { statusCode: 200, cookies: 'a=1' } },
      { answer: { statusCode: 200, headers: { 'x-first': 'a', 'x-second': 'a\nb' } } },
      { size: 6_291_556 },
      { sleep: 60 },
    ];
    for (const order of orders) {
      const { statusCode, headers, body } = await post(json(order));
      expect([statusCode, body.toString()], json(order)).toEqual([502, 'Internal Server Error']);
      expect(headers).not.toHaveProperty('x-first');
    }
  });

  it('answers 429 over the reserved concurrency', async () => {
    const { post, touch } = await functionUrl(MIRROR, {}, { reserved: 1 });
    const both = [post(json({ file: 'go' })), post(json({ file: 'go' }))];
    const first = await Promise.race(both);
    expect(first).toMatchObject({ statusCode: 429, headers: { 'x-amzn-errortype': 'TooManyRequestsException' } });
    expect(JSON.parse(first.body.toString())).toEqual({
      Reason: 'ReservedFunctionConcurrentInvocationLimitExceeded',
      Type: 'User',
      message: 'Rate Exceeded.',
    });
    touch('go');
    expect((await Promise.all(both)).map(({ statusCode }) => statusCode).sort()).toEqual([200, 429]);
  });

  it('answers 413 to a request whose event is over 6 MB', async () => {
    const { post } = await functionUrl(MIRROR);
    expect((await post('x'.repeat(6_000_000), 'text/plain')).statusCode).toBe(200);
    for (const [body, contentType] of [
      [Buffer.alloc(4_800_000), 'application/octet-stream'],
      ['x'.repeat(7_000_000), 'text/plain'],
    ] as const) {
      const { statusCode, headers } = await post(body, contentType);
      expect([statusCode, headers['x-amzn-errortype']]).toEqual([413, 'RequestEntityTooLargeException']);
    }
  });

  it('is trusted by whoever has its certificate, and by nobody else', async () => {
    const one = await functionUrl(MIRROR);
    const other = await functionUrl(MIRROR);
    await expect(request(one.url)).rejects.toThrow(/certificate/);
    const agent = new Agent({ connect: { ca: other.ca } });
    later(() => agent.destroy());
    await expect(request(one.url, { dispatcher: agent })).rejects.toThrow(/certificate/);
    await expect(one.send()).resolves.toMatchObject({ statusCode: 200 });
  });

  it('has what Kong needs: an address that is no name, in a certificate that is an authority', async () => {
    const { url, ca } = await functionUrl(MIRROR);
    expect(url).toMatch(/^https:\/\/127\.0\.0\.1:\d+\/$/);
    const certificate = new X509Certificate(ca);
    // nginx compares the host of the URL with names, others with addresses.
    expect([certificate.ca, certificate.checkHost('127.0.0.1'), certificate.checkIP('127.0.0.1')]).toEqual([
      true,
      '127.0.0.1',
      '127.0.0.1',
    ]);
  });

  it("replaces the environments on Lambda's own UpdateFunctionConfiguration, which never reaches the function", async () => {
    const { send, post, fleet } = await functionUrl(MIRROR);
    const update = (name: string, body = '{}', method: 'PUT' | 'GET' = 'PUT') =>
      send(`/2015-03-31/functions/${name}/configuration`, { method, ...(method === 'PUT' && { body }) });
    await post('{}');
    const [old] = fleet.environments;
    const { statusCode, body } = await update('spacy-ner-service', json({ Description: 'cold' }));
    expect(statusCode).toBe(200);
    expect(JSON.parse(body.toString())).toMatchObject({ LastUpdateStatus: 'Successful', State: 'Active' });
    expect(fleet.environments).toEqual([]);
    await post('{}');
    expect(fleet.environments).toMatchObject([{ id: expect.not.stringContaining(old?.id ?? ''), requests: 1 }]);

    const refused = async (answer: ReturnType<typeof update>) => {
      const { statusCode, headers } = await answer;
      return [statusCode, headers['x-amzn-errortype']];
    };
    expect(await refused(update('other'))).toEqual([404, 'ResourceNotFoundException']);
    for (const body of ['{"MemorySize":512}', 'cold', '']) {
      expect(await refused(update('spacy-ner-service', body))).toEqual([400, 'InvalidParameterValueException']);
    }
    expect(fleet.environments).toMatchObject([{ requests: 1 }]);
    // Any other request to that path is the function's.
    expect((await update('spacy-ner-service', '', 'GET')).body.toString()).toContain('rawPath');
  });

  it('tells why the new environments do not start', async () => {
    const { send, fleet, folder } = await functionUrl(MIRROR, {}, { provisioned: 1 });
    await fleet.start();
    writeFileSync(path.join(folder, 'app.py'), 'import sys; sys.exit("no model")');
    const url = '/2015-03-31/functions/spacy-ner-service/configuration';
    const { statusCode, body } = await send(url, { method: 'PUT', body: '{}' });
    expect([statusCode, body.toString()]).toEqual([500, expect.stringContaining('does not start: no model')]);
  });

  it('closes with a request under way', async () => {
    const { post, close, appeared } = await functionUrl(MIRROR);
    const request = expect(post(json({ file: 'never' }))).rejects.toThrow();
    await appeared('waiting');
    await close();
    await request;
  });
});
