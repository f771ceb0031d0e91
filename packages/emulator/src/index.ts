import { createHash, randomBytes } from 'node:crypto';
import type { Stats } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { render, trust } from '../../../kong/render.mjs';
import { type Answered, startGateway } from './gateway/gateway.js';
import { CpuShare } from './lambda/cpu-share.js';
import type { EnvironmentState, FunctionConfig, FunctionOptions } from './lambda/environment.js';
import { Fleet, type FleetOptions, type LambdaEvent } from './lambda/fleet.js';
import { startFunctionUrl } from './lambda/function-url.js';
import { findRuntime, type RuntimeName } from './lambda/python.js';
import { SlowStore } from './lambda/slow-store.js';

export { ConfigError } from './gateway/config.js';
export type { Answered } from './gateway/gateway.js';
export type { EnvironmentState } from './lambda/environment.js';
export { Fleet, InitFailed, type LambdaEvent } from './lambda/fleet.js';
export type { LogEntry, LogSink } from './lambda/platform-log.js';
export { findRuntime } from './lambda/python.js';
export type { FunctionError } from './lambda/runtime-api.js';
export type { RuntimeName };

/** Options of startEmulator. Times in ms; relative paths start at the current folder. */
export interface EmulatorOptions extends FunctionOptions, Omit<FleetOptions, 'onEvent'> {
  /**
   * The declarative Kong file.
   * @default 'kong/kong.yaml'
   */
  kong?: string;
  /**
   * Folder of the function's code.
   * @default 'packages/service'
   */
  service?: string;
  /**
   * The function's handler, `module.name`.
   * @default 'burst_ner.handler.handler'
   */
  handler?: string;
  /**
   * The Python interpreter, with the function's requirements installed.
   * @default 'packages/service/.venv/bin/python'
   */
  python?: string;
  /** The model's folder, the function's SPACY_MODEL_PATH. */
  model: string;
  /**
   * The gateway's port on loopback; 0 takes a free one.
   * @default 0
   */
  port?: number;
  /**
   * The Function URL's port on loopback; 0 takes a free one.
   * @default 0
   */
  functionPort?: number;
  /**
   * Bounds how fast all environments together read code and model from disk, in 10⁶ bytes a second. Linux, root.
   * @default unbounded
   */
  slowStore?: number;
  /**
   * Drive the handler by the compat runtime on Linux too.
   * @default false
   */
  compat?: boolean;
  /**
   * Where the values of kong.yaml's DECK_ references come from. Keys and the origin secret that it does not have are
   * made up; DECK_NER_FUNCTION_URL is always the local one.
   * @default process.env
   */
  env?: Readonly<Record<string, string | undefined>>;
  /**
   * The gateway's wall clock in epoch ms: its windows and its Date.
   * @default Date.now
   */
  now?: () => number;
  onEvent?: (event: EmulatorEvent) => void;
  /** Aborting it stops a start that is under way, which then rejects. */
  signal?: AbortSignal;
}

/** What happens, as it happens. Never a key, a text or an entity. */
export type EmulatorEvent = LambdaEvent | AnswerEvent | ReloadEvent;

/** The gateway answered a request, or did not come to the end of it. */
export type AnswerEvent = { event: 'answer' } & Answered;

/** The declarative Kong file was read again; with an error the gateway goes on with what it had. */
export interface ReloadEvent {
  event: 'reload';
  file: string;
  /** One sentence. */
  error?: string;
}

/** Kong and Lambda, running on this machine. */
export interface Emulator {
  /** The gateway, without a slash at the end. */
  url: string;
  /** Where documents go: the gateway's `/nlp/ner`. */
  endpoint: string;
  /** The Function URL behind the gateway, with a slash at the end, and its certificate in PEM, made at start. */
  functionUrl: { url: string; ca: string };
  /** API keys by consumer. `page` is here alone: made anew at each start, with batch-processor's rights, counted apart. */
  keys: { 'batch-processor': string; 'load-generator': string; page: string };
  /** The names of the keys that were made up here. */
  generatedKeys: ('batch-processor' | 'load-generator')[];
  runtime: RuntimeName;
  /** Every execution environment, the oldest first. */
  environments(): EnvironmentState[];
  /**
   * Reads the declarative Kong file again. Counters go on. What came of it is an event: a file that cannot be used is
   * told there, and the gateway goes on with what it had.
   */
  reload(): Promise<void>;
  /**
   * Replaces every execution environment, as an update of the function's configuration does: the next requests are cold
   * starts. Busy ones end after their request; provisioned and proactive ones are ready again when it settles.
   *
   * @throws {InitFailed}
   */
  restart(): Promise<void>;
  /** Stops everything, whatever it is doing. No process and no socket is left when it settles. */
  close(): Promise<void>;
}

const KEYS = {
  'batch-processor': 'DECK_BATCH_PROCESSOR_KEY',
  'load-generator': 'DECK_LOAD_GENERATOR_KEY',
} as const;
const ORIGIN_SECRET = 'DECK_NER_ORIGIN_SECRET';
/** RESERVE_S of packages/service/burst_ner/deadline.py. */
const ANSWER_MS = 3000;

/**
 * Starts the gateway, the Function URL and the function. One environment is initialised and ended on the way, so that
 * a function that cannot start is an error here; the first request is a cold start all the same.
 *
 * @throws {ConfigError} for a kong.yaml that the gateway cannot do
 * @throws {InitFailed} for a function that does not initialise
 * @throws {Error} one sentence for a missing file, Python or environment variable, a port in use, or more provisioned
 * than reserved concurrency
 */
export async function startEmulator(options: EmulatorOptions): Promise<Emulator> {
  checkSizes(options);
  const { kong = 'kong/kong.yaml', service = 'packages/service', model, env = process.env, onEvent, signal } = options;
  const { port = 0, functionPort = 0, timeoutMs, timeScale, slowStore, memoryMb, log, now } = options;
  const { python = 'packages/service/.venv/bin/python', handler = 'burst_ner.handler.handler' } = options;
  await expect(kong, 'declarative Kong file', '--kong', (found) => !found.isDirectory());
  await expect(service, "folder of the function's code", '--service', (found) => found.isDirectory());
  await expect(model, 'model', '--model', () => true);
  const runtime = await findRuntime(
    // A bare name is looked up in PATH.
    python.includes(path.sep) ? path.resolve(python) : python,
    fileURLToPath(new URL('../python/compat_runtime.py', import.meta.url)),
    options.compat ?? false,
  );
  const newKey = () => randomBytes(24).toString('base64url');
  const given = (variable: string) => env[variable] || newKey();
  const { 'batch-processor': batch, 'load-generator': load } = KEYS;
  const keys = { 'batch-processor': given(batch), 'load-generator': given(load), page: newKey() };
  const secret = given(ORIGIN_SECRET);
  const config: FunctionConfig = {
    ...{ runtime, taskRoot: path.resolve(service), handler, timeoutMs, timeScale, memoryMb, log },
    variables: {
      SPACY_MODEL_PATH: path.resolve(model),
      ORIGIN_SECRET_SHA256: createHash('sha256').update(secret).digest('hex'),
    },
  };
  const fleet = new Fleet(config, options);
  const closers: (() => Promise<void>)[] = [
    async () => {
      await fleet.close();
      config.cpu?.close();
      config.store?.close();
    },
  ];
  const close = async () => {
    await Promise.all(closers.map((closer) => closer()));
  };
  // What is still to be started finds a closed fleet, and fails.
  const abort = () => void fleet.close();
  signal?.addEventListener('abort', abort);
  try {
    signal?.throwIfAborted();
    const functionUrl = await listen(() => startFunctionUrl(fleet, functionPort), functionPort, '--function-port');
    closers.push(() => functionUrl.close());
    const read = async () => {
      const text = await readFile(kong, 'utf8');
      try {
        const secrets = { [batch]: keys['batch-processor'], [load]: keys['load-generator'], [ORIGIN_SECRET]: secret };
        return trust(render(text, { ...secrets, DECK_NER_FUNCTION_URL: functionUrl.url }), functionUrl.ca);
      } catch (error) {
        throw new Error(`${kong}, ${(error as Error).message}`);
      }
    };
    const text = await read();
    const guest = { username: 'page', key: keys.page, like: keys['batch-processor'] };
    const onAnswer = (answered: Answered) => onEvent?.({ event: 'answer', ...answered });
    const gateway = await listen(
      () => startGateway({ file: kong, text, port, guest, onAnswer, now, timeScale }),
      port,
      '--port',
    );
    closers.push(() => gateway.close());
    const folders = [path.resolve(model), config.taskRoot, runtime.packages];
    if (slowStore) config.store = new SlowStore(folders, slowStore, runtime.python);
    if (memoryMb !== undefined) config.cpu = new CpuShare(memoryMb, config.store?.group);
    await fleet.start();
    return {
      url: gateway.url,
      endpoint: `${gateway.url}/nlp/ner`,
      functionUrl: { url: functionUrl.url, ca: functionUrl.ca },
      keys,
      generatedKeys: (Object.keys(KEYS) as (keyof typeof KEYS)[]).filter((name) => !env[KEYS[name]]),
      runtime: runtime.name,
      environments: () => fleet.environments,
      restart: () => fleet.restart(),
      async reload() {
        try {
          gateway.reload(await read());
          onEvent?.({ event: 'reload', file: kong });
        } catch (error) {
          onEvent?.({ event: 'reload', file: kong, error: (error as Error).message });
        }
      },
      close,
    };
  } catch (error) {
    await close();
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener('abort', abort);
  }
}

/** @throws {Error} for what Lambda does not have, or this function cannot work with */
function checkSizes({ provisioned = 0, reserved = 20, memoryMb, timeoutMs = 30_000, handler }: EmulatorOptions): void {
  if (provisioned > reserved) {
    throw new Error(
      `provisioned concurrency ${provisioned} is above reserved concurrency ${reserved}, which AWS refuses; pass --reserved ${provisioned} or more`,
    );
  }
  if (memoryMb !== undefined && !(memoryMb >= 128 && memoryMb <= 10_240)) {
    throw new Error(`--memory ${memoryMb} is no size that Lambda has; pass 128 to 10240 (MB)`);
  }
  if (!(timeoutMs >= 1000 && timeoutMs <= 900_000)) {
    throw new Error(`a function time-out of ${timeoutMs / 1000} s is none that Lambda has; give 1 to 900 s`);
  }
  if (handler === undefined && timeoutMs <= ANSWER_MS) {
    throw new Error(
      `a function time-out of ${timeoutMs / 1000} s leaves no time for work: this function keeps ${ANSWER_MS / 1000} s for its answer; give more`,
    );
  }
}

/** Starts something that listens; a port that cannot be had is one sentence. */
async function listen<T>(start: () => Promise<T>, port: number, option: string): Promise<T> {
  try {
    return await start();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EADDRINUSE' && code !== 'EACCES') throw error;
    const why = code === 'EACCES' ? 'needs more rights' : 'is in use';
    throw new Error(`port ${port} ${why}; pass ${option} with another one, or 0 for any free one`);
  }
}

async function expect(at: string, what: string, option: string, fits: (found: Stats) => boolean): Promise<void> {
  const found = await stat(at).catch(() => undefined);
  if (!found || !fits(found)) throw new Error(`no ${what} at ${at}; pass ${option} with its path`);
}
