// A process of its own, started by truth.ts: a server on loopback that answers after a known time and notes when it did.
import net, { type AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import tls from 'node:tls';
import type { Hold } from './truth.js';

const ANSWER = 'HTTP/1.1 200 OK\r\nx-ner-cold-start: 0\r\ncontent-type: application/json\r\ncontent-length: 2\r\n';

const MAX_BODY = 2 ** 20;

const certificate = process.env['TRUTH_CERTIFICATE'];
let holdMs = 0;
/** When each request was whole and when its answer was written, ns on the clock that all processes share. */
let held: [received: bigint, written: bigint][] = [];

const serve = (socket: net.Socket) => {
  let text = '';
  socket.setNoDelay(true);
  // Whoever measures may hang up.
  socket.on('error', () => {});
  socket.on('data', async (chunk) => {
    const received = process.hrtime.bigint();
    text += chunk.toString('latin1');
    const end = text.indexOf('\r\n\r\n');
    const length = Number(/\r\ncontent-length: *(\d+)/i.exec(text)?.[1] ?? 0);
    // As Kong: a body that is announced too long is refused at once.
    if (length > MAX_BODY) return socket.end('HTTP/1.1 413 Payload Too Large\r\ncontent-length: 0\r\n\r\n');
    if (end < 0 || text.length < end + 4 + length) return;
    const last = /\r\nconnection: *close/i.test(text.slice(0, end));
    text = '';
    if (holdMs > 0) await sleep(holdMs);
    held.push([received, process.hrtime.bigint()]);
    if (last) socket.end(`${ANSWER}connection: close\r\n\r\n{}`);
    else socket.write(`${ANSWER}\r\n{}`);
  });
};
const server = certificate ? tls.createServer(JSON.parse(certificate), serve) : net.createServer(serve);
server.listen({ port: 0, host: '127.0.0.1', backlog: 1024 }, () => {
  process.send?.({ port: (server.address() as AddressInfo).port });
});

process.on('message', (order: Hold | 'held') => {
  if (order === 'held') {
    process.send?.({ held: held.map(([received, written]) => Number(written - received) / 1e6) });
    held = [];
    return;
  }
  holdMs = order.holdMs;
  const { stall } = order;
  if (stall) {
    // Not a timer that waits: nothing at all happens in here, as in a process that is stopped.
    setTimeout(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, stall.ms), stall.afterMs);
  }
  process.send?.({});
});
process.on('disconnect', () => process.exit());
