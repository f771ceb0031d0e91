import { Command, InvalidArgumentError, Option } from 'commander';
import { type Arch, PRICES, readPrices } from '../plan/cost.js';
import { type PlanOptions, type PlanRow, plan } from '../plan/plan.js';
import { type Feed, feedOf } from '../plan/pools.js';
import { type Agreement, agreement, loadEmulator, type Validation, validate } from '../plan/validate.js';
import { planCaveats, planReport, validationReport } from '../report/planned.js';
import { readReportLog } from '../run/report-log.js';
import { readRun } from '../run/run-file.js';
import { fail, parseCount, parseCounts, parseDuration, parseMemory } from './arguments.js';

interface Options {
  n: number[];
  provisioned: number[];
  reserved: number;
  limit: number;
  burstsPerDay: number;
  hoursADay: number;
  memory: number;
  arch: Arch;
  init?: number;
  efs?: number;
  reportLog?: string;
  prices?: string;
  printPrices?: true;
  seed: number;
  json?: true;
  validate?: true;
  bursts: number;
  python: string;
}

export function planCommand(): Command {
  return new Command('plan')
    .description('what bursts of other sizes, with other provisioned environments, would see and cost')
    .argument('[run]', 'what `run --out` wrote, with cold and with warm answers')
    .option('--n <counts>', 'requests at one instant', parseCounts, [20, 100])
    .option('--provisioned <counts>', 'provisioned environments', parseCounts, [0, 5, 20])
    .option('--reserved <count>', 'reserved concurrency', parseCount, 50)
    .option('--limit <count>', 'requests a minute that the gateway admits', parseCount, 100)
    .option('--bursts-per-day <count>', 'for the cost', parseCount, 24)
    .option('--hours-a-day <hours>', 'of a schedule of provisioned environments; bursts fall into it', parseHours, 8)
    .option('--memory <mb>', 'memory of the function', parseMemory, 2048)
    .addOption(new Option('--arch <name>', 'its instruction set').choices(['arm64', 'x86_64']).default('arm64'))
    .option('--init <time>', "the median initialisation to plan with, in place of the run's, e.g. 4s", parseDuration)
    .option('--efs <mb>', 'MB that a cold start reads of an EFS file system with elastic throughput', parseCount)
    .option('--report-log <file>', "join the REPORT lines of the function's log: what was billed, and the whole init")
    .option('--prices <file>', 'prices in place of the list prices')
    .option('--print-prices', 'print the list prices, in the form that --prices takes')
    .option('--seed <count>', 'of the simulation', parseCount, 1)
    .option('--json', 'print one JSON object in place of the tables')
    .option('--validate', 'fire the same bursts at packages/emulator, with a function that waits as the run says')
    .option('--bursts <count>', 'with --validate: how many bursts of each', parseCount, 5)
    .option('--python <path>', 'with --validate: an interpreter with awslambdaric', 'packages/service/.venv/bin/python')
    .addHelpText(
      'after',
      '\nExit codes: 0 planned, 1 --validate differs, 2 too few bursts to tell, 3 no plan can be made of it.',
    )
    .action(async (file: string | undefined, options: Options) => {
      process.exitCode = await main(file, options);
    });
}

async function main(file: string | undefined, options: Options): Promise<number> {
  if (options.printPrices) {
    process.stdout.write(`${JSON.stringify(PRICES, undefined, 2)}\n`);
    return 0;
  }
  if (file === undefined) return fail('Give the file of a run that `burst-ner-load run --out` wrote.');
  const join = options.reportLog === undefined ? undefined : await readReportLog(options.reportLog);
  const run = await readRun(file, join && ((sample) => void join(sample)));
  const { n, provisioned, reserved, limit, burstsPerDay, hoursADay, arch, seed, init: initMs, efs: efsMb } = options;
  const planned: PlanOptions = {
    ...{ n, provisioned, reserved, limit, burstsPerDay, hoursADay, arch, seed, memoryMb: options.memory },
    ...(initMs !== undefined && { initMs }),
    ...(efsMb !== undefined && { efsMb }),
    ...(options.prices !== undefined && { prices: readPrices(options.prices) }),
  };
  const rows = plan(run, planned);
  const feed = feedOf(run, initMs);
  if (!options.json) process.stdout.write(planReport(run, feed, rows, planned));
  const validations = options.validate ? await measured(feed, rows, options) : undefined;
  if (options.json) {
    const { date, region } = planned.prices ?? PRICES;
    const caveats = planCaveats(run, feed, rows, planned);
    process.stdout.write(
      `${JSON.stringify({ run: run.info, rows, prices: { date, region }, caveats, ...(validations && { validations }) })}\n`,
    );
  } else if (validations) process.stdout.write(`\n${validationReport(validations)}`);
  const found = validations?.map((validation) => validation.agreement) ?? [];
  return found.includes('differs') ? 1 : found.includes('undecided') ? 2 : 0;
}

async function measured(
  feed: Feed,
  rows: readonly PlanRow[],
  { bursts, python, limit }: Options,
): Promise<(Validation & { agreement: Agreement })[]> {
  const startEmulator = await loadEmulator();
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort());
  try {
    const validations = await validate(
      feed,
      rows.filter((row) => !row.measured),
      {
        ...{ startEmulator, bursts, python, limit, signal: stop.signal },
        onBurst: ({ n, provisioned }, burst) =>
          process.stderr.write(`Validate n ${n}, ${provisioned} provisioned: burst ${burst} of ${bursts} …\n`),
      },
    );
    return validations.map((validation) => ({ ...validation, agreement: agreement(validation) }));
  } catch (error) {
    if (stop.signal.aborted) process.exit(130);
    throw error;
  }
}

/** Above 0, up to 24. */
function parseHours(value: string): number {
  if (!(Number(value) > 0 && Number(value) <= 24)) throw new InvalidArgumentError('give hours, above 0 and up to 24.');
  return Number(value);
}
