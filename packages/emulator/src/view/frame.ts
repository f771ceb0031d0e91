import type { EnvironmentState } from '../lambda/environment.js';
import { printable } from '../printable.js';
import type { Budget, Picture, Second, Tally } from './tally.js';

/** How a person gets at it. */
export interface Addresses {
  /** What may be seen of the key. */
  key: string;
  /** The page's address, if there is one. */
  page?: string | undefined;
}

/** The terminal it is shown on. */
export interface Size {
  columns: number;
  rows: number;
  colour: boolean;
}

/** SGR codes by what they mean; the colours are of the 256-colour palette, readable on dark and on light. */
const STYLES = {
  plain: '',
  strong: '1',
  quiet: '2',
  cold: '38;5;74',
  busy: '38;5;173',
  warm: '38;5;71',
  bad: '38;5;167',
} as const;

type Style = keyof typeof STYLES;
type Span = readonly [text: string, style?: Style];

// Each state has its own shape, so that no colour is needed to tell them apart.
const SHAPES = { cold: '◌', busy: '●', warm: '○' } as const;
const LEVELS = '▁▂▃▄▅▆▇█';
const LABEL = 13;
const BAR = 16;

/** One frame: as many lines as fit the terminal or fewer, none of them wider than it. */
export function frame(picture: Picture & Addresses, size: Size): string[] {
  const { tally, environments } = picture;
  const top: Span[][] = [
    [
      ['Burst NER emulator', 'strong'],
      [` · ${picture.runtime} · up ${duration(picture.upMs)}`, 'quiet'],
    ],
    [],
    [label('address'), [picture.endpoint]],
    ...(picture.page ? [[label('page'), [picture.page]] satisfies Span[]] : []),
    [label('key'), [picture.key]],
    [],
    budgetLine(tally.budget, picture.now),
    [label('answers'), [`${tally.answers}`, 'strong'], ...refusals(tally), ...lastAnswer(tally)],
    activity(tally.seconds, size.columns),
    [],
    environmentsLine(environments, picture.reserved),
  ];
  const bottom: Span[][] = [[], [['Ctrl-C stops it', 'quiet']]];
  // What is left of the height: environments first, but of a height that allows for both, news keep three lines.
  const room = Math.max(0, size.rows - top.length - bottom.length);
  const table = environmentTable(environments, room < 8 ? room : room - 4);
  const news = tally.news.slice(-Math.max(0, Math.min(8, room - table.length - 1)));
  const told = news.map(({ at, text, times }): Span[] => [
    [`${new Date(at).toTimeString().slice(0, 8)}  `, 'quiet'],
    [times > 1 ? `${text} × ${times}` : text],
  ]);
  const lines = [...top, ...table, ...(told.length > 0 ? [[], ...told] : []), ...bottom];
  return lines.slice(0, size.rows).map((spans) => paint(spans, size));
}

/** How it went, in one line without colours, for after the view has gone. */
export function summary({ answers, coldStarts, limited, throttled, failed, broken }: Tally): string {
  return `${answers} answers, ${coldStarts} cold starts, 429 by Kong ${limited}, 429 by Lambda ${throttled}, failed ${failed}, broken ${broken}`;
}

function budgetLine(budget: Budget | undefined, now: number): Span[] {
  if (!budget) return [label('budget'), ['known after the first request', 'quiet']];
  const { limit, consumer } = budget;
  const resetS = Math.ceil((budget.resetsAt - now) / 1000);
  const left = resetS > 0 ? budget.remaining : limit;
  const full = Math.ceil((left / limit) * BAR);
  return [
    label('budget'),
    ['━'.repeat(full), left <= limit / 5 ? 'busy' : 'warm'],
    ['╌'.repeat(BAR - full), left === 0 ? 'bad' : 'quiet'],
    [`  ${left} of ${limit} left${resetS > 0 ? ` · new in ${resetS} s` : ''} · ${consumer}`],
  ];
}

function refusals({ limited, throttled, failed, broken }: Tally): Span[] {
  const counts = { '429 Kong': limited, '429 Lambda': throttled, '5xx': failed, broken };
  return Object.entries(counts).flatMap(([name, count]): Span[] => [
    [`  ${name} `, 'quiet'],
    [`${count}`, count > 0 ? 'bad' : 'plain'],
  ]);
}

function lastAnswer({ last }: Tally): Span[] {
  if (!last) return [];
  const { status, broken } = last;
  return [
    ['  last ', 'quiet'],
    [status === 0 ? 'none' : `${status}`, status < 400 && !broken ? 'warm' : 'bad'],
    [` in ${ms(last.ms)}`],
  ];
}

/** Answers by second. */
function activity(all: readonly Second[], width: number): Span[] {
  const most = Math.max(...all.map(({ answers }) => answers));
  const peak = most > 0 ? `  peak ${most}/s` : '';
  const seconds = all.slice(-Math.max(1, Math.min(all.length, width - LABEL - peak.length)));
  const bars = seconds.map(({ answers, coldStarts, bad }): Span => {
    if (answers === 0 && coldStarts === 0) return ['▁', 'quiet'];
    const level = LEVELS[Math.ceil((answers / Math.max(most, 1)) * (LEVELS.length - 1))] ?? '▁';
    return [level, bad > 0 ? 'bad' : coldStarts > 0 ? 'cold' : 'warm'];
  });
  return [label('last minute'), ...bars, [peak, 'quiet']];
}

function environmentsLine(environments: readonly EnvironmentState[], reserved: number): Span[] {
  const count = (state: EnvironmentState['state']) => environments.filter((each) => each.state === state).length;
  const states = (['cold', 'busy', 'warm'] as const).flatMap((state): Span[] => [
    [`${SHAPES[state]} ${count(state)} ${state}`, count(state) > 0 ? state : 'quiet'],
    ['   '],
  ]);
  return [label('environments'), ...states, [`at most ${reserved} at once`, 'quiet']];
}

type Column = readonly [title: string, width: number, cell: (environment: EnvironmentState) => string];

const COLUMNS: readonly Column[] = [
  ['', 9, ({ state }) => `${SHAPES[state]} ${state}`],
  ['id', 10, ({ id }) => id.slice(0, 8)],
  ['requests', 10, ({ requests }) => `${requests}`],
  ['age', 11, ({ ageMs }) => duration(ageMs)],
  ['init', 11, ({ initMs }) => (initMs === undefined ? '' : ms(initMs))],
  ['memory', 10, ({ rssMb }) => (rssMb === undefined ? '' : `${rssMb} MB`)],
  ['initialised', 13, ({ initType, ahead }) => initialised(initType, ahead)],
];

function environmentTable(environments: readonly EnvironmentState[], rows: number): Span[][] {
  if (environments.length === 0 || rows < 2) return [];
  const shown = environments.length < rows ? environments : environments.slice(0, rows - 2);
  const more = environments.length - shown.length;
  return [
    COLUMNS.map(([title, width]): Span => [title.padEnd(width), 'quiet']),
    ...shown.map((environment) =>
      COLUMNS.map(
        ([title, width, cell]): Span => [cell(environment).padEnd(width), title ? 'plain' : environment.state],
      ),
    ),
    ...(more > 0 ? [[[`and ${more} more`, 'quiet']] satisfies Span[]] : []),
  ];
}

function initialised(initType: EnvironmentState['initType'], ahead: boolean): string {
  if (initType === 'provisioned-concurrency') return 'provisioned';
  return ahead ? 'proactive' : 'on-demand';
}

function label(name: string): Span {
  return [name.padEnd(LABEL), 'quiet'];
}

/** Every character here takes one column. */
function paint(spans: readonly Span[], { columns, colour }: Size): string {
  let left = columns;
  return spans
    .map(([text, style = 'plain']) => {
      const shown = [...printable(text)].slice(0, left).join('');
      left -= [...shown].length;
      return shown && colour && STYLES[style] ? `\x1b[${STYLES[style]}m${shown}\x1b[0m` : shown;
    })
    .join('')
    .trimEnd();
}

function duration(all: number): string {
  const s = Math.floor(all / 1000);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} m ${pad(s % 60)} s`;
  return `${Math.floor(s / 3600)} h ${pad(Math.floor((s % 3600) / 60))} m`;
}

function ms(value: number): string {
  return value < 10_000 ? `${Math.round(value)} ms` : `${(value / 1000).toFixed(1)} s`;
}

function pad(value: number): string {
  return String(value).padStart(2, '0');
}
