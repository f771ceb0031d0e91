import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { Command, Option } from 'commander';
import type { Cold } from '../load/cold.js';
import { isLoopback } from '../load/loopback.js';
import type { Arch } from '../plan/cost.js';
import { forecast } from '../plan/forecast.js';
import { load } from '../report/sentences.js';
import { LEAST_BURSTS } from '../statistics/judgement.js';
import { parseThreshold } from '../statistics/threshold.js';
import {
  collect,
  fail,
  parseCount,
  parseDuration,
  parseMemory,
  parseRate,
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
  memory: number;
  arch: Arch;
  text: string;
  textFile?: string;
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
    .option('--memory <mb>', 'memory of the function, for the forecast of its cost', parseMemory, 2048)
    .addOption(new Option('--arch <name>', 'its instruction set').choices(['arm64', 'x86_64']).default('arm64'))
    .option('--text <text>', 'the document that every request carries', DEFAULT_TEXT)
    .addOption(new Option('--text-file <file>', 'the same, from a UTF-8 file').conflicts('text'))
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
  aws lambda update-alias --function-name NAME --name live --function-version \\
    "$(aws lambda publish-version --function-name NAME --query Version --output text)"

Exit codes: 0 measured; 1 a threshold is broken, or no request succeeded; 2 undecided; 3 could not run; 130 interrupted.`;

/** Checks what was asked for, says what it takes, measures, prints, and returns the exit code. */
async function run(target: URL, options: RunOptions): Promise<number> {
  const { against, json, html, failIf, limit, memory: memoryMb, arch, timeout: timeoutMs } = options;
  const order = orderOf(target, options);
  // Before anything is sent.
  const thresholds = failIf.map((text) => parseThreshold(text, against ? 'compare' : 'run'));
  const { n, everyMs, rate, durationMs, cold, sides } = order;
  const all = { n, bursts: order.bursts * sides.length, everyMs, rate, durationMs, idle: cold.by === 'idle' };
  const expected = forecast({ ...all, timeoutMs, limit, memoryMb, arch });
  if (options.dryRun) {
    process.stdout.write(`${describe(order)}\n${expected}Nothing was sent.\n`);
    return 0;
  }
  const apiKey = readKey();
  for (const { url } of sides) {
    if (!isLoopback(url) && !options.yes) fail(`${url.host} is not this machine; add --yes to send load to it.`);
  }
  if (html !== undefined) refuseUnwritable(html, [options.textFile]);
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
    // A run that was stopped is no ground for a judgement.
    code = await present(a, { ...wanted, failIf: problem || interrupted ? [] : thresholds });
  }
  if (problem) throw problem;
  return interrupted ? 130 : code;
}

/** @throws {InputError} for options that do not go together */
function orderOf(target: URL, options: RunOptions): Order {
  const { rate = null, duration, connections = 10, bursts, cold: by, against, againstOut, timeout, out } = options;
  const mode = rate !== null ? 'rate' : duration !== undefined ? 'sustained' : 'bursts';
  if (options.connections && mode !== 'sustained')
    fail('--connections goes with --duration; other load opens its own.');
  if (mode === 'sustained' && timeout < 1000) fail('--duration needs a --timeout of at least 1s.');
  if (mode === 'sustained' && target.protocol === 'https:' && !isLoopback(target)) {
    // Of autocannon 9: it overrides rejectUnauthorized, and would hand the key to whoever answers.
    fail(
      '--duration runs autocannon, which verifies no certificate; use --rate or -n for an https target that is not this machine.',
    );
  }
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
  if (against && bursts < LEAST_BURSTS) {
    fail(
      `--against compares whole bursts, and it takes ${LEAST_BURSTS} of each: give --bursts ${LEAST_BURSTS} or more.`,
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
    durationMs: mode === 'bursts' ? null : (duration ?? MINUTE),
    cold: coldOf(options),
    text: textOf(options),
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

function textOf({ text, textFile }: RunOptions): string {
  const found = textFile === undefined ? text : readText(textFile);
  return found || fail(`${textFile ?? '--text'} is empty: the function would answer 400.`);
}

function readText(file: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(file));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return fail(`Cannot read ${file} (${code === 'ERR_ENCODING_INVALID_ENCODED_DATA' ? 'not UTF-8' : code}).`);
  }
}

/** 20 bursts of 20 every 61 s to http://localhost:8000/nlp/ner, cold by restart. */
function describe(order: Order): string {
  const { cold, sides } = order;
  const targets = sides.map(({ url }) => `${url.origin}${url.pathname}`).join(' and ');
  const by = cold.by === 'none' ? '' : `, cold by ${cold.by}`;
  return `${load(order)} to ${sides.length > 1 ? `each of ${targets}` : targets}${by}`;
}
