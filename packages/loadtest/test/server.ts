import http from 'node:http';
import https from 'node:https';
import net, { type AddressInfo } from 'node:net';

/**
 * A loopback server that counts its requests from 0; `await using` closes it. As Kong it refuses a body that is announced
 * too long, before it counts, with the status given.
 */
export async function listen(
  answer: (response: http.ServerResponse, nth: number) => void,
  certificate?: { key: string; cert: string },
  tooLarge = 413,
) {
  const seen: { headers: http.IncomingHttpHeaders; body: string; connections: number }[] = [];
  let nth = 0;
  let connections = 0;
  const handle: http.RequestListener = async (request, response) => {
    if (Number(request.headers['content-length']) > 2 ** 20) {
      response.writeHead(tooLarge, { connection: 'close' }).end();
      return;
    }
    const mine = nth++;
    let body = '';
    for await (const chunk of request) body += chunk;
    seen.push({ headers: request.headers, body, connections });
    answer(response, mine);
  };
  const server = certificate ? https.createServer(certificate, handle) : http.createServer(handle);
  server.on(certificate ? 'secureConnection' : 'connection', () => connections++);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = new URL(
    `${certificate ? 'https' : 'http'}://127.0.0.1:${(server.address() as AddressInfo).port}/nlp/ner`,
  );
  const close = async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  return { url, seen, open: () => connections, close, [Symbol.asyncDispose]: close };
}

/** A loopback server that writes its own bytes once a request came, and leaves connections open. */
export async function listenRaw(answer: (socket: net.Socket, nth: number) => void) {
  const sockets = new Set<net.Socket>();
  let nth = 0;
  const server = net.createServer((socket) => {
    sockets.add(socket.on('error', () => {}));
    socket.once('data', () => answer(socket, nth++));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const close = async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  };
  const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/nlp/ner`);
  return { url, [Symbol.asyncDispose]: close };
}

/** An answer of the function behind Kong, as Kong 3.9 passes it on. */
export function answerNer(response: http.ServerResponse, cold: boolean) {
  response.writeHead(200, {
    'content-type': 'application/json',
    via: '1.1 kong/3.9.3',
    'x-kong-upstream-latency': '7',
    'x-kong-proxy-latency': '1',
    'x-request-id': 'r-1',
    'x-amzn-requestid': 'l-1',
    'ratelimit-limit': '100',
    'ratelimit-remaining': '80',
    'ratelimit-reset': '42',
    'x-ner-instance': 'i-1',
    'x-ner-cold-start': cold ? '1' : '0',
    'x-ner-init-type': 'on-demand',
    'server-timing': 'init;dur=812.5, load;dur=350, ner;dur=4.25',
  });
  response.end('{"entities":[]}');
}

/** Kong's own 429: X-Kong-Response-Latency, no Via. */
export function answerKong429(response: http.ServerResponse) {
  response.writeHead(429, { 'x-kong-response-latency': '1', 'retry-after': '42', 'ratelimit-remaining': '0' });
  response.end('{"message":"API rate limit exceeded"}');
}

/** A throttled function's 429, passed on by Kong: Via. */
export function answerLambda429(response: http.ServerResponse) {
  response.writeHead(429, { via: '1.1 kong/3.9.3', 'x-kong-upstream-latency': '3', 'x-kong-proxy-latency': '1' });
  response.end('{"Reason":"ConcurrentInvocationLimitExceeded"}');
}
