import { resolve } from 'node:path';
import { Command, Option } from 'commander';
import type { Cold } from '../load/cold.js';
import { crossCheck, noCrossCheck } from '../load/cross-check.js';
import { isLoopback } from '../load/loopback.js';
import type { Stage } from '../load/rate.js';
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
  refuseUnwritable,
} from './arguments.js';
import { presentComparison } from './compare.js';
import { measure, type Order } from './measure.js';
import { present } from './present.js';

const DEFAULT_TEXT = 'Ada Lovelace wrote to Charles Babbage in London on 10 July 1843 about the Analytical Engine.';
const MINUTE = 60_000;

interface RunOptions {
  n: number;
  bursts: number;
  every?: number;
  rate?: number;
  stages?: Stage[];
  duration?: number;
  connections?: number;
  cold: Cold['by'];
  emulator?: URL;
  coldCommand?: string;
  against?: URL;
  againstOut?: string;
  out?: string;
  html?: string;
  json?: true;
  failIf: string[];
  limit: number;
  label: Record<string, string>;
  text: string;
  textFile?: string;
  requests?: string;
  texts: number;
  random?: number;
  crossCheck?: true;
  timeout: number;
  dryRun?: true;
  yes?: true;
}

/** Options that go with one kind of load alone, by their names in RunOptions. */
const BURSTS = ['n', 'bursts', 'every', 'cold', 'against'];

export function runCommand(): Command {
  return new Command('run')
    .description('fire bursts, or with --rate or --duration other load; the key comes from NER_API_KEY')
    .argument('<url>', 'address with its route, e.g. http://localhost:8000/nlp/ner', parseTarget('url'))
    .option('-n <count>', 'requests released at one instant', parseCount, 20)
    .option('--bursts <count>', 'how many times', parseCount, 1)
    .option('--every <time>', 'from one release to the next (default: 61s, a window of Kong each)', parseDuration)
    .addOption(
      new Option('--cold <how>', 'make the function cold before each burst')
        .choices(['none', 'idle', 'restart', 'config-bump'])
        .default('none'),
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
    .addHelpText('after', HELP)
    .action(async (target: URL, options: RunOptions) => {
      process.exitCode = await run(target, options);
    });
}

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
  if (options.dryRun) {
    process.stdout.write(`${describe(order)}\n${expected}Nothing was sent.\n`);
    return 0;
  }
  const apiKey = readKey();
  for (const { url } of sides) {
    if (!isLoopback(url) && !options.yes) fail(`${url.host} is not this machine; add --yes to send load to it.`);
  }
  if (html !== undefined) refuseUnwritable(html, [options.textFile, options.requests]);
  process.stderr.write(`${describe(order)}\n${expected}`);

  const { runs, problem, interrupted } = await measure(order, apiKey, limit);
  const [a, b] = runs;
  if (!a || a.samples.length === 0) {
    if (problem) throw problem;
    process.stderr.write('Stopped; nothing was measured.\n');
    return 130;
  }
  let code = 0;
  if (b) {
    for (const one of json ? [] : runs) await present(one, { failIf: [] });
    if (!problem && !interrupted) code = presentComparison(a, b, { failIf: thresholds, ...(json && { json }) });
  } else {
    const wanted = { ...(json && { json }), ...(html !== undefined && { html }) };
    const stopped = problem !== undefined || interrupted;
    const { requests } = order;
    const checked =
      options.crossCheck && !stopped
        ? (noCrossCheck(order.mode, target) ?? (await crossCheck({ url: target, apiKey, requests, timeoutMs }, n ?? 1)))
        : undefined;
    // A run that was stopped is no ground for a judgement.
    code = await present(a, { ...wanted, failIf: stopped ? [] : thresholds, ...(checked && { crossCheck: checked }) });
  }
  if (problem) throw problem;
  return interrupted ? 130 : code;
}

/** @throws {InputError} for options that do not go together */
function orderOf(target: URL, options: RunOptions): Order {
  const { duration, connections = 10, bursts, cold: by, against, againstOut, timeout, out, label: labels } = options;
  const { rate = null } = options;
  const mode = rate !== null || options.stages ? 'rate' : duration !== undefined ? 'sustained' : 'bursts';
  const stages = options.stages ?? (rate === null ? null : [{ from: rate, to: rate, durationMs: duration ?? MINUTE }]);
  if (options.connections && mode !== 'sustained')
    fail('--connections goes with --duration; other load opens its own.');
  if (!options.requests && (options.texts > 1 || options.random)) fail('--texts and --random go with --requests.');
  if (by === 'idle' && options.every === undefined) {
    fail(
      '--cold idle waits --every before each burst: give a time longer than the function keeps an idle environment.',
    );
  }
  if (againstOut && !against) fail('--against-out goes with --against.');
  if (against && options.html)
    fail('--html goes with one target; make a page of each file with `burst-ner-load report`.');
  if (against && by === 'restart') {
    fail(
      '--cold restart would restart one of the two emulators alone; measure each by itself, and `compare` the files.',
    );
  }
  if (against && bursts < LEAST_CLUSTERS) {
    fail(
      `--against compares whole bursts, and it takes ${LEAST_CLUSTERS} of each: give --bursts ${LEAST_CLUSTERS} or more.`,
    );
  }
  const files = [out, againstOut, options.html].flatMap((file) => (file === undefined ? [] : [resolve(file)]));
  if (new Set(files).size < files.length) fail('--out, --against-out and --html must be different files.');
  const many = bursts > 1 || against !== undefined || by === 'idle';
  return {
    mode,
    n: mode === 'bursts' ? options.n : mode === 'sustained' ? connections : null,
    bursts: mode === 'bursts' ? bursts : 0,
    everyMs: mode === 'bursts' && many ? (options.every ?? 61_000) : null,
    rate,
    stages,
    durationMs:
      mode === 'bursts' ? null : (stages?.reduce((sum, stage) => sum + stage.durationMs, 0) ?? duration ?? MINUTE),
    cold: coldOf(options),
    requests: requestsOf(options),
    labels,
    timeoutMs: timeout,
    sides: [
      { url: target, ...(out !== undefined && { out }) },
      ...(against ? [{ url: against, ...(againstOut !== undefined && { out: againstOut }) }] : []),
    ],
  };
}

function coldOf({ cold: by, emulator, coldCommand: command }: RunOptions): Cold {
  if (emulator && by !== 'restart') fail('--emulator goes with --cold restart.');
  if (command !== undefined && by !== 'config-bump') fail('--cold-command goes with --cold config-bump.');
  if (by === 'restart') {
    if (!emulator) fail('--cold restart needs --emulator, the functionUrl that `burst-ner-emulator up` prints.');
    if (!isLoopback(emulator)) fail('--emulator must be on this machine.');
    return { by, emulator };
  }
  if (by === 'config-bump') return command ? { by, command } : fail('--cold config-bump needs --cold-command.');
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
