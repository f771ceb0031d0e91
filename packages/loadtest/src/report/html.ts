import type { Plan } from '../plan/plan.js';
import type { Run } from '../run/run-file.js';
import { STARTS } from '../run/sample.js';
import type { Summary } from '../statistics/summary.js';
import { caveats } from './caveats.js';
import { Markup, markup } from './markup.js';
import { percentileCell } from './percentiles.js';
import { formatCount, formatShare } from './quantity.js';
import { accounting, asked, breakdown, care, distribution, percentileSection, timeline, whatIf } from './sections.js';
import { load, title, verdict } from './sentences.js';
import { STYLE } from './style.js';

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
${accounting(run, summary)}
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
