#!/usr/bin/env node
import { accessSync, constants, writeFileSync } from 'node:fs';
import { validateHeaderValue } from 'node:http';
import { dirname } from 'node:path';
import { type Command, InvalidArgumentError, Option, program } from 'commander';
import { runBurst } from './burst.js';
import { formatMs, report } from './report.js';
import { summarise } from './summary.js';
import { runSustained } from './sustained.js';
import { TargetError } from './target-error.js';

const DEFAULT_TEXT = 'Ada Lovelace wrote to Charles Babbage in London on 10 July 1843 about the Analytical Engine.';

interface RunOptions {
  n: number;
  duration?: number;
  connections?: number;
  text: string;
  timeout: number;
  out?: string;
  json?: true;
  yes?: true;
}

/** Measures, prints, and returns the exit code. */
async function run(address: string, options: RunOptions, fail: (sentence: string) => never): Promise<number> {
  const target = URL.canParse(address) ? new URL(address) : fail('url must start with http:// or https://');
  if (!/^https?:$/.test(target.protocol)) fail('url must start with http:// or https://');
  if (target.pathname === '/') fail('url must include the route, e.g. /nlp/ner');
  const apiKey =
    process.env['NER_API_KEY'] || fail('NER_API_KEY is not set; set it to the API key of a Kong consumer.');
  try {
    validateHeaderValue('apikey', apiKey);
  } catch {
    fail('NER_API_KEY holds a character that no header can carry, such as a line break.');
  }
  const { duration, connections = 10, text, timeout: timeoutMs, out } = options;
  if (options.connections && !duration)
    fail('--connections goes with --duration; a burst opens one connection a request.');
  if (duration && timeoutMs < 1000) fail('--duration needs a --timeout of at least 1s.');
  if (!isLoopback(target)) {
    if (!options.yes) fail(`${target.host} is not this machine; add --yes to send load to it.`);
    // Of autocannon 9: it overrides rejectUnauthorized, and would hand the key to whoever answers.
    if (duration && target.protocol === 'https:') {
      fail(
        '--duration runs autocannon, which verifies no certificate; use -n for an https target that is not this machine.',
      );
    }
  }
  if (out) {
    try {
      accessSync(dirname(out), constants.W_OK);
    } catch {
      fail(`Cannot write ${out}; is there such a folder, and may you write to it?`);
    }
  }

  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort());
  const signal = stop.signal;
  const kind = duration ? `${connections} connections for ${formatMs(duration)}` : `one burst of ${options.n}`;
  // Without query or credentials: either may be secret.
  const title = `${kind} to ${target.origin}${target.pathname}`;
  process.stderr.write(`Running; an answer may take up to ${formatMs(timeoutMs)}.\n`);
  const startedAt = new Date().toISOString();

  // Sustained load starts with a burst of one: it verifies what autocannon does not, and tries the key.
  const burst = await runBurst({ url: target, apiKey, text, timeoutMs, signal, n: duration ? 1 : options.n });
  if (burst.samples.some((sample) => sample.status === 401)) {
    fail('The gateway answered 401: it does not know the key in NER_API_KEY. Nothing more was sent.');
  }
  const samples = duration
    ? await runSustained({ url: target, apiKey, text, timeoutMs, signal, connections, durationMs: duration })
    : burst.samples;
  const spreadMs = duration ? null : burst.spreadMs;
  const summary = summarise(samples);

  process.stdout.write(
    options.json
      ? `${JSON.stringify({ title, startedAt, spreadMs, ...summary })}\n`
      : `\n${report(samples, summary, { title, spreadMs })}`,
  );
  if (out) {
    try {
      writeFileSync(out, samples.map((sample) => `${JSON.stringify(sample)}\n`).join(''));
    } catch (error) {
      fail(
        `Cannot write ${out} (${(error as NodeJS.ErrnoException).code}); the samples are lost, the summary above is whole.`,
      );
    }
  }
  if (signal.aborted) return 130;
  return summary.outcomes.ok > 0 ? 0 : 1;
}

function isLoopback({ hostname }: URL): boolean {
  return /^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname);
}

function parseCount(value: string): number {
  if (!/^[1-9]\d{0,4}$/.test(value)) throw new InvalidArgumentError('give a whole number from 1 to 99999.');
  return Number(value);
}

/** Milliseconds of 500ms, 60s, 2m; a bare number is seconds. */
function parseDuration(value: string): number {
  const [, number, unit = 's'] = /^(\d+(?:\.\d+)?)(ms|s|m)?$/.exec(value) ?? [];
  const ms = Number(number) * { ms: 1, s: 1000, m: 60_000 }[unit as 'ms' | 's' | 'm'];
  // setTimeout cannot wait longer than 2 ** 31 - 1 ms.
  if (!(ms > 0 && ms < 2 ** 31)) throw new InvalidArgumentError('give a time such as 500ms, 60s or 2m.');
  return ms;
}

program
  .name('burst-ner-load')
  .description('Bursts at the NER route that tell cold from warm latency, by what each answer says of itself.')
  // Bad input is 2 everywhere; 1 means that nothing succeeded.
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2));

program
  .command('run')
  .description('fire one burst, or with --duration keep connections busy; the key comes from NER_API_KEY')
  .argument('<url>', 'address with its route, e.g. http://localhost:8000/nlp/ner')
  .option('-n <count>', 'requests released at one instant', parseCount, 20)
  .addOption(
    new Option('--duration <time>', 'sustained load in place of a burst, e.g. 30s')
      .argParser(parseDuration)
      .conflicts('n'),
  )
  .option('--connections <count>', 'with --duration: connections at once (default: 10)', parseCount)
  .option('--text <text>', 'the document that every request carries', DEFAULT_TEXT)
  .addOption(
    new Option('--timeout <time>', 'how long an answer may take').argParser(parseDuration).default(60_000, '60s'),
  )
  .option('--out <file>', 'write every sample to this file, one JSON object a line')
  .option('--json', 'print one JSON object in place of the report')
  .option('--yes', 'allow a target that is not this machine')
  .addHelpText('after', '\nExit codes: 0 measured, 1 no request succeeded, 2 could not run, 130 interrupted.')
  .action(async (address: string, options: RunOptions, command: Command) => {
    const fail = (sentence: string): never => command.error(`error: ${sentence}`, { exitCode: 2 });
    try {
      process.exitCode = await run(address, options, fail);
    } catch (error) {
      if (!(error instanceof TargetError)) throw error;
      fail(error.message);
    }
  });

await program.parseAsync();
