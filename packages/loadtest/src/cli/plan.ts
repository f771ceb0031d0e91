import { Command, InvalidArgumentError, Option } from 'commander';
import { type Arch, PRICES, readPrices } from '../plan/cost.js';
import { type PlanOptions, plan } from '../plan/plan.js';
import { planReport } from '../report/planned.js';
import { readReportLog } from '../run/report-log.js';
import { type Run, readRun } from '../run/run-file.js';
import { fail, parseCount, parseCounts, parseMemory, refuseUnwritable } from './arguments.js';
import { writePage } from './present.js';

interface Options extends Pick<PlanOptions, 'n' | 'provisioned' | 'arch' | 'region'> {
  reserved: number;
  limit: number;
  burstsPerDay: number;
  hoursADay: number;
  memory?: number[];
  efs?: number;
  documents?: number;
  characters: number;
  concurrency?: number;
  reportLog?: string;
  prices?: string;
  printPrices?: true;
  html?: string;
  json?: true;
}

export function planCommand(): Command {
  return new Command('plan')
    .description('what bursts of other sizes, with other provisioned environments or memory, would see and cost')
    .argument('[runs...]', 'what `run --out` wrote, with cold and with warm answers between them')
    .option('--n <counts>', 'requests at one instant', parseCounts, [20, 100])
    .option('--provisioned <counts>', 'provisioned environments', parseCounts, [0, 5, 20])
    .option('--reserved <count>', 'reserved concurrency', parseCount, 50)
    .option('--limit <count>', 'requests a minute that the gateway admits', parseCount, 100)
    .option('--bursts-per-day <count>', 'for the cost; 0.14 is weekly', parseBursts, 24)
    .option('--hours-a-day <hours>', 'of a schedule of provisioned environments; bursts fall into it', parseHours, 8)
    .option('--memory <mb>', 'of the function; several for a curve of cost against speed, e.g. 512,1024', parseSizes)
    .addOption(new Option('--arch <name>', 'its instruction set').choices(['arm64', 'x86_64'] satisfies Arch[]))
    .option('--documents <count>', 'how long so many take through the client, and how much', parseDocuments)
    .option('--characters <count>', 'with --documents: of each', parseDocuments, 1500)
    .option(
      '--concurrency <count>',
      "with --documents: the client's requests at once (default: its own, 5)",
      parseCount,
    )
    .option('--efs <mb>', 'MB that a cold start reads of an EFS file system with elastic throughput', parseCount)
    .option('--report-log <file>', "join the REPORT lines of the function's log: what was billed, and the whole init")
    .option('--region <name>', "of the list prices (default: the run's, else us-east-1)")
    .option('--prices <file>', 'prices in place of the list prices')
    .option('--print-prices', 'print the list prices, in the form that --prices takes')
    .option('--html <file>', 'write a page of the first run with the plan')
    .option('--json', 'print one JSON object in place of the tables')
    .addHelpText('after', '\nExit codes: 0 planned, 3 no plan can be made of it.')
    .action(async (files: string[], options: Options) => {
      process.exitCode = await main(files, options);
    });
}

async function main(files: string[], options: Options): Promise<number> {
  if (options.printPrices) {
    process.stdout.write(`${JSON.stringify(PRICES, undefined, 2)}\n`);
    return 0;
  }
  if (files.length === 0) return fail('Give the file of a run that `burst-ner-load run --out` wrote.');
  const { html, json, reportLog, prices, efs: efsMb, memory: memoryMb, documents, characters, concurrency } = options;
  if (html !== undefined) refuseUnwritable(html, [...files, reportLog, prices]);
  const join = reportLog === undefined ? undefined : await readReportLog(reportLog);
  const runs: Run[] = [];
  for (const file of files) runs.push(await readRun(file, join && ((sample) => void join(sample))));
  const { n, provisioned, reserved, limit, burstsPerDay, hoursADay, arch, region } = options;
  const planned = await plan(runs, {
    ...{ n, provisioned, reserved, limit, burstsPerDay, hoursADay },
    ...(memoryMb && { memoryMb }),
    ...(arch && { arch }),
    ...(region !== undefined && { region }),
    ...(efsMb !== undefined && { efsMb }),
    ...(prices !== undefined && { prices: readPrices(prices) }),
    ...(documents !== undefined && { documents: { documents, characters, ...(concurrency && { concurrency }) } }),
  });
  process.stdout.write(json ? `${JSON.stringify(planned)}\n` : planReport(planned));
  if (html !== undefined) await writePage(html, runs[0] as Run, planned);
  return 0;
}

const parseBetween = (most: number, what: string) => (value: string) => {
  if (!(Number(value) > 0 && Number(value) <= most)) throw new InvalidArgumentError(`give ${what}.`);
  return Number(value);
};
const parseHours = parseBetween(24, 'hours, above 0 and up to 24');
const parseBursts = parseBetween(86_400, 'bursts a day, such as 24, or 0.14 for one a week');

function parseDocuments(value: string): number {
  if (!/^[1-9]\d{0,6}$/.test(value)) throw new InvalidArgumentError('give a whole number from 1 to 9999999.');
  return Number(value);
}

const parseSizes = (value: string) => value.split(',').map(parseMemory);
