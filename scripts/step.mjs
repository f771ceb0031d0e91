// Long steps say what they are doing: one line each, with the time so far.
import child_process from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import url from 'node:url';

/** The checkout's root folder. */
export const root = path.dirname(path.dirname(url.fileURLToPath(import.meta.url)));

/**
 * A path as the user means it: npm runs scripts in the root, and says in INIT_CWD where the user was.
 * @param {string} given
 */
export const userPath = (given) => path.resolve(process.env['INIT_CWD'] ?? '', given);

/** What the user can mend: printed as one sentence, without a stack. */
export class UserError extends Error {}

/**
 * Runs `main` and turns an error into one sentence on stderr and exit code 1.
 * @param {() => Promise<number | void>} main its number, if any, is the exit code
 */
export async function command(main) {
  try {
    process.exitCode = (await main()) ?? 0;
  } catch (error) {
    console.error(error instanceof UserError ? error.message : error);
    process.exitCode = 1;
  }
}

/**
 * The steps at work. On a terminal one line is drawn over and over: each step's seconds, and of one alone its last line.
 * @type {Map<string, { start: number, last: string }>}
 */
const working = new Map();
const terminal = process.stderr.isTTY === true;

/** @param {number} start */
const secondsSince = (start) => `${Math.round((Date.now() - start) / 1000)} s`;

function draw() {
  if (!terminal) return;
  const steps = [...working].map(([title, { start }]) => `${title} … ${secondsSince(start)}`);
  const last = working.size === 1 ? [...working.values()].map((each) => each.last) : [];
  const line = steps.length > 0 ? `  ${[steps.join(', '), ...last].join('  ')}` : '';
  process.stderr.write(`\r\x1b[2K${line.slice(0, (process.stderr.columns || 80) - 1)}`);
}

/** Prints a line above what is drawn. @param {string} line */
export function say(line) {
  process.stderr.write(`${terminal ? '\r\x1b[2K' : ''}  ${line}\n`);
  draw();
}

/**
 * Runs a program to its end and shows that it is still at work: on a terminal its last line and the seconds,
 * elsewhere a line every 15 s.
 * @param {string} title what the step does, in the imperative
 * @param {string} program
 * @param {string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv, explain?: (output: string) => string | undefined }} [options] `explain` turns
 *   the output of a failure into a sentence
 * @throws {UserError} when the program fails or cannot be started; its whole output is in `.cache/setup.log`
 */
export async function step(title, program, args, { cwd = root, env = process.env, explain = () => undefined } = {}) {
  const state = { start: Date.now(), last: '' };
  let output = '';
  const child = child_process.spawn(program, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
  /** @param {Buffer | string} data */
  const keep = (data) => {
    output = (output + data).slice(-100_000);
    state.last =
      output
        .trimEnd()
        .split(/[\r\n]/)
        .at(-1)
        ?.trim() ?? '';
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  working.set(title, state);
  if (terminal) draw();
  else say(`${title} …`);
  const show = () => (terminal ? draw() : say(`${title} … ${secondsSince(state.start)} so far`));
  const timer = setInterval(show, terminal ? 250 : 15_000);
  const code = await new Promise((resolve) => {
    child.on('error', (error) => {
      keep(String(error));
      resolve(1);
    });
    child.on('close', resolve);
  });
  clearInterval(timer);
  working.delete(title);
  say(`${title} ${code === 0 ? 'took' : 'failed after'} ${secondsSince(state.start)}`);
  if (code === 0) return;
  fs.mkdirSync(path.join(root, '.cache'), { recursive: true });
  fs.writeFileSync(path.join(root, '.cache', 'setup.log'), output);
  const last = output.trimEnd().split('\n').slice(-5).join('\n  ');
  throw new UserError(
    explain(output) ?? `${title} failed; the end of its output (all of it is in .cache/setup.log):\n  ${last}`,
  );
}
