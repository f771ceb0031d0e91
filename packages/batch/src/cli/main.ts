#!/usr/bin/env node
import { setTimeout as sleep } from 'node:timers/promises';
import { Command, InvalidArgumentError, Option, program } from 'commander';
import { Account } from '../account.js';
import { OFFSETS, type Offsets } from '../books.js';
import { collected, writeAll } from '../collect.js';
import { BatchError, explained } from '../errors.js';
import type { Size } from '../forecast.js';
import { parseFolder, placeName } from '../place.js';
import { measure, type Plan, plan, planOnPaper } from '../plan.js';
import { cancel, consoleUrl, describeMachine, regionOf, retryFailed, type Started, start } from '../run.js';
import { Follower, type Status } from '../status.js';
import { planReport, progressLine, statusReport } from './report.js';
import { count } from './words.js';

/** 0 all is done, 1 something failed, 2 the command could not do its work, 3 it goes on. */
const DONE = 0;
const FAILED = 1;
const COULD_NOT = 2;
const GOES_ON = 3;
const LOOK_MS = 5_000;

interface Common {
  json?: true;
}
interface Fields {
  textField?: string;
  idField?: string;
  offsets: Offsets;
}
interface PlanFlags extends Common, Fields {
  out?: string;
  stateMachine?: string;
  trial?: true;
  documents?: number;
  characters: number;
  concurrency: number;
  memory: number;
  arch: Size['arch'];
  region: string;
}

const number = (value: string): number => {
  if (!/^[1-9]\d{0,11}$/.test(value)) throw new InvalidArgumentError('give a whole number from 1 on.');
  return Number(value);
};

const withJson = (command: Command) => command.option('--json', 'print JSON');
const withMachine = (command: Command) =>
  command.addOption(
    new Option('--state-machine <arn>', 'the output batch_state_machine_arn of infra').env('BURST_NER_STATE_MACHINE'),
  );
const withFields = (command: Command) =>
  command
    .option('--text-field <name>', 'field or column of the text (default: text, else the only one)')
    .option('--id-field <name>', 'field or column of the id (default: id, else _id)')
    .addOption(
      new Option('--offsets <kind>', 'how the offsets of entities count').choices(OFFSETS).default('utf-16' as Offsets),
    );

// Node 20 still gets its security fixes by whoever runs it; the library would warn at every command.
process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true';

program
  .name('burst-ner-batch')
  .description('Named entities of documents in S3, by Burst NER on AWS Step Functions.')
  .exitOverride((error) => process.exit(error.exitCode === 0 ? DONE : COULD_NOT));

const planCommand = withJson(withMachine(withFields(new Command('plan'))))
  .description('say how many parts there are, how long they take and what they cost; runs nothing without --trial')
  .argument('[input]', 'where documents are, such as s3://bucket/documents/')
  .option('--out <place>', 'where records would go; with --trial')
  .option('--trial', 'measure the worker by two small parts of the input, which costs a cent at most')
  .option('--documents <count>', 'in the place of an input: so many documents', number)
  .option('--characters <count>', 'with --documents: of each', number, 1000)
  .option('--concurrency <count>', 'parts at once (default with --state-machine: its own)', number, 50)
  .option('--memory <mb>', 'of the worker', number, 1769)
  .addOption(new Option('--arch <name>', 'of the worker').choices(['arm64', 'x86_64']).default('arm64'))
  .option('--region <name>', 'of the prices (default with --state-machine: its own)', 'us-east-1')
  .action(async (input: string | undefined, flags: PlanFlags) => print(flags, await planned(input, flags), planReport));

async function planned(input: string | undefined, flags: PlanFlags): Promise<Plan> {
  const { memory, arch, documents, characters } = flags;
  const account = new Account(flags.stateMachine && regionOf(flags.stateMachine));
  const machine = flags.stateMachine ? await describeMachine(account, flags.stateMachine) : undefined;
  const size: Size = { memoryMb: memory, arch, region: machine?.region ?? flags.region };
  const options = { ...flags, size, concurrency: machine?.concurrency ?? flags.concurrency };
  if (documents !== undefined) return planOnPaper({ documents, characters }, options);
  if (!input) throw new BatchError('plan needs a place in S3, or --documents for a plan on paper.');
  if (!flags.trial) return plan(account, { ...options, input });
  if (!machine || !flags.out) throw new BatchError('--trial needs --state-machine and --out.');
  const measured = await measure(account, machine, { ...options, input, output: parseFolder(flags.out) });
  return plan(account, { ...options, input, size: { ...size, ...measured.size } }, measured.speed);
}

const startCommand = withJson(withMachine(withFields(new Command('start'))))
  .description('start what has no records yet; the same command again goes on with what is missing')
  .argument('<input>', 'where documents are, such as s3://bucket/documents/')
  .requiredOption('--out <place>', 'where records go, such as s3://bucket/records/first/')
  .action(async (input: string, flags: Common & Fields & { out: string; stateMachine?: string }) => {
    const arn = flags.stateMachine;
    if (!arn) throw new BatchError('start needs --state-machine, or BURST_NER_STATE_MACHINE.');
    const account = new Account(regionOf(arn));
    const machine = await describeMachine(account, arn);
    tellStarted(flags, await start(account, machine, { ...flags, input, output: parseFolder(flags.out) }));
  });

const retryCommand = withJson(new Command('retry-failed'))
  .description('start the parts of a run that failed, or that it did not reach')
  .argument('<output>', 'where records go')
  .action(async (output: string, flags: Common) =>
    tellStarted(flags, await retryFailed(await accountOf(), parseFolder(output))),
  );

const statusCommand = withJson(new Command('status'))
  .description('say how far a run is, what failed, and what it cost so far')
  .argument('<output>', 'where records go')
  .option('--watch', 'until it ends')
  .action(async (output: string, flags: Common & { watch?: true }) => {
    const follower = new Follower(await accountOf(), parseFolder(output));
    let status = await follower.look();
    while (flags.watch && status.state === 'RUNNING') {
      tellProgress(status);
      await sleep(LOOK_MS);
      status = await follower.look();
    }
    if (flags.watch && process.stderr.isTTY) process.stderr.write('\r\x1b[2K');
    print(flags, status, statusReport);
    process.exitCode = codeOf(status);
  });

const cancelCommand = withJson(new Command('cancel'))
  .description('stop a run; what is written stays, and retry-failed goes on')
  .argument('<output>', 'where records go')
  .action(async (output: string, flags: Common) => {
    const { status } = await cancel(await accountOf(), parseFolder(output));
    const was = status === 'RUNNING' ? 'Stopped.' : `Nothing runs there: ${status}.`;
    print(flags, { was: status }, () => was);
  });

const collectCommand = withJson(new Command('collect'))
  .description('list the objects of a run that is complete, in the order of its input, or write them as one file')
  .argument('<output>', 'where records go')
  .option('--to <file>', 'one file of JSON Lines; - is standard output')
  .action(async (output: string, flags: Common & { to?: string }) => {
    const account = await accountOf();
    const place = parseFolder(output);
    const objects = await collected(account, place);
    const names = objects.map(({ key }) => placeName({ ...place, prefix: key }));
    if (flags.to === undefined) {
      print(flags, { objects: names }, () => names.join('\n'));
      return;
    }
    const { to } = flags;
    await writeAll(account, place.bucket, objects, to, (done) => {
      if (process.stderr.isTTY) process.stderr.write(`\r\x1b[2K${count(done)} of ${count(objects.length)} objects`);
    });
    if (process.stderr.isTTY) process.stderr.write('\r\x1b[2K');
    const documents = objects.reduce((sum, one) => sum + one.documents, 0);
    if (to !== '-') print(flags, { to, documents }, () => `${count(documents)} records are in ${to}.`);
  });

/** For an output, whose own run says where its state machine is, the region of the environment will do. */
async function accountOf(): Promise<Account> {
  return new Account(regionOf(process.env['BURST_NER_STATE_MACHINE'] ?? ''));
}

function codeOf({ state, parts, documents }: Status): number {
  if (state === 'RUNNING') return GOES_ON;
  return parts.done === parts.all && documents.failed === 0 ? DONE : FAILED;
}

let told = 0;

function tellProgress(status: Status): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[2K${progressLine(status, process.stderr.columns || 80)}`);
  else if (Date.now() - told > 30_000) {
    told = Date.now();
    process.stderr.write(`${progressLine(status, 200)}\n`);
  }
}

function tellStarted(flags: Common, { execution, parts, missing, run }: Started): void {
  const output = placeName(run.work.out);
  const url = execution && consoleUrl(execution);
  print(flags, { execution, console: url, parts, missing, documents: run.documents, output }, () =>
    execution
      ? `${count(missing)} of ${count(parts)} parts are started.\n${url}\nburst-ner-batch status --watch ${output}`
      : `All ${count(parts)} parts have their records; nothing was started.`,
  );
}

function print<T>({ json }: Common, value: T, report: (value: T) => string): void {
  process.stdout.write(`${json ? JSON.stringify(value, undefined, 2) : report(value)}\n`);
}

for (const command of [planCommand, startCommand, statusCommand, retryCommand, cancelCommand, collectCommand]) {
  program.addCommand(command.copyInheritedSettings(program));
}

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.stderr.write(`error: Cannot write standard output (${error.code}).\n`);
  process.exit(COULD_NOT);
});

process.stderr.on('error', () => {}); // nobody to tell

try {
  await program.parseAsync();
} catch (thrown) {
  const error = explained(thrown, 'AWS');
  if (!(error instanceof Error)) throw error;
  process.stderr.write(`error: ${error instanceof BatchError ? error.message : `${error.name}: ${error.message}`}\n`);
  process.exitCode = COULD_NOT;
}
