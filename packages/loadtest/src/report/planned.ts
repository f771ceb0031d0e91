import type { Plan } from '../plan/plan.js';
import { type PlanRow, STAY_WARM } from '../plan/rows.js';
import type { Estimate } from '../plan/simulate.js';
import { formatCount, formatDuration, formatMs, formatRange, formatShare } from './quantity.js';
import { plain, title } from './sentences.js';
import { blocks, type Cell, type Table, tableLines } from './table.js';

/** A plan for the terminal: what users see, what it costs, what it rests on. */
export function planReport(plan: Plan): string {
  return blocks(
    aboutPlan(plan),
    ...planTables(plan).map((table) => tableLines(table)),
    documentsLines(plan),
    plan.caveats,
  );
}

/** What it was planned from, and for. */
export function aboutPlan({ runs, answers, setting }: Plan): string[] {
  const { reserved, limit, burstsPerDay, memoryMb, arch, region } = setting;
  const from = runs.map((info) => `${title(info)}, ${plain(info.startedAt)}`).join('; ');
  const bursts = `${formatCount(burstsPerDay)} ${burstsPerDay === 1 ? 'burst' : 'bursts'} a day`;
  return [
    `From ${answers.cold} cold and ${answers.warm} warm answers: ${from}`,
    `Reserved concurrency ${reserved}, the gateway admits ${limit} a minute, ${bursts}, ${memoryMb} MB ${arch}, ${region}`,
  ];
}

/** What users see, what it costs a month, from where on it is cheaper, and memory sizes where there are several. */
export function planTables({ setting, rows, memory }: Plan): Table[] {
  const scheduled = `${Number(setting.hoursADay.toFixed(2))} h a day`;
  const head = ['n', 'provisioned'];
  const planned = rows.filter(({ measured }) => !measured);
  return [
    {
      head: [...head, 'cold', 'p50', 'p95', 'p99', 'last answer', 'Kong 429', 'Lambda 429', ''],
      rows: rows.map((row) => [
        ...[...place(row), formatShare(row.coldShare), ...[row.p50, row.p95, row.p99, row.drainMs].map(estimate)],
        ...[range(row.kong429), range(row.lambda429), row.measured ? 'measured' : ''],
      ]),
    },
    {
      title: 'Dollars a month',
      head: [...head, 'on demand', 'provisioned', scheduled, 'Fargate', 'tasks'],
      rows: planned.map((row) => {
        const { onDemand, provisioned, scheduled, fargate } = row.dollarsAMonth;
        const kept = row.provisioned > 0 ? [provisioned, scheduled].map(dollars) : ['', ''];
        return [...place(row), dollars(onDemand), ...kept, dollars(fargate), String(row.fargateTasks)];
      }),
    },
    {
      title: 'Cheaper than on demand from so many bursts a day, and what each cold start less costs',
      head: [...head, 'provisioned', scheduled, 'Fargate', 'cold start less', scheduled],
      rows: planned.map(({ breakEven, avoidedColdStart, ...row }) => [
        ...[...place(row), ...[breakEven.provisioned, breakEven.scheduled, breakEven.fargate].map(formatBreakEven)],
        ...(avoidedColdStart ? [avoidedColdStart.provisioned, avoidedColdStart.scheduled].map(dollars) : ['', '']),
      ]),
    },
    {
      title: 'Medians, and a thousand warm answers',
      head: ['MB', 'warm', 'cold', 'dollars', ''],
      rows: memory.map(({ memoryMb, warm, cold, usd, measured, from }) => [
        ...[formatCount(memoryMb), ...[warm, cold].map((found) => (found ? estimate(found) : ''))],
        ...[usd === null ? '' : dollars(usd), measured ? 'measured' : `predicted from ${formatCount(from)} MB`],
      ]),
      words: [4],
    },
  ];
}

export function documentsLines({ documents: found }: Plan): string[] {
  if (!found) return [];
  const { documents, characters, requests, seconds, usd, limit, concurrency } = found;
  const [least, most] = [Math.min(...seconds), Math.max(...seconds)].map((s) => formatDuration(Math.round(s) * 1000));
  return [
    `${formatCount(documents)} documents of ${formatCount(characters)} characters: ${least === most ? least : `${least} to ${most}`}, by the second of the minute at which it starts; ${formatCount(requests)} requests, ${concurrency} at once, ${limit} a minute; ${dollars(usd)}`,
  ];
}

function place({ n, provisioned }: Pick<PlanRow, 'n' | 'provisioned'>): string[] {
  return [formatCount(n), formatCount(provisioned)];
}

function formatBreakEven(bursts: number | null): string {
  return bursts === null || bursts > STAY_WARM ? 'never' : formatCount(Math.ceil(bursts));
}

function estimate({ value, lower, upper }: Estimate): Cell {
  if (lower !== null && upper !== null) return [formatMs(value), formatRange(lower, upper)];
  return [formatMs(value), `${lower === null ? '?' : formatMs(lower)} – ${upper === null ? '?' : formatMs(upper)}`];
}

function range([least, most]: readonly [number, number]): string {
  return least === most ? formatCount(least) : `${formatCount(least)}–${formatCount(most)}`;
}

function dollars(value: number): string {
  if (value !== 0 && Math.abs(value) < 1) return `${value < 0 ? '-' : ''}$${Math.abs(value).toPrecision(2)}`;
  return value.toLocaleString('en-US', { style: 'currency', currency: 'USD' });
}
