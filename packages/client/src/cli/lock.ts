import { once } from 'node:events';
import type { BigIntStats } from 'node:fs';
import { rm } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * Holds a file for this process by listening at a local socket that is named after it: Node has no flock, and a lock file
 * outlives kill -9, after which its process id may be somebody else's. The kernel frees the name on Linux (an abstract
 * socket) and Windows (a pipe) however the process ends; elsewhere a socket's file stays, and nobody answers there.
 *
 * It holds on one machine, and among processes of one network namespace.
 *
 * @returns what `close()` frees; undefined when another process holds the file
 */
export async function lock({ dev, ino }: BigIntStats, platform = process.platform): Promise<Server | undefined> {
  const name = `burst-ner-${dev}-${ino}`;
  if (platform === 'linux') return listen(`\0${name}`);
  if (platform === 'win32') return listen(`\\\\.\\pipe\\${name}`);
  const path = join(tmpdir(), name);
  const server = await listen(path);
  if (server || (await answers(path))) return server;
  await rm(path, { force: true });
  return listen(path);
}

async function listen(address: string): Promise<Server | undefined> {
  const server = createServer((socket) => socket.destroy()).unref();
  try {
    await once(server.listen(address), 'listening');
    return server;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return undefined;
    throw error;
  }
}

async function answers(path: string): Promise<boolean> {
  const socket = connect(path);
  const answered = await once(socket, 'connect').then(
    () => true,
    () => false,
  );
  socket.destroy();
  return answered;
}
