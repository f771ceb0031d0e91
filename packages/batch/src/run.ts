import { randomBytes } from 'node:crypto';
import {
  DescribeExecutionCommand,
  DescribeStateMachineCommand,
  ExecutionDoesNotExist,
  type ExecutionStatus,
  StartExecutionCommand,
  StopExecutionCommand,
} from '@aws-sdk/client-sfn';
import type { Account } from './account.js';
import { Books, type Offsets, type Run } from './books.js';
import { BatchError, explained } from './errors.js';
import { cut, findFiles, type Part, partBytes } from './parts.js';
import { type Place, parsePlace, placeName, refuseOverlap } from './place.js';
import { Output } from './records.js';
import { takeSample } from './sample.js';

export interface Machine {
  arn: string;
  region: string;
  /** Parts at once. */
  concurrency: number;
  /** Of output. */
  bucket: string;
}

export interface Execution {
  status: ExecutionStatus | 'NOT_STARTED';
  started: Date | undefined;
  stopped: Date | undefined;
  error: string | undefined;
}

export const regionOf = (arn: string): string | undefined => arn.split(':')[3];

/** @throws {BatchError} when it is not the state machine of infra/batch.tf */
export async function describeMachine(account: Account, arn: string): Promise<Machine> {
  try {
    const { definition = '{}' } = await account.states.send(new DescribeStateMachineCommand({ stateMachineArn: arn }));
    const parts = JSON.parse(definition).States?.Parts;
    const bucket = parts?.ItemReader?.Parameters?.Bucket;
    if (typeof bucket !== 'string') throw new BatchError(`${arn} is not the batch's state machine of infra/.`);
    return { arn, region: regionOf(arn) ?? '', concurrency: parts.MaxConcurrency, bucket };
  } catch (error) {
    throw explained(error, arn);
  }
}

export interface StartOptions {
  input: string;
  output: Place;
  textField?: string | undefined;
  idField?: string | undefined;
  offsets: Offsets;
}

/** What was started: an execution, or none when every part has its records. */
export interface Started {
  execution: string | undefined;
  parts: number;
  /** Of them, those that had none. */
  missing: number;
  run: Run;
}

/**
 * Starts what has no records yet. Whoever starts the same again goes on with what is missing.
 *
 * @throws {BatchError} when it runs, or the output is of another input or other settings
 */
export async function start(account: Account, machine: Machine, options: StartOptions): Promise<Started> {
  const { output } = options;
  if (output.bucket !== machine.bucket) {
    throw new BatchError(`${placeName(output)} is not in s3://${machine.bucket}, where this state machine writes.`);
  }
  const input = parsePlace(options.input);
  refuseOverlap(input, output);
  const books = new Books(account, output);
  const before = await books.run();
  if (before) await refuseRunning(account, before);
  const { files } = await findFiles(account, input);
  const wanted = { text: options.textField, id: options.idField };
  const { fields, ...estimate } = await takeSample(account, input.bucket, files, wanted);
  const work = { in: { bucket: input.bucket }, out: output, fields, offsets: options.offsets };
  if (before && JSON.stringify([before.input, before.work]) !== JSON.stringify([options.input, work])) {
    throw new BatchError(
      `${placeName(output)} is of another input, or of other fields or offsets; give another --out.`,
    );
  }
  const bytes = before?.partBytes ?? partBytes(files, machine.concurrency);
  const run: Run = {
    input: options.input,
    stateMachine: machine.arn,
    work,
    partBytes: bytes,
    ...estimate,
    executions: before?.executions ?? [],
  };
  const parts = cut(files, bytes);
  await books.write('parts.json', parts);
  return startMissing(account, books, run, parts);
}

/** Starts the parts of a run that have no records: those that failed, and those that a run did not reach. */
export async function retryFailed(account: Account, output: Place): Promise<Started> {
  const books = new Books(account, output);
  const run = await books.runOrFail();
  await refuseRunning(account, run);
  return startMissing(account, books, run, await books.parts());
}

async function refuseRunning(account: Account, run: Run): Promise<void> {
  if ((await currentExecution(account, run)).status !== 'RUNNING') return;
  throw new BatchError(
    `${placeName(run.work.out)} is being written; see \`burst-ner-batch status\`, or cancel it first.`,
  );
}

async function startMissing(account: Account, books: Books, run: Run, parts: Part[]): Promise<Started> {
  const found = await new Output(account, books.output).of(parts);
  const missing = found.filter(({ done }) => !done).map(({ part }) => part);
  if (missing.length === 0) return { execution: undefined, parts: parts.length, missing: 0, run };
  const execution = await execute(account, books, run, missing);
  return { execution, parts: parts.length, missing: missing.length, run };
}

/** Starts some parts. Returns the execution's ARN. */
export async function execute(account: Account, books: Books, run: Run, parts: Part[]): Promise<string> {
  const id = `${new Date().toISOString().replace(/[:.]/g, '-')}-${randomBytes(3).toString('hex')}`;
  const arn = `${run.stateMachine.replace(':stateMachine:', ':execution:')}:${id}`;
  await books.write(`${id}/manifest.json`, parts);
  // Written before it is started, so that there is never one that nobody knows of.
  run.executions.push({ arn, id, parts: parts.length });
  await books.write('run.json', run);
  const input = JSON.stringify({
    manifest: books.key(`${id}/manifest.json`),
    results: books.key(`${id}/results`),
    failed: books.key(`${id}/failed/`),
    work: run.work,
  });
  try {
    await account.states.send(new StartExecutionCommand({ stateMachineArn: run.stateMachine, name: id, input }));
  } catch (error) {
    throw explained(error, run.stateMachine);
  }
  return arn;
}

export async function currentExecution(account: Account, run: Run): Promise<Execution> {
  const none: Execution = { status: 'NOT_STARTED', started: undefined, stopped: undefined, error: undefined };
  const executionArn = run.executions.at(-1)?.arn;
  if (!executionArn) return none;
  try {
    const told = await account.states.send(new DescribeExecutionCommand({ executionArn }));
    const error = told.error && `${told.error}${told.cause ? `: ${told.cause}` : ''}`;
    return { status: told.status ?? 'RUNNING', started: told.startDate, stopped: told.stopDate, error };
  } catch (error) {
    if (error instanceof ExecutionDoesNotExist) return none;
    throw explained(error, executionArn);
  }
}

/** Stops what runs. What is written stays. */
export async function cancel(account: Account, output: Place): Promise<Execution> {
  const run = await new Books(account, output).runOrFail();
  const execution = await currentExecution(account, run);
  const executionArn = run.executions.at(-1)?.arn;
  if (execution.status === 'RUNNING') {
    await account.states.send(new StopExecutionCommand({ executionArn, cause: 'burst-ner-batch cancel' }));
  }
  return execution;
}

export const consoleUrl = (arn: string): string =>
  `https://${regionOf(arn)}.console.aws.amazon.com/states/home?region=${regionOf(arn)}#/v2/executions/details/${arn}`;
