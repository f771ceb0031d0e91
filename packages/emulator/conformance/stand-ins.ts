import { connect, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { Worker } from 'node:worker_threads';
import { generate } from 'selfsigned';
import { startUpstream, type Upstream } from './upstream.js';

/** What stands on loopback in the place of the recordings' upstreams, by their ports. */
export interface StandIns {
  /** The port that stands for a recorded one; undefined for one that the recordings do not know. */
  port(recorded: number): Promise<number | undefined>;
  /** Every request that echo upstreams have seen since the last look. */
  take: Upstream['take'];
  close(): Promise<void>;
}

/** The recordings' upstreams. */
export const RECORDED_PORTS: readonly number[] = [9400, 9401, 9495, 9496, 9497, 9499];

/** Nobody listens on it (tcpmux). */
const NOBODY = 1;

/** Starts each stand-in when it is first asked for. */
export function standIns(): StandIns {
  const closers: (() => unknown)[] = [];
  const echoes: Upstream[] = [];
  const echo = async () => {
    const upstream = await startUpstream();
    echoes.push(upstream);
    closers.push(() => upstream.close());
    return upstream.port;
  };
  const listen = async (server: Server) => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    closers.push(() => new Promise((resolve) => server.close(resolve)));
    return (server.address() as { port: number }).port;
  };
  const starts: Record<number, () => Promise<number>> = {
    9400: echo,
    9401: echo,
    9495: async () => {
      const { private: key, cert } = await generate([{ name: 'commonName', value: 'wrong.test' }], { keySize: 2048 });
      const server = createTlsServer({ key, cert }, (socket) => {
        const answer = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}';
        socket.on('error', () => {}).once('data', () => socket.end(answer));
      });
      return listen(server.on('tlsClientError', () => {}));
    },
    // Says in plain HTTP what is no TLS.
    9496: () =>
      listen(
        createServer((socket) =>
          socket
            .on('error', () => {})
            .resume()
            .end('HTTP/1.1 400 Bad Request\r\n\r\n'),
        ),
      ),
    9497: async () => {
      const queue = await fullQueue();
      closers.push(queue.close);
      return queue.port;
    },
    9499: () => Promise.resolve(NOBODY),
  };
  const started = new Map<number, Promise<number>>();
  return {
    async port(recorded) {
      const start = starts[recorded];
      if (!start) return undefined;
      const port = started.get(recorded) ?? start();
      started.set(recorded, port);
      return port;
    },
    take: () => echoes.flatMap((upstream) => upstream.take()),
    async close() {
      for (const closer of closers.splice(0)) await closer();
    },
  };
}

/** A listener that never accepts, with as many connections before it as its queue holds: further ones get no answer. */
async function fullQueue(): Promise<{ port: number; close: () => Promise<void> }> {
  const worker = new Worker(
    `const { parentPort } = require('node:worker_threads');
     const server = require('node:net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
       parentPort.postMessage(server.address().port);
       // Blocked, it never comes to accept.
       setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0));
     });`,
    { eval: true },
  );
  const port = await new Promise<number>((resolve, reject) => worker.once('message', resolve).once('error', reject));
  const waiting: Socket[] = [];
  for (let full = false; !full; ) {
    const socket = connect(port, '127.0.0.1').on('error', () => {});
    waiting.push(socket);
    full = await new Promise<boolean>((resolve) => {
      const timer = setTimeout(resolve, 200, true);
      socket.once('connect', () => {
        clearTimeout(timer);
        resolve(false);
      });
    });
  }
  return {
    port,
    async close() {
      for (const socket of waiting) socket.destroy();
      await worker.terminate();
    },
  };
}
