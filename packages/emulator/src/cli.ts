#!/usr/bin/env node
import { once } from 'node:events';
import { closeSync, createWriteStream, openSync } from 'node:fs';
import { finished } from 'node:stream/promises';
import { Command, InvalidArgumentError } from 'commander';
import { type Emulator, type EmulatorOptions, startEmulator } from './index.js';
import { type Page, startPage } from './page.js';
import { printable } from './printable.js';
import { jsonReport, lineReport, viewReport } from './view/report.js';
import { Tally } from './view/tally.js';

type UpOptions = Omit<EmulatorOptions, 'log'> & {
  port: number;
  reserved: number;
  idle: number;
  memory?: number;
  page: boolean;
  log?: string;
  json?: true;
};

const program = new Command('burst-ner-emulator').description(
  'Kong and AWS Lambda on this machine: the same kong.yaml and the same Python, no Docker, no cloud.',
);

program
  .command('up')
  .description('start, and stay up until Ctrl-C; SIGHUP reads the declarative Kong file again')
  .addHelpText(
    'after',
    '\nThe key is that of DECK_BATCH_PROCESSOR_KEY, else a new one, which is shown on a terminal alone.',
  )
  .requiredOption('--model <path>', "folder of the model, the function's SPACY_MODEL_PATH")
  .option('--kong <file>', 'declarative Kong file', 'kong/kong.yaml')
  .option('--service <folder>', "the function's code", 'packages/service')
  .option('--python <path>', "interpreter of the function's environment", 'packages/service/.venv/bin/python')
  .option('--port <n>', "the gateway's port on loopback, 0 for any free one", port, 8000)
  .option('--function-port <n>', "the Function URL's port on loopback, 0 for any free one", port, 0)
  .option('--provisioned <n>', 'provisioned concurrency: environments that are always ready', count, 0)
  .option('--proactive <n>', 'environments that Lambda keeps initialised ahead of need, unasked', count, 0)
  .option('--reserved <n>', 'reserved concurrency: requests that run at once', count, 20)
  .option('--idle <seconds>', 'how long an idle environment is kept', count, 300)
  .option(
    '--time-scale <n>',
    "divide Lambda's clocks (10 s init, 30 s time-out, idle) and Kong's time-outs by this",
    rate,
    1,
  )
  .option('--slow-store <MBPS>', 'bound how fast code and model are read the first time, in MB/s, as from EFS', rate)
  .option('--memory <MB>', 'memory size: the part of a core that Lambda gives it, a whole one at 1769', count)
  .option('--compat', 'drive the handler without awslambdaric, as off Linux')
  .option('--no-page', "serve no page: without this, one is on loopback, at the port above the gateway's if it is free")
  .option('--log <file>', 'append the log of the platform and of the function to a file')
  .option('--json', 'print one JSON object a line: first {"event":"ready", …}, then what happens; never a key')
  .action(up);

await program.parseAsync();

async function up({ idle, page: wanted, log, json, memory, ...options }: UpOptions, command: Command): Promise<void> {
  const stop = new AbortController();
  const onSignal = () => (stop.signal.aborted ? process.exit(130) : stop.abort());
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  let emulator: Emulator | undefined;
  // A terminal that is closed sends the signal that asks for a reload, too.
  const attached = hasTerminal();
  const onHangup = () => (attached && !hasTerminal() ? stop.abort() : void emulator?.reload());
  process.on('SIGHUP', onHangup);
  // A terminal or a reader that has gone away.
  process.stdout.on('error', () => stop.abort());
  const view = process.stdout.isTTY && process.env['TERM'] !== 'dumb';
  // One tally for the terminal and the page.
  const tally = new Tally();
  const report = json ? jsonReport() : view ? viewReport(tally, options.reserved, onSignal) : lineReport();
  let failure: Error | undefined;
  const file = log === undefined ? undefined : createWriteStream(log, { flags: 'a' });
  file?.on('error', ({ message }) => {
    failure ??= new Error(`cannot write the log to ${log}: ${message}; pass --log with another file`);
    stop.abort();
  });
  try {
    emulator = await startEmulator({
      ...options,
      idleMs: idle * 1000,
      memoryMb: memory,
      log: file && (({ time, stream, line }) => void file.write(`${time} ${stream} ${line}\n`)),
      onEvent(event) {
        tally.add(event);
        report.event(event);
      },
      signal: stop.signal,
    });
    let page: Page | undefined;
    try {
      if (wanted) page = await startPage(emulator, tally, options);
      report.ready(emulator, page?.url);
      if (!stop.signal.aborted) await once(stop.signal, 'abort');
      report.stopping();
    } finally {
      // Whatever becomes of what it prints.
      await Promise.all([page?.close(), emulator.close()]);
    }
  } catch (error) {
    if (!stop.signal.aborted) failure = error as Error;
  }
  // The last lines may fail as well; the listener above knows why.
  if (file) await finished(file.end()).catch(() => {});
  process.off('SIGINT', onSignal).off('SIGTERM', onSignal).off('SIGHUP', onHangup);
  // Nobody reads an exit code, and Node 20 aborts when it cannot reset a terminal that is gone.
  if (attached && !hasTerminal()) process.kill(process.pid, 'SIGHUP');
  if (failure) command.error(printable(failure.message));
}

/** Whether this process belongs to a terminal that is still there. */
function hasTerminal(): boolean {
  try {
    closeSync(openSync('/dev/tty', 'r'));
    return true;
  } catch {
    return false;
  }
}

function count(value: string): number {
  if (!/^\d+$/.test(value)) throw new InvalidArgumentError('It must be a whole number, 0 or more.');
  return Number(value);
}

function port(value: string): number {
  if (count(value) > 65_535) throw new InvalidArgumentError('It must be a port: 0 to 65535.');
  return Number(value);
}

function rate(value: string): number {
  if (!(Number(value) > 0 && Number.isFinite(Number(value))))
    throw new InvalidArgumentError('It must be a number above 0.');
  return Number(value);
}
