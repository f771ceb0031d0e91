import { createHash, randomBytes } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { render } from '../../../kong/render.mjs';
import { startGateway } from './gateway/gateway.js';
import { Fleet, type FleetStats, type LambdaEvent } from './lambda/fleet.js';
import { startFunctionUrl } from './lambda/function-url.js';
import type { LogSink } from './lambda/platform-log.js';
import { findRuntime, type RuntimeName } from './lambda/python.js';

export { ConfigError } from './gateway/config.js';
export { type FleetStats, InitFailed, type LambdaEvent } from './lambda/fleet.js';
export type { LogEntry, LogSink } from './lambda/platform-log.js';
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
   * Environments initialised ahead of need.
   * @default 0
   */
  provisioned?: number;
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
   * The function's time-out.
   * @default 30_000
   */
  timeoutMs?: number;
  /**
   * When an on-demand init is cut.
   * @default 10_000
   */
  initLimitMs?: number;
  /**
   * The function's memory size in MB: told, not enforced.
   * @default 2048
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
  onEvent?: (event: LambdaEvent) => void;
  /** Aborting it stops a start that is under way, which then rejects. */
  signal?: AbortSignal;
}

/** Kong and Lambda, running on this machine. */
export interface Emulator {
  /** The gateway, without a slash at the end. */
  url: string;
  /** Where documents go: the gateway's `/nlp/ner`. */
  endpoint: string;
  /** The Function URL behind the gateway, with a slash at the end, and its certificate in PEM, made at start. */
  functionUrl: { url: string; ca: string };
  /** API keys by consumer. */
  keys: { 'batch-processor': string; 'load-generator': string };
  /** The names of the keys that were made up here. */
  generatedKeys: ('batch-processor' | 'load-generator')[];
  runtime: RuntimeName;
  stats(): FleetStats;
  /** Stops everything, whatever it is doing. No process and no socket is left when it settles. */
  close(): Promise<void>;
}

const KEYS = {
  'batch-processor': 'DECK_BATCH_PROCESSOR_KEY',
  'load-generator': 'DECK_LOAD_GENERATOR_KEY',
} as const;
const ORIGIN_SECRET = 'DECK_NER_ORIGIN_SECRET';

/**
 * Starts the gateway, the Function URL and the function. One environment is initialised and ended on the way, so that
 * a function that cannot start is an error here; the first request is a cold start all the same.
 *
 * @throws {ConfigError} for a kong.yaml that the gateway cannot do
 * @throws {InitFailed} for a function that does not initialise
 * @throws {Error} one sentence for a missing file, Python or environment variable, or a port in use
 */
export async function startEmulator(options: EmulatorOptions): Promise<Emulator> {
  const { kong = 'kong/kong.yaml', service = 'packages/service', env = process.env, signal } = options;
  const python = options.python ?? 'packages/service/.venv/bin/python';
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
    secrets[name] = env[name] || randomBytes(24).toString('base64url');
  }
  const fleet = new Fleet(
    {
      runtime,
      taskRoot: path.resolve(service),
      handler: 'burst_ner.handler.handler',
      variables: {
        SPACY_MODEL_PATH: path.resolve(options.model),
        ORIGIN_SECRET_SHA256: createHash('sha256')
          .update(secrets[ORIGIN_SECRET] ?? '')
          .digest('hex'),
      },
      ...pick(options, ['timeoutMs', 'initLimitMs', 'memoryMb', 'log']),
    },
    pick(options, ['reserved', 'idleMs', 'onEvent']),
  );
  const closers = [() => fleet.close()];
  const close = async () => {
    await Promise.all(closers.map((closer) => closer()));
  };
  // What is still to be started finds a closed fleet, and fails.
  const abort = () => void fleet.close();
  signal?.addEventListener('abort', abort);
  try {
    signal?.throwIfAborted();
    const functionUrl = await startFunctionUrl(fleet);
    closers.push(() => functionUrl.close());
    const text = await renderKong(kong, { ...secrets, DECK_NER_FUNCTION_URL: functionUrl.url });
    const gateway = await openGateway({
      file: kong,
      text,
      port: options.port ?? 0,
      ca: functionUrl.ca,
      ...pick(options, ['now']),
    });
    closers.push(() => gateway.close());
    if (options.provisioned) await fleet.provision(options.provisioned);
    else await fleet.check();
    const names = Object.keys(KEYS) as (keyof typeof KEYS)[];
    return {
      url: gateway.url,
      endpoint: `${gateway.url}/nlp/ner`,
      functionUrl: { url: functionUrl.url, ca: functionUrl.ca },
      keys: Object.fromEntries(names.map((name) => [name, secrets[KEYS[name]]])) as Emulator['keys'],
      generatedKeys: names.filter((name) => !env[KEYS[name]]),
      runtime: runtime.name,
      stats: () => fleet.stats,
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

async function renderKong(file: string, env: Record<string, string>): Promise<string> {
  const text = await readFile(file, 'utf8');
  try {
    return render(text, env);
  } catch (error) {
    throw new Error(`${file}, ${(error as Error).message}`);
  }
}

async function openGateway(options: Parameters<typeof startGateway>[0]): ReturnType<typeof startGateway> {
  try {
    return await startGateway(options);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    throw new Error(`port ${options.port} is in use; pass --port with another one, or 0 for any free one`);
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
