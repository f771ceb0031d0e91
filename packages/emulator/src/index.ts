import { createHash, randomBytes } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { render, trust } from '../../../kong/render.mjs';
import { type Answered, startGateway } from './gateway/gateway.js';
import { CpuShare } from './lambda/cpu-share.js';
import type { EnvironmentState, FunctionConfig } from './lambda/environment.js';
import { Fleet, type FleetStats, type LambdaEvent } from './lambda/fleet.js';
import { startFunctionUrl } from './lambda/function-url.js';
import type { LogSink } from './lambda/platform-log.js';
import { findRuntime, type RuntimeName } from './lambda/python.js';
import { SlowStore } from './lambda/slow-store.js';

export { ConfigError } from './gateway/config.js';
export type { Answered } from './gateway/gateway.js';
export type { EnvironmentState } from './lambda/environment.js';
export { Fleet, type FleetStats, InitFailed, type LambdaEvent } from './lambda/fleet.js';
export type { LogEntry, LogSink } from './lambda/platform-log.js';
export { findRuntime } from './lambda/python.js';
export type { FunctionError } from './lambda/runtime-api.js';
export type { RuntimeName };

/** Options of startEmulator. Times in ms; relative paths start at the current folder. */
export interface EmulatorOptions {
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
   * Provisioned concurrency: environments initialised ahead that never expire. At most `reserved`.
   * @default 0
   */
  provisioned?: number;
  /**
   * Environments kept initialised ahead of need, as Lambda does it unasked: their first request is not cold.
   * @default 0
   */
  proactive?: number;
  /**
   * Reserved concurrency: requests that the function runs at once.
   * @default 20
   */
  reserved?: number;
  /**
   * How long an idle environment is kept.
   * @default 300_000
   */
  idleMs?: number;
  /**
   * Environments that initialise at once.
   * @default the number of cores, at least 2
   */
  startsAtOnce?: number;
  /**
   * The function's time-out, 1 to 900 s. The function of this project keeps 3 s of it for its answer: give it more.
   * @default 30_000
   */
  timeoutMs?: number;
  /**
   * Lambda's clocks (10 s of init, the time-out, the idle expiry) and the gateway's time-outs are this many times shorter.
   * The function is told its whole time, and a minute of the gateway stays a minute.
   * @default 1
   */
  timeScale?: number;
  /**
   * Bounds how fast all environments together read code and model from disk, in 10⁶ bytes a second. Linux, root.
   * @default unbounded
   */
  slowStore?: number;
  /**
   * The function's memory size in MB, 128 to 10,240: it has that part of a core which Lambda gives it (a whole one at
   * 1,769). Memory itself is not bounded. Linux, root.
   * @default unbounded CPU, and a function that is told 1769
   */
  memoryMb?: number;
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
  /** Takes the log of the platform and of the function. Dropped by default. */
  log?: LogSink;
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
  stats(): FleetStats;
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
  const { kong = 'kong/kong.yaml', service = 'packages/service', env = process.env, signal } = options;
  const python = options.python ?? 'packages/service/.venv/bin/python';
  const { slowStore, provisioned = 0, proactive = 0, reserved = 20, onEvent } = options;
  if (provisioned > reserved) {
    throw new Error(
      `provisioned concurrency ${provisioned} is above reserved concurrency ${reserved}, which AWS refuses; pass --reserved ${provisioned} or more`,
    );
  }
  const { memoryMb, timeoutMs = 30_000 } = options;
  if (memoryMb !== undefined && !(memoryMb >= 128 && memoryMb <= 10_240)) {
    throw new Error(`--memory ${memoryMb} is no size that Lambda has; pass 128 to 10240 (MB)`);
  }
  if (!(timeoutMs >= 1000 && timeoutMs <= 900_000)) {
    throw new Error(`a function time-out of ${timeoutMs / 1000} s is none that Lambda has; give 1 to 900 s`);
  }
  if (options.handler === undefined && timeoutMs <= ANSWER_MS) {
    throw new Error(
      `a function time-out of ${timeoutMs / 1000} s leaves no time for work: this function keeps ${ANSWER_MS / 1000} s for its answer; give more`,
    );
  }
  await expect(kong, 'declarative Kong file', '--kong');
  await expect(service, "folder of the function's code", '--service');
  await expect(options.model, 'model', '--model');
  const runtime = await findRuntime(
    // A bare name is looked up in PATH.
    python.includes(path.sep) ? path.resolve(python) : python,
    fileURLToPath(new URL('../python/compat_runtime.py', import.meta.url)),
    options.compat ?? false,
  );
  const secrets: Record<string, string> = {};
  for (const name of [...Object.values(KEYS), ORIGIN_SECRET]) {
    secrets[name] = env[name] || newKey();
  }
  const config: FunctionConfig = {
    runtime,
    taskRoot: path.resolve(service),
    handler: options.handler ?? 'burst_ner.handler.handler',
    variables: {
      SPACY_MODEL_PATH: path.resolve(options.model),
      ORIGIN_SECRET_SHA256: createHash('sha256')
        .update(secrets[ORIGIN_SECRET] ?? '')
        .digest('hex'),
    },
    ...pick(options, ['timeoutMs', 'timeScale', 'memoryMb', 'log']),
  };
  const fleet = new Fleet(config, { reserved, proactive, ...pick(options, ['idleMs', 'startsAtOnce', 'onEvent']) });
  const closers: (() => Promise<void> | void)[] = [
    () =>
      fleet.close().then(() => {
        config.cpu?.close();
        config.store?.close();
      }),
  ];
  const close = async () => {
    await Promise.all(closers.map((closer) => closer()));
  };
  // What is still to be started finds a closed fleet, and fails.
  const abort = () => void fleet.close();
  signal?.addEventListener('abort', abort);
  try {
    signal?.throwIfAborted();
    const functionUrl = await listen(
      () => startFunctionUrl(fleet, options.functionPort),
      options.functionPort,
      '--function-port',
    );
    closers.push(() => functionUrl.close());
    const read = async () =>
      trust(await renderKong(kong, { ...secrets, DECK_NER_FUNCTION_URL: functionUrl.url }), functionUrl.ca);
    const text = await read();
    const { port = 0 } = options;
    const guest = { username: 'page', key: newKey(), like: secrets[KEYS['batch-processor']] ?? '' };
    const onAnswer = (answered: Answered) => onEvent?.({ event: 'answer', ...answered });
    const gateway = await listen(
      () => startGateway({ file: kong, text, port, guest, onAnswer, ...pick(options, ['now', 'timeScale']) }),
      port,
      '--port',
    );
    closers.push(() => gateway.close());
    const names = Object.keys(KEYS) as (keyof typeof KEYS)[];
    const given = Object.fromEntries(names.map((name) => [name, secrets[KEYS[name]]]));
    const keys = { ...given, page: guest.key } as Emulator['keys'];
    const folders = [path.resolve(options.model), config.taskRoot, runtime.packages];
    if (slowStore) config.store = await SlowStore.open(folders, slowStore, runtime.python);
    if (memoryMb !== undefined) config.cpu = new CpuShare(memoryMb, config.store?.group);
    if (provisioned + proactive === 0) await fleet.check();
    await Promise.all([fleet.provision(provisioned), fleet.fillProactive()]);
    return {
      url: gateway.url,
      endpoint: `${gateway.url}/nlp/ner`,
      functionUrl: { url: functionUrl.url, ca: functionUrl.ca },
      keys,
      generatedKeys: names.filter((name) => !env[KEYS[name]]),
      runtime: runtime.name,
      stats: () => fleet.stats,
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

const newKey = () => randomBytes(24).toString('base64url');

async function renderKong(file: string, env: Record<string, string>): Promise<string> {
  const text = await readFile(file, 'utf8');
  try {
    return render(text, env);
  } catch (error) {
    throw new Error(`${file}, ${(error as Error).message}`);
  }
}

/** Starts something that listens; a port in use is one sentence. */
async function listen<T>(start: () => Promise<T>, port: number | undefined, option: string): Promise<T> {
  try {
    return await start();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    throw new Error(`port ${port} is in use; pass ${option} with another one, or 0 for any free one`);
  }
}

async function expect(file: string, what: string, option: string): Promise<void> {
  await stat(file).catch(() => {
    throw new Error(`no ${what} at ${file}; pass ${option} with its path`);
  });
}

function pick<T extends object, K extends keyof T>(from: T, names: readonly K[]): Pick<T, K> {
  return Object.fromEntries(names.flatMap((name) => (from[name] === undefined ? [] : [[name, from[name]]]))) as Pick<
    T,
    K
  >;
}
