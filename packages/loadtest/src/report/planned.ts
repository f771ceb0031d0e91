import { STAY_WARM } from '../plan/caveats.js';
import type { DocumentsPlan } from '../plan/documents.js';
import type { MemoryRow } from '../plan/memory.js';
import type { Plan, PlanRow } from '../plan/plan.js';
import type { Estimate } from '../plan/simulate.js';
import { formatCount, formatDuration, formatMs, formatRange, formatShare } from './quantity.js';
import { title } from './sentences.js';
import { blocks, table } from './table.js';

/** A plan for the terminal: what users see, what it costs, what it rests on. */
export function planReport({ runs, answers, setting, rows, memory, documents, caveats }: Plan): string {
  const { reserved, limit, burstsPerDay, hoursADay, memoryMb, arch, region } = setting;
  const scheduled = `${Number(hoursADay.toFixed(2))} h a day`;
  const head = ['n', 'provisioned'];
  const seen = rows.map((row) => [
    ...[...place(row), formatShare(row.coldShare)],
    ...[row.p50, row.p95, row.p99, row.drainMs].map(formatEstimate),
    ...[range(row.kong429), range(row.lambda429), row.measured ? 'measured' : ''],
  ]);
  const planned = rows.filter(({ measured }) => !measured);
  const paid = planned.map((row) => {
    const { onDemand, provisioned, scheduled, fargate } = row.dollarsAMonth;
    const kept = row.provisioned > 0 ? [provisioned, scheduled].map(dollars) : ['', ''];
    return [...place(row), dollars(onDemand), ...kept, dollars(fargate), String(row.fargateTasks)];
  });
  const even = planned.map(({ breakEven, avoidedColdStart, ...row }) => [
    ...place(row),
    ...[breakEven.provisioned, breakEven.scheduled, breakEven.fargate].map(formatBreakEven),
    ...(avoidedColdStart ? [avoidedColdStart.provisioned, avoidedColdStart.scheduled].map(dollars) : ['', '']),
  ]);
  return blocks(
    [
      `From ${answers.cold} cold and ${answers.warm} warm answers: ${runs.map((info) => `${title(info)}, ${info.startedAt}`).join('; ')}`,
      `Reserved concurrency ${reserved}, the gateway admits ${limit} a minute, ${formatCount(burstsPerDay)} ${burstsPerDay === 1 ? 'burst' : 'bursts'} a day, ${memoryMb} MB ${arch}, ${region}`,
    ],
    table([[...head, 'cold', 'p50', 'p95', 'p99', 'last answer', 'Kong 429', 'Lambda 429', ''], ...seen]),
    ['Dollars a month', ...table([[...head, 'on demand', 'provisioned', scheduled, 'Fargate', 'tasks'], ...paid])],
    [
      'Cheaper than on demand from so many bursts a day, and what each cold start less costs',
      ...table([[...head, 'provisioned', scheduled, 'Fargate', 'cold start less', scheduled], ...even]),
    ],
    memory.length > 0 ? memoryTable(memory) : [],
    documents ? documentsLines(documents) : [],
    caveats,
  );
}

function memoryTable(memory: readonly MemoryRow[]): string[] {
  const rows = memory.map(({ memoryMb, warm, cold, usd, measured, from }) => [
    formatCount(memoryMb),
    ...[warm, cold].map((found) => (found ? formatEstimate(found) : '')),
    usd === null ? '' : dollars(usd),
    measured ? 'measured' : `predicted from ${formatCount(from)} MB`,
  ]);
  return ['Medians, and a thousand warm answers', ...table([['MB', 'warm', 'cold', 'dollars', ''], ...rows], [4])];
}

export function documentsLines({
  documents,
  characters,
  requests,
  seconds,
  usd,
  limit,
  concurrency,
}: DocumentsPlan): string[] {
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

export function formatEstimate({ value, lower, upper }: Estimate): string {
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
