import { resolve } from 'node:path';
import { Command, Option } from '@commander-js/extra-typings';
import type { Cold } from '../load/cold.js';
import { crossCheck } from '../load/cross-check.js';
import { isLoopback } from '../load/loopback.js';
import { Requests, readText } from '../load/requests.js';
import { sizeOf } from '../plan/cost.js';
import { forecast } from '../plan/forecast.js';
import { load } from '../report/sentences.js';
import { LEAST_CLUSTERS } from '../statistics/pool.js';
import { parseThreshold } from '../statistics/threshold.js';
import {
  collect,
  fail,
  parseCount,
  parseDuration,
  parseLabel,
  parseRate,
  parseStages,
  parseTarget,
  parseUrl,
  readKey,
} from './arguments.js';
import { presentComparison } from './compare.js';
import { measure, type Order } from './measure.js';
import { refuseUnwritable } from './page.js';
import { present } from './present.js';

const DEFAULT_TEXT = 'Ada Lovelace wrote to Charles Babbage in London on 10 July 1843 about the Analytical Engine.';
const MINUTE = 60_000;

/** Options that go with one kind of load alone, by their names. */
const BURSTS = ['n', 'bursts', 'every', 'cold', 'against'];

const command = () =>
  new Command('run')
    .description('fire bursts, or with --rate or --duration other load; the key comes from NER_API_KEY')
    .argument('<url>', 'address with its route, e.g. http://localhost:8000/nlp/ner', parseTarget('url'))
    .option('-n <count>', 'requests released at one instant', parseCount, 20)
    .option('--bursts <count>', 'how many times', parseCount, 1)
    .option('--every <time>', 'from one release to the next (default: 61s, a window of Kong each)', parseDuration)
    .addOption(
      new Option('--cold <how>', 'make the function cold before each burst')
        .choices(['none', 'idle', 'restart', 'config-bump'] as const)
        .default('none' as const),
    )
    .option(
      '--emulator <url>',
      'with --cold restart: the functionUrl of `burst-ner-emulator up`',
      parseUrl('--emulator'),
    )
    .option('--cold-command <command>', 'with --cold config-bump: a shell command that updates the function')
    .option('--against <url>', "a second target, whose bursts alternate with the first one's", parseTarget('--against'))
    .option('--against-out <file>', 'with --against: where its samples go')
    .addOption(
      new Option('--rate <rate>', 'an open model: so many requests a second, whatever the answers do')
        .argParser(parseRate)
        .conflicts(BURSTS),
    )
    .addOption(
      new Option('--duration <time>', 'with --rate how long (default: 60s); alone: a closed loop of --connections')
        .argParser(parseDuration)
        .conflicts(BURSTS),
    )
    .addOption(
      new Option('--stages <list>', 'an open model whose rate changes: 20@1m,20-100@5m,100@1m')
        .argParser(parseStages)
        .conflicts([...BURSTS, 'rate', 'duration', 'connections']),
    )
    .addOption(
      new Option('--connections <count>', 'with --duration alone: connections at once (default: 10)')
        .argParser(parseCount)
        .conflicts('rate'),
    )
    .option('--out <file>', 'keep every sample, one JSON object a line')
    .option('--html <file>', 'write a report of one HTML file')
    .option('--json', 'print one JSON object in place of the report')
    .option('--fail-if <threshold>', "e.g. 'warm.p95 > 250ms' or 'timeout > 0'; repeatable", collect, [])
    .option(
      '--limit <count>',
      'requests a minute that the gateway lets this key send, for the forecast',
      parseCount,
      100,
    )
    .option('--label <name=value>', 'kept in the file: memory=3072, arch=x86_64, …; repeatable', parseLabel, {})
    .option('--text <text>', 'the document that every request carries', DEFAULT_TEXT)
    .addOption(new Option('--text-file <file>', 'the same, from a UTF-8 file').conflicts('text'))
    .addOption(
      new Option('--requests <file>', 'a body or document of each line (JSON), one after another').conflicts([
        'text',
        'textFile',
      ]),
    )
    .option('--texts <count>', 'with --requests: documents in each request, sent as {"texts"}', parseCount, 1)
    .option('--random <seed>', 'with --requests: in random order, the same of the same seed', parseCount)
    .option('--cross-check', 'the same burst once more by autocannon, and what it says of it')
    .addOption(
      new Option('--timeout <time>', 'how long an answer may take').argParser(parseDuration).default(MINUTE, '60s'),
    )
    .option('--dry-run', 'say what it takes, and send nothing')
    .option('--yes', 'allow a target that is not this machine')
    .addHelpText('after', HELP);
type RunOptions = ReturnType<ReturnType<typeof command>['opts']>;

export const runCommand = () =>
  command().action(async (target, options) => {
    process.exitCode = await run(target, options);
  });

const HELP = `
--cold config-bump runs --cold-command before each burst, and goes on when it ended with 0. On AWS:
  aws lambda update-function-configuration --function-name NAME --description "$(date)" &&
  aws lambda wait function-updated-v2 --function-name NAME &&
  version="$(aws lambda publish-version --function-name NAME --query Version --output text)" &&
  aws lambda wait published-version-active --function-name NAME --qualifier "$version" &&
  aws lambda update-alias --function-name NAME --name live --function-version "$version"
Each burst leaves a version behind; \`aws lambda delete-function --function-name NAME --qualifier VERSION\` deletes one.

Exit codes: 0 measured; 1 a threshold is broken, or no request succeeded; 2 undecided; 3 could not run; 130 interrupted.`;

/** Checks what was asked for, says what it takes, measures, prints, and returns the exit code. */
async function run(target: URL, options: RunOptions): Promise<number> {
  const { against, json, html, failIf, limit, timeout: timeoutMs } = options;
  const order = orderOf(target, options);
  // Before anything is sent.
  const thresholds = failIf.map((text) => parseThreshold(text, against ? 'compare' : 'run'));
  const { n, everyMs, stages, durationMs, cold, sides, labels } = order;
  const all = { n, bursts: order.bursts * sides.length, everyMs, stages, durationMs, cold: cold.by };
  const expected = forecast({ ...all, timeoutMs, limit, ...sizeOf(labels) });
  const said = `${describe(order)}${options.crossCheck && order.mode === 'bursts' ? ', and one more by autocannon' : ''}`;
  if (options.dryRun) {
    process.stdout.write(`${said}\n${expected}Nothing was sent.\n`);
    return 0;
  }
  const apiKey = readKey();
  for (const { url } of sides) {
    if (!isLoopback(url) && !options.yes) fail(`${url.host} is not this machine; add --yes to send load to it.`);
  }
  if (html !== undefined) refuseUnwritable(html, [options.textFile, options.requests, options.out]);
  process.stderr.write(`${said}\n${expected}`);

  const { runs, problem, interrupted } = await measure(order, apiKey, limit);
  const [a, b] = runs;
  if (!a || a.samples.length === 0) {
    if (problem) throw problem;
    process.stderr.write('Stopped; nothing was measured.\n');
    return 130;
  }
  let code = 0;
  // A run that was stopped is no ground for a judgement.
  const whole = !problem && !interrupted;
  if (b) {
    for (const one of json ? [] : runs) await present(one, { failIf: [] });
    if (whole) code = presentComparison(a, b, { failIf: thresholds, json });
  } else {
    const again = { url: target, apiKey, requests: order.requests, timeoutMs };
    const checked = options.crossCheck && whole ? await crossCheck(again, order.mode, n ?? 1) : undefined;
    code = await present(a, { json, html, failIf: whole ? thresholds : [], crossCheck: checked });
  }
  if (problem) throw problem;
  return interrupted ? 130 : code;
}

/** @throws {InputError} for options that do not go together */
function orderOf(target: URL, options: RunOptions): Order {
  const { duration, connections = 10, bursts, cold: by, emulator, against, againstOut, out, html, rate } = options;
  const mode = rate || options.stages ? 'rate' : duration !== undefined ? 'sustained' : 'bursts';
  const files = [out, againstOut, html].flatMap((file) => (file === undefined ? [] : [resolve(file)]));
  const wrong: [unknown, sentence: string][] = [
    [options.connections && mode !== 'sustained', '--connections goes with --duration; other load opens its own.'],
    [!options.requests && (options.texts > 1 || options.random), '--texts and --random go with --requests.'],
    [
      by === 'idle' && !options.every,
      '--cold idle waits --every before each burst: give a time longer than the function keeps an idle environment.',
    ],
    [emulator && by !== 'restart', '--emulator goes with --cold restart.'],
    [emulator && !isLoopback(emulator), '--emulator must be on this machine.'],
    [options.coldCommand !== undefined && by !== 'config-bump', '--cold-command goes with --cold config-bump.'],
    [againstOut && !against, '--against-out goes with --against.'],
    [against && options.crossCheck, '--cross-check goes with one target.'],
    [against && html, '--html goes with one target; make a page of each file with `burst-ner-load report`.'],
    [
      against && by === 'restart',
      '--cold restart would restart one of the two emulators alone; measure each by itself, and `compare` the files.',
    ],
    [
      against && bursts < LEAST_CLUSTERS,
      `--against compares whole bursts, and it takes ${LEAST_CLUSTERS} of each: give --bursts ${LEAST_CLUSTERS} or more.`,
    ],
    [new Set(files).size < files.length, '--out, --against-out and --html must be different files.'],
  ];
  for (const [isWrong, sentence] of wrong) if (isWrong) fail(sentence);
  const asked = {
    cold: coldOf(options),
    requests: requestsOf(options),
    labels: options.label,
    timeoutMs: options.timeout,
  };
  const sides = [{ url: target, out }, ...(against ? [{ url: against, out: againstOut }] : [])];
  if (mode === 'bursts') {
    const many = bursts > 1 || against !== undefined || by === 'idle';
    const everyMs = many ? (options.every ?? 61_000) : null;
    return { ...asked, mode, n: options.n, bursts, everyMs, rate: null, stages: null, durationMs: null, sides };
  }
  const none = { bursts: 0, everyMs: null };
  if (mode === 'sustained') {
    return { ...asked, mode, n: connections, ...none, rate: null, stages: null, durationMs: duration ?? MINUTE, sides };
  }
  const stages = options.stages ?? [{ from: rate ?? 0, to: rate ?? 0, durationMs: duration ?? MINUTE }];
  const durationMs = stages.reduce((sum, stage) => sum + stage.durationMs, 0);
  return { ...asked, mode, n: null, ...none, rate: rate ?? null, stages, durationMs, sides };
}

function coldOf({ cold: by, emulator, coldCommand }: RunOptions): Cold {
  if (by === 'restart') {
    const needs = '--cold restart needs --emulator, the functionUrl that `burst-ner-emulator up` prints.';
    return { by, emulator: emulator ?? fail(needs) };
  }
  if (by === 'config-bump') return { by, command: coldCommand || fail('--cold config-bump needs --cold-command.') };
  return { by };
}

function requestsOf({ text, textFile, requests, texts, random }: RunOptions): Requests {
  if (requests !== undefined) return Requests.read(requests, texts, random);
  const found = textFile === undefined ? text : readText(textFile);
  return found ? Requests.of(found) : fail(`${textFile ?? '--text'} is empty: the function would answer 400.`);
}

/** 20 bursts of 20 every 61 s to http://localhost:8000/nlp/ner, cold by restart. */
function describe(order: Order): string {
  const { cold, sides } = order;
  const targets = sides.map(({ url }) => `${url.origin}${url.pathname}`).join(' and ');
  const by = cold.by === 'none' ? '' : `, cold by ${cold.by}`;
  return `${load(order)} to ${sides.length > 1 ? `each of ${targets}` : targets}${by}`;
}
