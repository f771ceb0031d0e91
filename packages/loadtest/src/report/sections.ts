import type { Plan } from '../plan/plan.js';
import type { Estimate } from '../plan/simulate.js';
import type { Run } from '../run/run-file.js';
import { OUTCOMES, type Outcome, STARTS } from '../run/sample.js';
import type { Summary } from '../statistics/summary.js';
import { burstFigure, courseFigure, distributionFigure, LEAST_WORTH } from './figures.js';
import { type Markup, markup } from './markup.js';
import { type Breakdown, KINDS, type Measured, PARTS } from './measured.js';
import { memoryFigure, planFigure } from './plan-figure.js';
import { documentsLines } from './planned.js';
import { formatCount, formatDuration, formatMs, formatRange, formatShare } from './quantity.js';
import { admissions, load, percentiles, plain, spreadOf, throughput } from './sentences.js';

function section(heading: string, ...content: Markup[]): Markup {
  return markup`<section><h2>${heading}</h2>${content}</section>`;
}

function key(items: readonly [colour: string, name: string][]): Markup {
  return markup`<ul class="key">${items.map(
    ([colour, name]) =>
      markup`<li><span class="swatch is-${colour}" style="background:var(--${colour})"></span>${name}</li>`,
  )}</ul>`;
}

export function distribution(summary: Summary, { latencies }: Measured): Markup | string {
  const { latency } = summary;
  const shown = STARTS.filter((start) => latencies[start].length > 0);
  const banded = shown.some((start) => (latency[start]?.p50.worth ?? 0) >= LEAST_WORTH);
  if (shown.length === 0) return '';
  return section(
    'How many answers took how long',
    key(shown.map((start) => [start, `${start}, ${formatCount(latencies[start].length)}`])),
    markup`<figure>${distributionFigure(latencies, summary)}</figure>`,
    markup`<p class="note">A point is the share of a class's answers that took no longer.${banded ? ' With 95 % confidence the target’s whole curve lies in the band (Dvoretzky–Kiefer–Wolfowitz, of as many independent answers as these are worth).' : ''}${latency.all?.censored ? ` Timed out, and not in it, since nobody knows their class: ${formatCount(latency.all.censored)}.` : ''}</p>`,
  );
}

export function percentileSection({ info }: Run, summary: Summary): Markup | string {
  const { names, rows } = percentiles(summary, info.timeoutMs);
  if (names.length === 0) return '';
  const cell = ([value, interval]: [string, string]) =>
    markup`<td>${value || (interval ? '' : '–')}${interval && markup`<small>${interval}</small>`}</td>`;
  return section(
    'Percentiles',
    markup`<table><thead><tr><th></th>${names.map((name) => markup`<th scope="col">${name}</th>`)}</tr></thead><tbody>
${rows.map(({ label, cells }) => markup`<tr><th scope="row">${label}</th>${cells.map(cell)}</tr>`)}
</tbody></table>`,
    markup`<p class="note">Below each its 95 % interval: that of the ranks, of so many independent answers as these are worth, by how much bursts (or blocks of time) differ. With fewer answers than it needs, a percentile would be little else than the slowest one: none is given.</p>`,
  );
}

export function timeline({ info }: Run, { requests }: Measured): Markup | string {
  if (requests.length === 0) return '';
  const bursts = info.mode === 'bursts';
  const { figure, note } = bursts ? burstFigure(requests) : courseFigure(requests);
  const kinds = KINDS.filter((kind) => requests.some((request) => request.kind === kind));
  const what = bursts
    ? 'A line from each request’s release to the last byte of its answer.'
    : 'When each request was due, and how long its answer took.';
  return section(
    bursts ? 'Request by request' : 'In the course of the run',
    key(kinds.map((kind) => [kind, kind])),
    markup`<figure>${figure}</figure><p class="note">${what}${note}</p>`,
  );
}

export function breakdown({ breakdowns }: Measured): Markup | string {
  const parts = PARTS.filter((part) => breakdowns.some((found) => found.parts[part] !== undefined));
  if (parts.length < 2) return '';
  const sum = ({ parts }: Breakdown) => Object.values(parts).reduce((total, ms) => total + ms, 0);
  const longest = Math.max(...breakdowns.map(sum));
  const colour = (part: (typeof PARTS)[number]) => `part-${PARTS.indexOf(part) + 1}`;
  const bar = (found: Breakdown) =>
    parts.map((part) => {
      const ms = found.parts[part] ?? 0;
      return ms === 0
        ? ''
        : markup`<i style="width:${((100 * ms) / longest).toFixed(2)}%;background:var(--${colour(part)})"></i>`;
    });
  return section(
    'Where the time went',
    markup`<div class="bars">${breakdowns.map((found) => markup`<span>${found.start}</span><div class="bar">${bar(found)}</div>`)}</div>
<table><thead><tr><th></th>${breakdowns.map(({ start }) => markup`<th scope="col">${start}</th>`)}</tr></thead><tbody>
${parts.map(
  (part) =>
    markup`<tr><th scope="row"><span class="swatch" style="background:var(--${colour(part)})"></span> ${part}</th>${breakdowns.map(({ parts }) => markup`<td>${parts[part] === undefined ? '–' : formatMs(parts[part])}</td>`)}</tr>`,
)}
<tr class="sum"><th scope="row">whole answer</th>${breakdowns.map(({ totalMs }) => markup`<td>${formatMs(totalMs)}</td>`)}</tr>
</tbody></table>`,
    markup`<p class="note">Medians, each of its own: they do not add up to the median of the whole. Rest: the network, Lambda and all else that no header tells.</p>`,
  );
}

const OUTCOME_NAMES: Record<Outcome, string> = {
  ok: 'succeeded',
  'kong-429': 'refused by Kong’s rate limit (429)',
  'lambda-429': 'refused by Lambda’s concurrency (429)',
  '4xx': 'other answers from 300 to 499',
  '5xx': 'answers of 500 and above',
  timeout: 'timed out',
  'connection-error': 'lost their connection',
  cut: 'cut off at the end of the run',
};

export function accounting(summary: Summary): Markup {
  const { sent, outcomes, statuses } = summary;
  const seen = OUTCOMES.filter((outcome) => outcomes[outcome] > 0);
  const told = Object.entries(statuses).map(([status, n]) => `${status} × ${formatCount(n)}`);
  const admitted = admissions(summary);
  const notes = [
    told.length > 0 && `HTTP status: ${told.join(', ')}`,
    throughput(summary),
    admitted && `A${admitted.slice(1)}`,
  ].filter((note) => typeof note === 'string');
  return section(
    'Accounting',
    markup`<table><tbody>
${seen.map((outcome, i) => markup`<tr><th scope="row">${i === 0 ? '' : '+ '}${OUTCOME_NAMES[outcome]}</th><td>${formatCount(outcomes[outcome])}</td></tr>`)}
<tr class="sum"><th scope="row">= sent</th><td>${formatCount(sent)}</td></tr>
</tbody></table>`,
    ...notes.map((note) => markup`<p class="note">${note}.</p>`),
  );
}

export function whatIf({ rows, memory, documents, caveats }: Plan): Markup {
  const time = ({ value, lower, upper }: Estimate) => {
    const edge = (ms: number | null) => (ms === null ? '?' : formatMs(ms));
    const both = lower !== null && upper !== null;
    return markup`${formatMs(value)}<small>${both ? formatRange(lower, upper) : `${edge(lower)} – ${edge(upper)}`}</small>`;
  };
  const usd = (dollars: number) => `$${dollars.toFixed(dollars < 100 ? 2 : 0)}`;
  const range = ([least, most]: readonly [number, number]) => (least === most ? `${least}` : `${least} – ${most}`);
  const heads = ['burst', 'P', 'p50', 'p95', 'p99', 'all done', 'cold', '429'];
  const money = ['on demand', 'always', 'scheduled', 'Fargate'];
  return section(
    'What if',
    markup`<ul class="key">
<li><span class="swatch round" style="background:var(--ink)"></span>on demand, or with P environments provisioned always</li>
<li><span class="swatch" style="border:1px solid var(--ink)"></span>provisioned by schedule</li>
${rows.some(({ measured }) => measured) ? markup`<li><span class="swatch round" style="border:2px solid var(--refused)"></span>measured</li>` : ''}</ul>
<figure>${planFigure(rows)}</figure>
<div class="scroll" tabindex="0"><table class="small"><thead><tr>${[...heads, ...money].map((head) => markup`<th scope="col">${head}</th>`)}</tr></thead><tbody>
${rows.map(
  (
    row,
  ) => markup`<tr><th scope="row">${row.n}${row.measured ? markup`<small>measured</small>` : ''}</th><td>${row.provisioned}</td>
${[row.p50, row.p95, row.p99, row.drainMs].map((found) => markup`<td>${time(found)}</td>`)}<td>${formatShare(row.coldShare)}</td>
<td>${range([row.kong429[0] + row.lambda429[0], row.kong429[1] + row.lambda429[1]])}</td>
<td>${usd(row.dollarsAMonth.onDemand)}</td><td>${usd(row.dollarsAMonth.provisioned)}</td><td>${usd(row.dollarsAMonth.scheduled)}</td><td>${usd(row.dollarsAMonth.fargate)}<small>${row.fargateTasks} × 24/7</small></td></tr>`,
)}
</tbody></table></div>`,
    ...(memory.length > 0
      ? [
          markup`<figure>${memoryFigure(memory)}</figure><p class="note">Median of a warm answer against dollars a thousand of them, by memory size; hollow: predicted.</p>`,
        ]
      : []),
    ...(documents ? documentsLines(documents).map((line) => markup`<p class="note">${line}.</p>`) : []),
    markup`<ul class="caveats">${caveats.map((line) => markup`<li>${line}</li>`)}</ul>`,
  );
}

const COLD: Record<Run['info']['cold'], string> = {
  none: 'as they were',
  idle: 'left idle before each burst (--cold idle)',
  restart: 'replaced before each burst (--cold restart)',
  'config-bump': 'replaced by a change of configuration before each burst (--cold config-bump)',
};

export function asked({ info, bursts, end }: Run): Markup {
  const spread = spreadOf({ bursts });
  const rows: [string, string][] = [
    ['Target', plain(info.target)],
    ['Load', load(info)],
    ['Started', plain(info.startedAt.replace(/^(\d{4}-\d\d-\d\d)T(\d\d:\d\d):.*Z$/, '$1, $2 UTC'))],
    ['Environments', COLD[info.cold]],
    ['Documents', documentsOf(info)],
    ...Object.entries(info.labels).map(([name, text]): [string, string] => [plain(name), plain(text)]),
    ['Time-out', formatDuration(info.timeoutMs)],
  ];
  if (spread) {
    const most = bursts.length > 1 ? ` (median; at most ${formatMs(spread.most)})` : '';
    rows.push(['First bytes', `of a burst left within ${formatMs(spread.median)}${most}`]);
  }
  if (info.pair) rows.push(['Compared', `side ${info.pair.side.toUpperCase()} of two runs whose bursts alternated`]);
  rows.push(['Ended', end === 'complete' ? 'by itself' : end === 'interrupted' ? 'by Ctrl-C or an error' : 'killed']);
  return section(
    'What was run',
    markup`<dl class="asked">${rows.map(([name, value]) => markup`<dt>${name}</dt><dd>${value}</dd>`)}</dl>`,
  );
}

export function care(caveats: readonly string[]): Markup {
  const items = caveats.map((line) => {
    const [about = '', ...rest] = line.split(': ');
    return markup`<li><strong>${about}</strong>: ${rest.join(': ')}</li>`;
  });
  return section('Read with care', markup`<ul class="caveats" id="caveats">${items}</ul>`);
}

/** 92 characters; or of many, how many and how long. */
function documentsOf({ text: { characters, documents, requests, sha256 } }: Run['info']): string {
  const each = formatCount(Math.round(characters / documents));
  const many =
    documents > 1
      ? `${formatCount(documents)} of ${each} characters on average, in ${formatCount(requests)} requests`
      : `${each} characters`;
  return `${many}, SHA-256 ${plain(sha256).slice(0, 12)}…`;
}
