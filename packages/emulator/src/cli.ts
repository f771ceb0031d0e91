#!/usr/bin/env node
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { finished } from 'node:stream/promises';
import { Command, InvalidArgumentError } from 'commander';
import { type Emulator, type LambdaEvent, startEmulator } from './index.js';

interface UpOptions {
  kong: string;
  service: string;
  python: string;
  model: string;
  port: number;
  provisioned: number;
  reserved: number;
  idle: number;
  compat?: true;
  log?: string;
  json?: true;
}

const program = new Command('burst-ner-emulator').description(
  'Kong and AWS Lambda on this machine: the same kong.yaml and the same Python, no Docker, no cloud.',
);

program
  .command('up')
  .description('start, and stay up until Ctrl-C')
  .requiredOption('--model <path>', "folder of the model, the function's SPACY_MODEL_PATH")
  .option('--kong <file>', 'declarative Kong file', 'kong/kong.yaml')
  .option('--service <folder>', "the function's code", 'packages/service')
  .option('--python <path>', "interpreter of the function's environment", 'packages/service/.venv/bin/python')
  .option('--port <n>', "the gateway's port on loopback, 0 for any free one", count, 8000)
  .option('--provisioned <n>', 'environments initialised ahead of need', count, 0)
  .option('--reserved <n>', 'reserved concurrency: requests that run at once', count, 20)
  .option('--idle <seconds>', 'how long an idle environment is kept', count, 300)
  .option('--compat', 'drive the handler without awslambdaric, as off Linux')
  .option('--log <file>', 'append the log of the platform and of the function to a file')
  .option('--json', 'print one JSON object a line: first {"event":"ready", …}, then what happens')
  .action(up);

await program.parseAsync();

async function up({ idle, compat, log, json, ...options }: UpOptions, command: Command): Promise<void> {
  const stop = new AbortController();
  const onSignal = () => (stop.signal.aborted ? process.exit(130) : stop.abort());
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  const print = json
    ? (event: object) => console.log(JSON.stringify(event))
    : (event: LambdaEvent) => console.log(sentence(event));
  let failure: Error | undefined;
  const file = log === undefined ? undefined : createWriteStream(log, { flags: 'a' });
  file?.on('error', ({ message }) => {
    failure ??= new Error(`cannot write the log to ${log}: ${message}; pass --log with another file`);
    stop.abort();
  });
  try {
    if (!json) console.log('Starting …');
    const emulator = await startEmulator({
      ...options,
      idleMs: idle * 1000,
      compat: compat ?? false,
      ...(file && { log: ({ time, stream, line }) => void file.write(`${time} ${stream} ${line}\n`) }),
      onEvent: print,
      signal: stop.signal,
    });
    console.log(json ? JSON.stringify(ready(emulator)) : welcome(emulator));
    if (!stop.signal.aborted) await once(stop.signal, 'abort');
    if (!json) console.log('Stopping …');
    await emulator.close();
  } catch (error) {
    if (!stop.signal.aborted) failure = error as Error;
  }
  // The last lines may fail as well; the listener above knows why.
  if (file) await finished(file.end()).catch(() => {});
  process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
  if (failure) command.error(failure.message);
}

function ready({ endpoint, runtime, keys, generatedKeys }: Emulator): object {
  return {
    event: 'ready',
    endpoint,
    runtime,
    keys: Object.fromEntries(generatedKeys.map((name) => [name, keys[name]])),
  };
}

function welcome({ endpoint, runtime, keys, generatedKeys }: Emulator): string {
  const generated = generatedKeys.includes('batch-processor');
  const key = generated ? keys['batch-processor'] : 'the key from DECK_BATCH_PROCESSOR_KEY';
  const header = generated ? `'apikey: ${key}'` : '"apikey: $DECK_BATCH_PROCESSOR_KEY"';
  return `
Kong and Lambda are up (${runtime}).
  address  ${endpoint}
  key      ${key}
Try it:
  curl -sS ${endpoint} -H ${header} -H 'content-type: application/json' -d '{"text": "Ada Lovelace met Charles Babbage in London."}'
Ctrl-C stops it.
`;
}

function sentence(event: LambdaEvent): string {
  const where = 'environment' in event ? ` in environment ${event.environment.slice(0, 8)}` : '';
  switch (event.event) {
    case 'cold start':
      return `cold start${where}: init took ${Math.round(event.initMs)} ms`;
    case 'init failed':
      return `init failed${where}: ${event.error.errorMessage}`;
    case 'function error':
      return `function error${where}: ${event.errorType} (502)`;
    case 'throttled':
      return 'throttled: reserved concurrency is used up (429)';
    case 'environment expired':
      return `expired: idle${where}`;
  }
}

function count(value: string): number {
  if (!/^\d+$/.test(value)) throw new InvalidArgumentError('It must be a whole number, 0 or more.');
  return Number(value);
}
