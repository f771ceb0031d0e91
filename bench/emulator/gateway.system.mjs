// A process of its own for the gateway, or for an upstream that answers at once: `node
// gateway.system.mjs gateway UPSTREAM_PORT` or `node gateway.system.mjs upstream`. It tells its parent its port.
import http from 'node:http';
import process from 'node:process';
import url from 'node:url';

/** How many consumers there are, w0 and on, each with 100 requests a minute: a burst takes one of its own. */
const CONSUMERS = 200;

/** The config of the recorded bursts. @param {number} upstream port @returns {string} YAML */
const config = (upstream) => `_format_version: "2.1"
services:
- name: nlp-ner-service
  url: http://127.0.0.1:${upstream}/
  connect_timeout: 15000
  read_timeout: 30000
  retries: 2
  routes:
  - {name: nlp-ner-route, paths: [/nlp/ner], strip_path: true, methods: [POST]}
  plugins:
  - {name: key-auth, config: {key_names: [apikey], run_on_preflight: false}}
  - {name: rate-limiting, config: {minute: 100, policy: local, limit_by: consumer}}
consumers:
- username: unlimited
  keyauth_credentials: [{key: unlimited}]
  plugins: [{name: rate-limiting, config: {minute: 1000000, policy: local}}]
${Array.from({ length: CONSUMERS }, (_, i) => `- {username: w${i}, keyauth_credentials: [{key: w${i}}]}`).join('\n')}
`;

if (process.argv[1] === url.fileURLToPath(import.meta.url)) {
  const [, , role, upstream] = process.argv;
  let port;
  if (role === 'gateway') {
    const { startGateway } = await import('../../packages/emulator/conformance/dist/gateway.js');
    // A clock that stands: no burst crosses the end of a minute.
    ({ port } = await startGateway({ file: 'bench', text: config(Number(upstream)), port: 0, now: () => 0 }));
  } else {
    const server = http.createServer((request, response) => {
      request.resume();
      request.once('end', () => response.end('{"entities":[]}'));
    });
    server.keepAliveTimeout = 60_000;
    await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
    port = /** @type {import('node:net').AddressInfo} */ (server.address()).port;
  }
  process.once('disconnect', () => process.exit());
  process.send?.(port);
}
