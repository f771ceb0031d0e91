import { afterEach } from 'vitest';
import { type Attempt, startUpstream } from '../../conformance/upstream.js';
import { type Answer, Wire } from '../../conformance/wire.js';
import { type Gateway, type GatewayOptions, startGateway } from '../../src/gateway/gateway.js';

/** What the running test started. */
export const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** A config of one service with one route, keys k-batch and k-load. */
export function config(url: string, { service = '', plugins = '', own = '', routes = '' } = {}): string {
  return `_format_version: "3.0"
services:
  - name: nlp-ner-service
    url: ${url}
    retries: 0
${indent(4, service)}
    routes:
      - name: nlp-ner-route
        methods: [POST]
        paths: [/nlp/ner]
${indent(6, routes)}
    plugins:
      - name: key-auth
        config: {key_in_query: false, hide_credentials: true}
${indent(6, plugins)}
consumers:
  - username: batch-processor
    keyauth_credentials: [{key: k-batch}]
  - username: load-generator
    keyauth_credentials: [{key: k-load}]
${indent(4, own)}
`;
}

function indent(by: number, text: string): string {
  return text.replace(/^(?=.)/gm, ' '.repeat(by));
}

export async function upstream() {
  const server = await startUpstream();
  cleanups.push(() => server.close());
  return { ...server, url: `http://127.0.0.1:${server.port}` };
}

export async function gateway(text: string, options: Partial<GatewayOptions> = {}): Promise<Gateway> {
  const started = await startGateway({ file: 'kong.yaml', text, port: 0, ...options });
  cleanups.push(() => started.close());
  return started;
}

export async function post(
  port: number,
  headers: string[],
  { method = 'POST', path = '/nlp/ner', body = '{}' } = {},
): Promise<Answer> {
  const wire = await Wire.open(port);
  const length = headers.some((line) => line.startsWith('Transfer-Encoding')) ? [] : [`Content-Length: ${body.length}`];
  wire.send([`${method} ${path} HTTP/1.1`, 'Host: gw.test', ...headers, ...length, '', body].join('\r\n'));
  const answer = await wire.answer();
  wire.close();
  return answer;
}

export function header({ headers }: Pick<Attempt, 'headers'>, name: string): string[] {
  return headers.filter(([key]) => key.toLowerCase() === name.toLowerCase()).map(([, value]) => value);
}
