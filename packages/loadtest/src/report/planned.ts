import { styleText } from 'node:util';
import { fargateTask, PRICES } from '../plan/cost.js';
import type { PlanOptions, PlanRow } from '../plan/plan.js';
import type { Feed } from '../plan/pools.js';
import type { Estimate } from '../plan/simulate.js';
import { type Agreement, FATES, type Validation } from '../plan/validate.js';
import type { Run } from '../run/run-file.js';
import { formatCount, formatMs, formatRange, formatShare } from './quantity.js';
import { ofThisMachine, title } from './sentences.js';

/** Bursts a day: one every five minutes. With more, environments on demand would not go in between, and cost nothing. */
const STAY_WARM = 288;

/** A plan for the terminal: what users see, what it costs, what it rests on. */
export function planReport(run: Run, feed: Feed, rows: readonly PlanRow[], options: PlanOptions): string {
  const { reserved = 50, limit = 100, burstsPerDay = 24, hoursADay = 8, memoryMb = 2048, arch = 'arm64' } = options;
  const seen = rows.map((row) => [
    ...[...setting(row), formatShare(row.coldShare)],
    ...[row.p50, row.p95, row.p99, row.drainMs].map(formatEstimate),
    ...[range(row.kong429), range(row.lambda429), row.measured ? 'measured' : ''],
  ]);
  const planned = rows.filter(({ measured }) => !measured);
  const scheduled = `${hoursADay} h a day`;
  const paid = planned.map((row) => {
    const { onDemand, provisioned, scheduled, fargate } = row.dollarsAMonth;
    const kept = row.provisioned > 0 ? [provisioned, scheduled].map(dollars) : ['', ''];
    return [...setting(row), dollars(onDemand), ...kept, dollars(fargate), String(row.fargateTasks)];
  });
  const even = planned.map(({ breakEven, avoidedColdStart, ...row }) => [
    ...setting(row),
    ...[breakEven.provisioned, breakEven.scheduled, breakEven.fargate].map(formatBreakEven),
    ...(avoidedColdStart ? [avoidedColdStart.provisioned, avoidedColdStart.scheduled].map(dollars) : ['', '']),
  ]);
  const head = ['n', 'provisioned'];
  return join([
    [
      `From ${feed.cold.n} cold and ${feed.warm.n} warm answers: ${title(run.info)}, ${run.info.startedAt}`,
      `Reserved concurrency ${reserved}, the gateway admits ${limit} a minute, ${formatCount(burstsPerDay)} ${burstsPerDay === 1 ? 'burst' : 'bursts'} a day, ${memoryMb} MB ${arch}`,
    ],
    table([...head, 'cold', 'p50', 'p95', 'p99', 'last answer', 'Kong 429', 'Lambda 429', ''], seen),
    ['Dollars a month', ...table([...head, 'on demand', 'provisioned', scheduled, 'Fargate', 'tasks'], paid)],
    [
      'Cheaper than on demand from so many bursts a day, and what each cold start less costs',
      ...table([...head, 'provisioned', scheduled, 'Fargate', 'cold start less', scheduled], even),
    ],
    planCaveats(run, feed, rows, options),
  ]);
}

/** What a plan takes for granted, a sentence each. */
export function planCaveats(run: Run, feed: Feed, rows: readonly PlanRow[], options: PlanOptions): string[] {
  const { limit = 100, initMs, efsMb, memoryMb = 2048, arch = 'arm64', prices = PRICES } = options;
  const left = { timeouts: 0, unknown: 0 };
  for (const { outcome, start } of run.samples) {
    if (outcome === 'timeout') left.timeouts++;
    if (outcome === 'ok' && start === 'unknown') left.unknown++;
  }
  const { cpu, gb } = fargateTask(memoryMb);
  const open = rows.some((row) => [row.p50, row.p95, row.p99].some(({ upper }) => upper === null));
  return [
    'Percentiles are of the requests that are answered at once, [95 % interval] by how many answers were measured.',
    ...(open ? ['?: too few answers were measured for this end of the interval.'] : []),
    'last answer: refused requests are sent again, no more in flight than environments, no more a minute than the limit; [95 % of bursts].',
    ...(rows.some(({ n }) => n > limit)
      ? [
          `Of more than ${limit} at once Kong admits between ${limit} and all: policy local checks first and counts later. Percentiles, cold and dollars are with all admitted, last answer is with ${limit}.`,
        ]
      : []),
    ...ofThisMachine(run),
    'Between bursts all environments on demand have gone. Latencies are the run’s, whatever n: its own n is the best to plan.',
    ...(initMs === undefined
      ? [
          `${memoryMb} MB changes the price alone; another size or model has other latencies: measure it, or give --init.`,
        ]
      : [`Initialisation is scaled to a median of ${formatMs(initMs)}; beyond 10 s it is cut and done again.`]),
    feed.billedByReport
      ? 'Billed time is what the function’s REPORT lines say.'
      : 'Billed time is taken to be what the gateway waited, which is a little more; --report-log reads the truth.',
    ...(efsMb ? [] : ['Nothing is counted for reading a model from EFS; --efs does it.']),
    `Fargate: so many tasks of ${cpu} vCPU and ${gb} GB that always run, one request at a time each, answer 95 % within p95; no load balancer counted.`,
    `Prices of ${prices.region}, ${prices.date}, ${arch}, without free tier and discounts; --prices replaces them.`,
    ...(left.timeouts > 0 ? [`${left.timeouts} requests of the run timed out: true latencies are longer.`] : []),
    ...(left.unknown > 0 ? [`${left.unknown} answers do not tell cold from warm and are left out.`] : []),
  ];
}

/** What was predicted beside what the emulator measured. */
export function validationReport(validations: readonly (Validation & { agreement: Agreement })[]): string {
  const rows = validations.map(({ row, p50, p95, counts, ownMs, agreement }) => [
    ...setting(row),
    ...[[row.p50, p50] as const, [row.p95, p95] as const].map(([predicted, measured]) => {
      const by = (measured.value ?? Number.NaN) / predicted.value - 1;
      return `${formatMs(predicted.value)} : ${formatMs(measured.value ?? Number.NaN)} (${by < 0 ? '' : '+'}${(100 * by).toFixed(1)} %)`;
    }),
    FATES.filter((fate) => counts[fate].predicted[1] + counts[fate].measured > 0)
      .map((fate) => `${fate} ${range(counts[fate].predicted)} : ${formatCount(counts[fate].measured)}`)
      .join(', '),
    formatMs(ownMs),
    agreement,
  ]);
  return join([
    [
      'Predicted : measured by the emulator',
      ...table(['n', 'provisioned', 'p50', 'p95', 'requests', "emulator's own", ''], rows),
    ],
    [
      'Agrees: the counts are the same, and the interval of what was measured comes within 5 % of what was predicted, and of',
      "the emulator's own time (of the median request), which grows with the requests at once and shrinks with more cores.",
      ...(validations.some(({ agreement }) => agreement === 'undecided')
        ? ['Undecided: p95 takes 72 answers for an interval with both ends; give more --bursts.']
        : []),
    ],
  ]);
}

function setting({ n, provisioned }: Pick<PlanRow, 'n' | 'provisioned'>): string[] {
  return [formatCount(n), formatCount(provisioned)];
}

function formatBreakEven(bursts: number | null): string {
  return bursts === null || bursts > STAY_WARM ? 'never' : formatCount(Math.ceil(bursts));
}

function formatEstimate({ value, lower, upper }: Estimate): string {
  if (lower !== null && upper !== null) return `${formatMs(value)} [${formatRange(lower, upper)}]`;
  return `${formatMs(value)} [${lower === null ? '?' : formatMs(lower)} – ${upper === null ? '?' : formatMs(upper)}]`;
}

function range([least, most]: readonly [number, number]): string {
  return least === most ? formatCount(least) : `${formatCount(least)}–${formatCount(most)}`;
}

function dollars(value: number): string {
  if (value !== 0 && Math.abs(value) < 1) return `${value < 0 ? '-' : ''}$${Math.abs(value).toPrecision(2)}`;
  return value.toLocaleString('en-US', { style: 'currency', currency: 'USD' });
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  return all.map((row, index) => {
    const line = row.map((cell, i) => cell.padStart(widths[i] ?? 0)).join('   ');
    return index === 0 ? styleText('dim', line.trimEnd()) : line.trimEnd();
  });
}

function join(blocks: readonly (readonly string[])[]): string {
  return `${blocks.map((block) => block.join('\n')).join('\n\n')}\n`;
}
