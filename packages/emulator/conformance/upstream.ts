import { createServer, type Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import type { Attempt } from './recording.js';

export type { Attempt };

/** An upstream that listens on loopback. */
export interface Upstream {
  readonly port: number;
  /** Every request since the last look. */
  take(): Attempt[];
  close(): Promise<void>;
}

/**
 * The echo upstream behind the recordings: it answers with what it saw, headers in wire order and case. Paths switch
 * other behaviour on: `/_slow/<ms>`, `/_reset` (RST after the request), `/_resethead` (RST after its head), `/_close`
 * (FIN without a byte), `/_partial` (half an answer, then RST), `/_status/<n>`, `/_gzip`, `/_chunked`, `/_hdr` (headers
 * of its own), `/_retryafter` (a 429 of its own), `/_earlyclose` (Connection: close), `/_flaky/<n>/<tag>` (RST for the
 * first n attempts). A request with X-Quiet is answered and not reported.
 */
export async function startUpstream(): Promise<Upstream> {
  const seen: Attempt[] = [];
  const flaky = new Map<string, number>();
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket)).on('error', () => {});
    serve(socket, seen, flaky).catch(() => socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return {
    port: typeof address === 'object' && address ? address.port : 0,
    take: () => seen.splice(0),
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function serve(socket: Socket, seen: Attempt[], flaky: Map<string, number>): Promise<void> {
  let bytes = Buffer.alloc(0);
  const chunks = socket[Symbol.asyncIterator]();
  const fill = async () => {
    const { value, done } = await chunks.next();
    if (done) return false;
    bytes = Buffer.concat([bytes, value]);
    return true;
  };
  for (;;) {
    while (bytes.indexOf('\r\n\r\n') < 0) if (!(await fill())) return;
    const end = bytes.indexOf('\r\n\r\n');
    const [line = '', ...rest] = bytes.subarray(0, end).toString('latin1').split('\r\n');
    const [method = '', target = '', http = ''] = line.split(' ');
    const headers = rest.map((text): [string, string] => {
      const colon = text.indexOf(':');
      return [text.slice(0, colon), text.slice(colon + 1).replace(/^ +/, '')];
    });
    const find = (name: string) => headers.find(([key]) => key.toLowerCase() === name)?.[1];
    const attempt: Attempt = { method, path: target, http, headers };
    if (find('x-quiet') === undefined) seen.push(attempt);
    const path = target.split('?')[0] ?? '';
    if (path === '/_resethead') return void socket.resetAndDestroy();
    const length = Number(find('content-length') ?? 0);
    const parts = [bytes.subarray(end + 4)];
    for (let size = bytes.length - end - 4; size < length; size += bytes.length) {
      bytes = Buffer.alloc(0);
      if (!(await fill())) return;
      parts.push(bytes);
    }
    const all = Buffer.concat(parts);
    const body = all.subarray(0, length);
    bytes = all.subarray(length);
    attempt.body_len = length;
    attempt.body = body.subarray(0, 200).toString('utf8');
    const [, first = '', number = '', tag = ''] = path.split('/');
    // Paths with a number are known by their beginning, the others whole.
    const action = ['_slow', '_status', '_flaky'].includes(first) === path.includes('/', 1) ? first : '';
    if (action === '_reset') return void socket.resetAndDestroy();
    if (action === '_close') return void socket.end();
    if (action === '_flaky') {
      flaky.set(tag, (flaky.get(tag) ?? 0) + 1);
      if ((flaky.get(tag) ?? 0) <= Number(number)) return void socket.resetAndDestroy();
    }
    if (action === '_slow') await new Promise((resolve) => setTimeout(resolve, Number(number)));
    if (action === '_partial') {
      socket.write('HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"half":');
      setTimeout(() => socket.resetAndDestroy(), 50);
      return;
    }
    const lines = [`Date: ${new Date().toUTCString()}`, 'Content-Type: application/json'];
    let out = Buffer.from(JSON.stringify(attempt));
    let status = '200 OK';
    if (action === '_status') status = `${number} Test`;
    if (action === '_hdr') {
      lines.push('Server: up/1', 'Via: 1.1 up', 'X-Powered-By: up');
      lines.push('x-amzn-RequestId: 11111111-2222-3333-4444-555555555555', 'RateLimit-Limit: 999');
      lines.push('X-RateLimit-Limit-Minute: 999', 'X-Kong-Request-Id: from-upstream');
    }
    if (action === '_retryafter') {
      status = '429 Too Many Requests';
      lines.push('Retry-After: 7', 'x-amzn-ErrorType: TooManyRequestsException');
      out = Buffer.from('{"Reason":"ConcurrentInvocationLimitExceeded","Type":"User","message":"Rate Exceeded."}');
    }
    if (action === '_gzip' && find('accept-encoding')?.includes('gzip')) {
      out = gzipSync(out);
      lines.push('Content-Encoding: gzip');
    }
    if (action === '_chunked') {
      const rest = out.subarray(10);
      lines.push('Transfer-Encoding: chunked');
      out = Buffer.concat([
        Buffer.from('a\r\n'),
        out.subarray(0, 10),
        Buffer.from(`\r\n${rest.length.toString(16)}\r\n`),
        rest,
        Buffer.from('\r\n0\r\n\r\n'),
      ]);
    } else lines.push(`Content-Length: ${out.length}`);
    if (action === '_earlyclose') lines.push('Connection: close');
    socket.write(`HTTP/1.1 ${status}\r\n${lines.join('\r\n')}\r\n\r\n`);
    // The recordings' upstream sends its chunks after a HEAD too.
    if (method !== 'HEAD' || action === '_chunked') socket.write(out);
    if (action === '_chunked') continue;
    if (action === '_earlyclose' || find('connection')?.toLowerCase() === 'close') return void socket.end();
  }
}
