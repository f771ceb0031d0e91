import type { Plan } from '../plan/plan.js';
import type { Run } from '../run/run-file.js';
import { STARTS } from '../run/sample.js';
import type { Summary } from '../statistics/summary.js';
import { type Breakdown, breakdowns, PARTS } from './breakdown.js';
import { caveats } from './caveats.js';
import { distributionFigure, KINDS, LEAST_WORTH } from './figures.js';
import { type Content, Markup, markup } from './markup.js';
import { percentileCell, percentiles, stages } from './percentiles.js';
import { memoryFigure, planFigure } from './plan-figure.js';
import { aboutPlan, documentsLines, planTables } from './planned.js';
import { formatCount, formatDuration, formatMs, formatShare } from './quantity.js';
import { counts, load, plain, title, verdict } from './sentences.js';
import { STYLE } from './style.js';
import type { Cell, Table } from './table.js';
import { burstFigure, courseFigure, requestsOf } from './timeline.js';

/**
 * A run as a page: one file that needs no script and no network, light or dark as the reader's system is.
 *
 * @param plan what other settings would do and cost
 */
export function htmlReport(run: Run, summary: Summary, plan?: Plan): string {
  const cautions = caveats(run, summary);
  // The policy holds whatever else might get into the page: nothing is loaded, and nothing runs.
  return markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${pageTitle(run, summary)}</title>
<style>${new Markup(STYLE)}</style>
</head>
<body>
<header>
<p class="soft">${title(run.info)}</p>
<h1>${verdict(run, summary).replace(/(?<=\d) /g, '\u00a0')}</h1>
${keyFigures(run, summary)}
${cautions.length > 0 ? markup`<p class="note"><a href="#caveats">Read with care: ${cautions.length} ${cautions.length === 1 ? 'caveat' : 'caveats'}</a></p>` : ''}
</header>
<main>
${distribution(summary)}
${percentileSection(run, summary)}
${timeline(run)}
${breakdown(run)}
${section('Accounting', list(counts(run, summary)))}
${plan ? whatIf(plan) : ''}
${asked(run)}
${cautions.length > 0 ? care(cautions) : ''}
</main>
</body>
</html>
`.text;
}

function pageTitle({ info }: Run, { latency }: Summary): string {
  const medians = STARTS.flatMap((start) => {
    const found = latency[start];
    return found && found.n > 0 ? [`${start} ${percentileCell(found, 'p50', info.timeoutMs)[0]}`] : [];
  });
  return `${medians.join(', ') || 'nothing succeeded'} · ${load(info)}`;
}

/** What a reader takes away in five seconds. */
function keyFigures({ info }: Run, { latency, sent, outcomes }: Summary): Markup {
  const figures: [label: string, value: string, note: string][] = [];
  for (const start of STARTS) {
    const found = latency[start];
    if (found && found.n > 0) figures.push([`${start}, median`, ...percentileCell(found, 'p50', info.timeoutMs)]);
  }
  if (figures.length > 1 && latency.all) {
    figures.push(['all, 95th percentile', ...percentileCell(latency.all, 'p95', info.timeoutMs)]);
  }
  const [cold, known] = [latency.cold?.n ?? 0, outcomes.ok - (latency.unknown?.n ?? 0)];
  if (cold > 0) {
    figures.push(['cold share', formatShare(cold / known), `${formatCount(cold)} of ${formatCount(known)} answers`]);
  }
  const failed = sent - outcomes.ok;
  if (failed > 0) {
    const share = `${formatShare(failed / sent)} of ${formatCount(sent)} requests`;
    figures.push(['did not succeed', formatCount(failed), share]);
  }
  return markup`<dl class="figures">${figures.map(
    ([label, value, note]) =>
      markup`<div><dt>${label}</dt><dd><strong>${value || '–'}</strong><span class="soft">${note}</span></dd></div>`,
  )}</dl>`;
}

function section(heading: string, ...content: Content[]): Markup {
  return markup`<section><h2>${heading}</h2>${content}</section>`;
}

const note = (text: string) => markup`<p class="note">${text}</p>`;
const list = (lines: readonly string[]) =>
  markup`<ul class="lines">${lines.map((line) => markup`<li>${line}</li>`)}</ul>`;

/** The same table as on the terminal; a wide one scrolls, and one without rows is left out. */
function htmlTable({ title, head, rows, note: about }: HtmlTable): Content {
  if (rows.length === 0) return '';
  const cell = (content: Cell | Markup) => {
    if (typeof content === 'string' || content instanceof Markup) return content || '–';
    const [figure, aside] = content;
    return markup`${figure}${aside && markup`<small>${aside}</small>`}`;
  };
  const wide = head.length > 5;
  const table = markup`<table${wide ? new Markup(' class="small"') : ''}>${title ? markup`<caption>${title}</caption>` : ''}
<thead><tr>${head.map((name) => markup`<th scope="col">${name}</th>`)}</tr></thead><tbody>
${rows.map(([label = '', ...cells]) => markup`<tr><th scope="row">${cell(label)}</th>${cells.map((one) => markup`<td>${cell(one)}</td>`)}</tr>`)}
</tbody></table>`;
  return [wide ? markup`<div class="scroll" tabindex="0">${table}</div>` : table, about ? note(about) : ''];
}

type HtmlTable = Omit<Table, 'rows'> & { rows: readonly (readonly (Cell | Markup)[])[] };

function key(items: readonly [colour: string, name: string][]): Markup {
  return markup`<ul class="key">${items.map(
    ([colour, name]) =>
      markup`<li><span class="swatch is-${colour}" style="background:var(--${colour})"></span>${name}</li>`,
  )}</ul>`;
}

function distribution(summary: Summary): Content {
  const { latency, pools } = summary;
  const shown = STARTS.filter((start) => pools[start].complete.length > 0);
  const banded = shown.some((start) => (latency[start]?.p50.worth ?? 0) >= LEAST_WORTH);
  if (shown.length === 0) return '';
  const band =
    ' With 95 % confidence the target’s whole curve lies in the band (Dvoretzky–Kiefer–Wolfowitz, of as many independent answers as these are worth).';
  const late = latency.all?.censored ?? 0;
  const missing = ` Timed out, and not in it, since nobody knows their class: ${formatCount(late)}.`;
  return section(
    'How many answers took how long',
    key(shown.map((start) => [start, `${start}, ${formatCount(pools[start].complete.length)}`])),
    markup`<figure>${distributionFigure(summary)}</figure>`,
    note(`A point is the share of a class's answers that took no longer.${banded ? band : ''}${late ? missing : ''}`),
  );
}

function percentileSection(run: Run, summary: Summary): Content {
  const table = percentiles(summary, run.info.timeoutMs);
  return table.rows.length > 0 ? section('Percentiles', htmlTable(table), htmlTable(stages(run))) : '';
}

function timeline(run: Run): Content {
  const requests = requestsOf(run);
  if (requests.length === 0) return '';
  const bursts = run.info.mode === 'bursts';
  const { figure, note: more } = bursts ? burstFigure(requests) : courseFigure(requests);
  const kinds = KINDS.filter((kind) => requests.some((request) => request.kind === kind));
  const what = bursts
    ? 'A line from each request’s release to the last byte of its answer.'
    : 'When each request was due, and how long its answer took.';
  return section(
    bursts ? 'Request by request' : 'In the course of the run',
    key(kinds.map((kind) => [kind, kind])),
    markup`<figure>${figure}</figure>`,
    note(`${what}${more}`),
  );
}

function breakdown(run: Run): Content {
  const found = breakdowns(run);
  const parts = PARTS.filter((part) => found.some(({ parts }) => parts[part] !== undefined));
  if (parts.length < 2) return '';
  const sum = ({ parts }: Breakdown) => Object.values(parts).reduce((total, ms) => total + ms, 0);
  const longest = Math.max(...found.map(sum));
  const colour = (part: (typeof PARTS)[number]) => `background:var(--part-${PARTS.indexOf(part) + 1})`;
  const bar = ({ start, parts: told }: Breakdown) =>
    markup`<span>${start}</span><div class="bar">${parts.map((part) => {
      const ms = told[part] ?? 0;
      return ms === 0 ? '' : markup`<i style="width:${((100 * ms) / longest).toFixed(2)}%;${colour(part)}"></i>`;
    })}</div>`;
  const rows = parts.map((part) => [
    markup`<span class="swatch" style="${colour(part)}"></span> ${part}`,
    ...found.map(({ parts }) => (parts[part] === undefined ? '' : formatMs(parts[part]))),
  ]);
  return section(
    'Where the time went',
    markup`<div class="bars">${found.map(bar)}</div>`,
    htmlTable({
      head: ['', ...found.map(({ start }) => start)],
      rows: [...rows, ['whole answer', ...found.map(({ whole }) => formatMs(whole))]],
      note: 'Medians, each of its own: they do not add up to the median of the whole. Rest: the network, Lambda and all else that no header tells.',
    }),
  );
}

function whatIf(plan: Plan): Markup {
  const measured = markup`<li><span class="swatch round" style="border:2px solid var(--refused)"></span>measured</li>`;
  return section(
    'What if',
    list(aboutPlan(plan)),
    markup`<ul class="key">
<li><span class="swatch round" style="background:var(--ink)"></span>on demand, or with provisioned (P) environments always</li>
<li><span class="swatch" style="border:1px solid var(--ink)"></span>provisioned by schedule</li>
${plan.rows.some(({ measured }) => measured) ? measured : ''}</ul>
<figure>${planFigure(plan.rows)}</figure>`,
    plan.memory.length > 0
      ? markup`<figure><figcaption>Median of a warm answer against dollars a thousand of them, by memory size; hollow: predicted</figcaption>${memoryFigure(plan.memory)}</figure>`
      : '',
    ...planTables(plan).map(htmlTable),
    list([...documentsLines(plan), ...plan.caveats]),
  );
}

const COLD: Record<Run['info']['cold'], string> = {
  none: 'as they were',
  idle: 'left idle before each burst (--cold idle)',
  restart: 'replaced before each burst (--cold restart)',
  'config-bump': 'replaced by a change of configuration before each burst (--cold config-bump)',
};

function asked({ info, end }: Run): Markup {
  const rows: [string, string][] = [
    ['Target', plain(info.target)],
    ['Load', load(info)],
    ['Started', plain(info.startedAt.replace(/^(\d{4}-\d\d-\d\d)T(\d\d:\d\d):.*Z$/, '$1, $2 UTC'))],
    ['Environments', COLD[info.cold]],
    ['Documents', documentsOf(info)],
    ...Object.entries(info.labels).map(([name, text]): [string, string] => [plain(name), plain(text)]),
    ['Time-out', formatDuration(info.timeoutMs)],
  ];
  if (info.pair) rows.push(['Compared', `side ${info.pair.side.toUpperCase()} of two runs whose bursts alternated`]);
  rows.push(['Ended', end === 'complete' ? 'by itself' : end === 'interrupted' ? 'by Ctrl-C or an error' : 'killed']);
  return section(
    'What was run',
    markup`<dl class="asked">${rows.map(([name, value]) => markup`<dt>${name}</dt><dd>${value}</dd>`)}</dl>`,
  );
}

function care(caveats: readonly string[]): Markup {
  const items = caveats.map((line) => {
    const [about = '', ...rest] = line.split(': ');
    return markup`<li><strong>${about}</strong>: ${rest.join(': ')}</li>`;
  });
  return section('Read with care', markup`<ul class="lines" id="caveats">${items}</ul>`);
}

/** 92 characters; or of many, how many and how long. */
function documentsOf({ text: { characters, documents, requests, sha256 } }: Run['info']): string {
  const each = formatCount(Math.round(characters / Math.max(1, documents)));
  const many =
    documents > 1
      ? `${formatCount(documents)} of ${each} characters on average, in ${formatCount(requests)} requests`
      : `${each} characters`;
  return `${many}, SHA-256 ${plain(sha256).slice(0, 12)}…`;
}
