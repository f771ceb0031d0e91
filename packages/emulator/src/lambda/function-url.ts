import { isUtf8 } from 'node:buffer';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { generate } from 'selfsigned';
import { z } from 'zod';
import { control, isControl, refuse } from './control-plane.js';
import { ACCOUNT_ID } from './environment.js';
import type { Fleet } from './fleet.js';

/** A local Function URL. */
export interface FunctionUrl {
  /** `https://127.0.0.1:PORT/` */
  url: string;
  /** The server's certificate in PEM, an authority of its own, made at start. Nobody trusts it who is not given it. */
  ca: string;
  close(): Promise<void>;
}

// 6 MB. https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
const MAX_EVENT_BYTES = 6_291_456;
// Content types that reach the handler as text: as measured on AWS for payload 2.0, all others are base64.
// https://github.com/ministackorg/ministack/pull/766
const TEXT = /^\s*(text\/[^;]*|application\/(json|javascript|xml))\s*(;|$)/i;
// Not by name: localhost is ::1 first on some machines, and Kong asks 127.0.0.1.
const HOST = '127.0.0.1';
const DAY_MS = 86_400_000;

/**
 * Serves a fleet as a Function URL with auth type NONE serves its function: HTTPS, payload 2.0, buffered. On the same port
 * stands the one operation of Lambda itself that there is: control-plane.ts.
 *
 * @param port on loopback; 0 takes a free one
 */
export async function startFunctionUrl(fleet: Fleet, port = 0): Promise<FunctionUrl> {
  // nginx looks for an address among the DNS names, and, where there are none, at the common name.
  const { private: key, cert } = await generate([{ name: 'commonName', value: HOST }], {
    keyType: 'ec',
    algorithm: 'sha256',
    notBeforeDate: new Date(Date.now() - DAY_MS),
    extensions: [
      // Kong takes no certificate but an authority's to verify by.
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true, digitalSignature: true, critical: true },
      { name: 'subjectAltName', altNames: [{ type: 7, ip: HOST }] },
    ],
  });
  // Kept-alive connections stay open until the gateway closes them.
  const server = createServer({ key, cert, keepAliveTimeout: 0 }, (request, response) => {
    // A caller that goes away takes nothing but its own connection with it.
    (isControl(request) ? control : answer)(fleet, request, response).catch(() => response.destroy());
  });
  await once(server.listen(port, HOST), 'listening');
  return {
    url: `https://${HOST}:${(server.address() as AddressInfo).port}/`,
    ca: cert,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

async function answer(fleet: Fleet, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const requestId = randomUUID();
  response.setHeader('x-amzn-RequestId', requestId).setHeader('Content-Type', 'application/json');
  const body = await readBody(request, MAX_EVENT_BYTES);
  const event = body && JSON.stringify(eventOf(request, body, requestId));
  if (!event || Buffer.byteLength(event) > MAX_EVENT_BYTES) {
    // https://github.com/awslabs/aws-athena-query-federation/issues/793
    const sentence = `Request must be smaller than ${MAX_EVENT_BYTES} bytes for the InvokeFunction operation`;
    return refuse(response, 413, 'RequestEntityTooLargeException', { Type: 'User', message: sentence });
  }
  const result = await fleet.invoke(requestId, event);
  if (!result) {
    // https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html, TooManyRequestsException
    const Reason = 'ReservedFunctionConcurrentInvocationLimitExceeded';
    return refuse(response, 429, 'TooManyRequestsException', { Reason, Type: 'User', message: 'Rate Exceeded.' });
  }
  if ('error' in result || !send(response, result.payload)) {
    // Any function error, time-outs included, and a response that is no HTTP response. Checked on AWS by
    // test_lambda_url_invocation_exception of https://github.com/localstack/localstack and told by
    // https://github.com/awslabs/aws-lambda-cpp/issues/200.
    // Headers that it had before the one that broke it are dropped with it.
    for (const name of response.getHeaderNames()) response.removeHeader(name);
    response.statusCode = 502;
    response.setHeader('x-amzn-RequestId', requestId).setHeader('Content-Type', 'application/json');
    response.end('Internal Server Error');
  }
}

/** The whole body, or nothing when it is over a limit, in bytes; what is over it is read and dropped. */
export async function readBody(request: IncomingMessage, limit: number): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size <= limit) chunks.push(chunk);
  }
  return size <= limit ? Buffer.concat(chunks) : undefined;
}

/** @see https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html#urls-payloads */
function eventOf(request: IncomingMessage, body: Buffer, requestId: string): object {
  const now = new Date();
  const [rawPath = '/', rawQueryString = ''] = (request.url ?? '/').split(/\?(.*)/s);
  // What comes more than once is joined by commas.
  const named = Object.entries(request.headersDistinct).map(([name, values]) => [name, values?.join()]);
  const { connection: _, cookie, ...headers }: Record<string, string> = Object.fromEntries(named);
  const query = new URLSearchParams(rawQueryString);
  const joined = [...query.keys()].map((name) => [name, query.getAll(name).join()]);
  const host = headers['host'] ?? '';
  // Not where a byte would be lost.
  const isText = TEXT.test(headers['content-type'] ?? '') && isUtf8(body);
  return {
    version: '2.0',
    routeKey: '$default',
    rawPath,
    rawQueryString,
    ...(cookie !== undefined && { cookies: cookie.split(/;\s*/) }),
    headers,
    ...(rawQueryString && { queryStringParameters: Object.fromEntries(joined) }),
    requestContext: {
      accountId: ACCOUNT_ID,
      apiId: 'local',
      domainName: host,
      domainPrefix: host.split(/[.:]/)[0],
      http: {
        method: request.method,
        path: rawPath,
        protocol: `HTTP/${request.httpVersion}`,
        sourceIp: request.socket.remoteAddress,
        userAgent: headers['user-agent'],
      },
      requestId,
      routeKey: '$default',
      stage: '$default',
      time: now.toISOString(),
      timeEpoch: now.getTime(),
    },
    ...(body.length > 0 && { body: body.toString(isText ? 'utf8' : 'base64') }),
    isBase64Encoded: body.length > 0 && !isText,
  };
}

// The types are the documentation's. What AWS does with others is not documented; here it is a 502, so that a function
// that relies on it is noticed. A missing field and null are the same.
const HttpResult = z.object({
  statusCode: z.union([z.int(), z.string().regex(/^\d+$/).transform(Number)]).pipe(z.int().min(200).max(599)),
  headers: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).nullish(),
  cookies: z.array(z.string()).nullish(),
  body: z.string().nullish(),
  isBase64Encoded: z.boolean().nullish(),
});

/**
 * Sends what the handler returned. False, with nothing sent, when it cannot be an HTTP response.
 *
 * @see https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html#urls-response-payload
 */
function send(response: ServerResponse, payload: Buffer): boolean {
  try {
    const result: unknown = JSON.parse(payload.toString());
    // Without a statusCode the whole result is the body of a 200; a string is sent without its quotes, as
    // test_lambda_url_invocation of https://github.com/localstack/localstack checks on AWS.
    if (typeof result !== 'object' || result === null || !('statusCode' in result)) {
      response.end(typeof result === 'string' ? result : payload);
      return true;
    }
    const { statusCode, headers, cookies, body, isBase64Encoded } = HttpResult.parse(result);
    for (const [name, value] of Object.entries(headers ?? {})) response.setHeader(name, String(value));
    if (cookies?.length) response.setHeader('Set-Cookie', cookies);
    const bytes = Buffer.from(body ?? '', isBase64Encoded ? 'base64' : 'utf8');
    response.statusCode = statusCode;
    response.setHeader('Content-Length', bytes.length).end(bytes);
    return true;
  } catch {
    return false;
  }
}
