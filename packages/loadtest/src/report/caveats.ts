import { isLoopback } from '../load/loopback.js';
import type { Run } from '../run/run-file.js';
import { OUTCOMES, type Outcome } from '../run/sample.js';
import type { Summary } from '../statistics/summary.js';
import { formatMs, formatShare } from './quantity.js';
import { plain } from './sentences.js';

/** What a person needs to know about the outcomes that are not latency. */
const NOTES: Partial<Record<Outcome, string>> = {
  'kong-429': "kong-429: this key's rate limit; it opens again with the next minute.",
  'lambda-429': "lambda-429: the function's concurrency; waiting for the next minute does not help.",
  timeout: 'timeout: these took longer than the limit; percentiles of all count them as longer than any answer.',
  cut: 'cut: still without an answer when the run ended.',
};

/** More than that between the first and the last request of a burst, ms, and this machine was too slow or too busy. */
const GOOD_SPREAD_MS = { 'http:': 2.5, 'https:': 10 };
/** A request of an open model that leaves later than this, ms, waited for this machine and not for the target. */
const GOOD_DELAY_MS = 10;

/** What the figures do not say by themselves: a line each, of what it is about, a colon, and a sentence. */
export function caveats(run: Run, summary: Summary): string[] {
  const { info } = run;
  const { outcomes, statuses, latency, windows } = summary;
  const { errors, late, warmBefore } = look(run);
  const lines = [...ending(run), ...spread(run)];
  if (info.mode === 'rate' && late > 0.01 * summary.sent) {
    lines.push(`busy machine: ${formatShare(late / summary.sent)} of the requests left over ${GOOD_DELAY_MS} ms late.`);
  }
  if (info.cold !== 'none' && warmBefore > 0) {
    lines.push(
      `not all cold: in spite of --cold ${info.cold}, ${warmBefore} answers are from environments that were warm before their burst.`,
    );
  } else if (info.cold !== 'none' && !latency.cold)
    lines.push(`none cold: in spite of --cold ${info.cold}, no answer was.`);
  if (info.mode === 'sustained') {
    lines.push('closed loop: a slow answer holds back the next request; nobody waits in a queue here.');
  }
  const over = windows.filter(({ admitted, limit }) => admitted > limit);
  for (const { admitted, limit } of over.slice(0, 1)) {
    const more = over.length > 1 ? `, and too many in ${over.length - 1} more` : '';
    lines.push(
      `over-admission: the gateway let ${admitted} through in a minute of ${limit}${more}; requests at one instant pass before they are counted.`,
    );
  }
  if (latency.cold) lines.push(...ofThisMachine(run));
  // The two runs of a pair may share a key.
  if (summary.others > 0 && info.pair === null)
    lines.push(
      `others on the key: ${summary.others} requests in one minute were not of this run, but of an earlier one or of somebody else.`,
    );
  if (latency.unknown && latency.unknown.n > 0) {
    lines.push('unknown: the answer has no x-ner-cold-start header, so nobody can tell.');
  }
  for (const outcome of OUTCOMES) if (outcomes[outcome] > 0 && NOTES[outcome]) lines.push(NOTES[outcome]);
  if (statuses['404']) lines.push('404: no route matches; url must include the route, e.g. /nlp/ner.');
  if (errors.size > 0) lines.push(`connection-error: ${[...errors].map(plain).join(', ')}`);
  return lines;
}

/** What only the samples tell, in one walk through them. */
function look({ info, samples }: Run) {
  const errors = new Set<string>();
  /** In which burst each environment started. */
  const started = new Map<string | null, number>();
  const warm: { instance: string | null; burst: number }[] = [];
  let late = 0;
  for (const sample of samples) {
    const { burst, instance, start, outcome, error } = sample;
    if (sample.sentMs - sample.intendedMs > GOOD_DELAY_MS) late++;
    if (outcome === 'connection-error' && error) errors.add(error);
    if (start === 'cold') started.set(instance, burst);
    if (start === 'warm' && info.cold !== 'none') warm.push({ instance, burst });
  }
  const before = warm.filter(({ instance, burst }) => started.get(instance) !== burst);
  return { errors, late, warmBefore: before.length };
}

/** Of a target on loopback, which shares its cores with what measures it. */
export function ofThisMachine({ info }: Pick<Run, 'info'>): string[] {
  if (!isLoopback(new URL(info.target))) return [];
  return ['this machine: cold starts share its cores and wait for each other here; on Lambda each has its own.'];
}

function ending({ info, bursts, end }: Run): string[] {
  const done = info.mode === 'bursts' ? ` after ${bursts.length} of ${info.bursts} bursts` : '';
  if (end === 'interrupted') {
    return [`interrupted: by Ctrl-C or an error${done}; of what was on its way, the fastest are in the figures.`];
  }
  return end === null ? [`no end: the run was killed${done}; what was on its way is missing.`] : [];
}

function spread({ info, bursts }: Run): string[] {
  const good = GOOD_SPREAD_MS[info.target.startsWith('https:') ? 'https:' : 'http:'];
  const slow = bursts.filter(({ spreadMs }) => spreadMs > good);
  if (slow.length === 0) return [];
  const most = Math.max(...slow.map(({ spreadMs }) => spreadMs));
  const which = info.bursts === 1 ? '' : ` of ${slow.length} of ${bursts.length} bursts`;
  return [
    `busy machine: the requests${which} left over ${slow.length > 1 ? 'up to ' : ''}${formatMs(most)}, not at one instant (${good} ms at most on a quiet one).`,
  ];
}
