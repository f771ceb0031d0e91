import { spawn } from 'node:child_process';
import { once } from 'node:events';
import http from 'node:http';
import https from 'node:https';
import { InputError } from '../input-error.js';

/** How environments are made cold before a burst. `idle`: by the wait between two bursts alone. */
export type Cold = { by: 'none' | 'idle' } | { by: 'restart'; emulator: URL } | { by: 'config-bump'; command: string };

/** The function's name, in the emulator as in infra/. */
const FUNCTION = 'spacy-ner-service';

/**
 * Sees to it that no execution environment is left that served an earlier request.
 *
 * @throws {InputError} when that failed
 */
export async function makeCold(cold: Cold, signal?: AbortSignal): Promise<void> {
  if (cold.by === 'restart') await restart(cold.emulator, signal);
  if (cold.by === 'config-bump') await bump(cold.command, signal);
}

/** UpdateFunctionConfiguration without a change: the emulator replaces its environments, and answers when it has. */
async function restart(emulator: URL, signal?: AbortSignal): Promise<void> {
  const url = new URL(`/2015-03-31/functions/${FUNCTION}/configuration`, emulator);
  const failed = (why: string) =>
    new InputError(
      `Cannot restart the environments at ${emulator.origin} (${why}); --emulator is the functionUrl that \`burst-ner-emulator up\` prints.`,
    );
  const options = {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    ...(signal && { signal }),
    agent: false,
    // The emulator's certificate is made at its start, so that nobody can know it. It is on this machine (cli/run.ts
    // refuses another), and nothing secret is sent.
    rejectUnauthorized: false,
  };
  const request = (url.protocol === 'https:' ? https.request(url, options) : http.request(url, options)).end('{}');
  try {
    const [response] = (await once(request, 'response')) as [http.IncomingMessage];
    response.resume();
    if (response.statusCode !== 200) throw failed(`HTTP ${response.statusCode}`);
    await once(response, 'end');
  } catch (error) {
    if (signal?.aborted) return;
    throw error instanceof InputError ? error : failed((error as NodeJS.ErrnoException).code ?? String(error));
  }
}

/** A command of the user's, run by the shell. Its standard output may quote the function's variables: it is dropped. */
async function bump(command: string, signal?: AbortSignal): Promise<void> {
  const { NER_API_KEY: _, ...env } = process.env;
  // A group of its own, so that what the command started ends with it.
  const child = spawn(command, { shell: true, stdio: ['ignore', 'ignore', 'inherit'], env, detached: true });
  const end = () => child.pid !== undefined && process.kill(-child.pid, 'SIGTERM');
  signal?.addEventListener('abort', end, { once: true });
  const [code, name] = (await once(child, 'close')) as [number | null, string | null];
  signal?.removeEventListener('abort', end);
  if (code !== 0 && !signal?.aborted) {
    throw new InputError(`The --cold-command ended with ${name ?? `exit code ${code}`}; nothing was sent after it.`);
  }
}
