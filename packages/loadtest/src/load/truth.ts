import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** What the server does with the next requests. */
export interface Hold {
  /** How long it keeps each request, ms; what it kept it in truth, it notes. */
  holdMs: number;
  /** Once, the whole server stands still. */
  stall?: { afterMs: number; ms: number };
}

/** A server on loopback, in a process of its own, that knows how long it kept each request. */
export interface Truth {
  url: URL;
  hold(hold: Hold): Promise<void>;
  /** How long each request since the last call was kept, ms: from its last byte to the write of its answer. */
  held(): Promise<number[]>;
  close(): Promise<void>;
}

const SERVER = fileURLToPath(new URL('./truth-server.js', import.meta.url));

/** @param certificate PEM, for TLS */
export async function startTruth(certificate?: { key: string; cert: string }): Promise<Truth> {
  const child = fork(SERVER, {
    env: { ...process.env, ...(certificate && { TRUTH_CERTIFICATE: JSON.stringify(certificate) }) },
    execArgv: [],
  });
  const ended = once(child, 'exit');
  const failed = ended.then(() => Promise.reject(new Error('the server that knows the truth has ended')));
  failed.catch(() => {});
  const ask = async (order?: Hold | 'held') => {
    const answered = once(child, 'message');
    if (order) child.send(order);
    const [answer] = await Promise.race([answered, failed]);
    return answer;
  };
  const { port } = await ask();
  return {
    url: new URL(`${certificate ? 'https' : 'http'}://127.0.0.1:${port}/nlp/ner`),
    async hold(hold) {
      await ask(hold);
    },
    async held() {
      return (await ask('held')).held;
    },
    async close() {
      child.disconnect();
      await ended;
    },
  };
}
