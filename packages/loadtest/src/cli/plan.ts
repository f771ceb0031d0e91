import { statSync } from 'node:fs';
import { Command, Option } from '@commander-js/extra-typings';
import { PRICES, readPrices } from '../plan/cost.js';
import { plan } from '../plan/plan.js';
import { DEFAULTS } from '../plan/rows.js';
import { planReport } from '../report/planned.js';
import { readReportLog } from '../run/report-log.js';
import { type Run, readRun } from '../run/run-file.js';
import { summaryOf } from '../statistics/summary.js';
import { fail, parseCount, parseCounts, parseList, parseMemory, parseUpTo, parseWhole } from './arguments.js';
import { refuseUnwritable, writePage } from './page.js';

const command = () =>
  new Command('plan')
    .description('what bursts of other sizes, with other provisioned environments or memory, would see and cost')
    .argument('[runs...]', 'what `run --out` wrote, with cold and with warm answers between them')
    .option('--n <counts>', 'requests at one instant', parseCounts, [20, 100])
    .option('--provisioned <counts>', 'provisioned environments', parseCounts, [0, 5, 20])
    .option('--reserved <count>', 'reserved concurrency', parseCount, DEFAULTS.reserved)
    .option('--limit <count>', 'requests a minute that the gateway admits', parseCount, DEFAULTS.limit)
    .option('--bursts-per-day <count>', 'for the cost; 0.14 is weekly', parseBursts, DEFAULTS.burstsPerDay)
    .option(
      '--hours-a-day <hours>',
      'of a schedule of provisioned environments; bursts fall into it',
      parseHours,
      DEFAULTS.hoursADay,
    )
    .option('--memory <mb>', 'of the function; several for a curve of cost against speed, e.g. 512,1024', parseSizes)
    .addOption(new Option('--arch <name>', 'its instruction set').choices(['arm64', 'x86_64'] as const))
    .option('--documents <count>', 'how long so many take through the client, and how much', parseDocuments)
    .option('--characters <count>', 'with --documents: of each', parseDocuments, 1500)
    .option(
      '--concurrency <count>',
      "with --documents: the client's requests at once (default: its own, 5)",
      parseCount,
    )
    .option(
      '--efs <mb>',
      'MB that a cold start reads of an EFS file system with elastic throughput',
      parseCount,
      DEFAULTS.efsMb,
    )
    .option('--report-log <file>', "join the REPORT lines of the function's log: what was billed, and the whole init")
    .option('--region <name>', "of the list prices (default: the run's, else us-east-1)")
    .addOption(new Option('--prices <file>', 'prices in place of the list prices').conflicts('region'))
    .option('--print-prices', 'print the list prices, in the form that --prices takes')
    .option('--html <file>', 'write a page of the first run with the plan')
    .option('--json', 'print one JSON object in place of the tables')
    .addHelpText('after', '\nExit codes: 0 planned, 3 no plan can be made of it.');

export const planCommand = () => command().action(main);

async function main(files: string[], options: ReturnType<ReturnType<typeof command>['opts']>): Promise<void> {
  if (options.printPrices) {
    process.stdout.write(`${JSON.stringify(PRICES, undefined, 2)}\n`);
    return;
  }
  if (files.length === 0) fail('Give the file of a run that `burst-ner-load run --out` wrote.');
  const { html, json, reportLog, prices, efs: efsMb, memory: memoryMb, documents, characters, concurrency } = options;
  if (html !== undefined) refuseUnwritable(html, [...files, reportLog, prices]);
  const join = reportLog === undefined ? undefined : await readReportLog(reportLog);
  const runs: Run[] = [];
  for (const file of files) runs.push(await readRun(file, join));
  // Twice the same bursts would pass for twice as many.
  const places = files.map((file) => statSync(file)).map(({ dev, ino }) => `${dev} ${ino}`);
  if (new Set(places).size < files.length) fail('A run is given twice; give each file once.');
  const planned = await plan(runs, {
    ...options,
    memoryMb,
    efsMb,
    prices: prices === undefined ? undefined : readPrices(prices),
    documents: documents === undefined ? undefined : { documents, characters, concurrency },
  });
  process.stdout.write(json ? `${JSON.stringify(planned)}\n` : planReport(planned));
  const [run] = runs as [Run];
  if (html !== undefined) await writePage(html, run, summaryOf(run), planned);
}

const parseHours = parseUpTo(24, 'hours, above 0 and up to 24');
const parseBursts = parseUpTo(86_400, 'bursts a day, such as 24, or 0.14 for one a week');
const parseDocuments = parseWhole(1, 9_999_999, 'a whole number from 1 to 9999999');
const parseSizes = parseList(parseMemory);
