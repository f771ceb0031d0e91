// The table of a benchmark, as Markdown and as JSON, and the machine that it is from.
import child_process from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { root } from '../scripts/step.mjs';

/**
 * One line of the table.
 * @typedef {object} Row
 * @property {string} what
 * @property {string} must empty when nothing is demanded
 * @property {string} value with its unit and, of a median, its spread
 * @property {Record<string, string>} [peers] what others reach, by name
 * @property {string} verdict `reached`, `falls short`, `undecided`, `not run`, or empty when nothing is demanded
 */

/** @param {string} part @param {Row[]} rows */
export function json(part, rows) {
  return JSON.stringify({ part, machine: machine(), rows }, undefined, 2);
}

/** @param {string} part with its options @param {Row[]} rows */
export function markdown(part, rows) {
  const cells = rows.map(({ what, must, value, peers = {}, verdict }) => {
    const others = Object.entries(peers).map(([name, figure]) => `${name}: ${figure}`);
    return [what, must, value, others.join('<br>'), verdict];
  });
  const columns = ['what', 'must', 'here', 'peers', 'verdict'];
  const used = columns.map((_, i) => cells.some((row) => row[i] !== ''));
  const line = (/** @type {(string | undefined)[]} */ row) => `| ${row.filter((_, i) => used[i]).join(' | ')} |`;
  const table = [line(columns), line(columns.map(() => '---')), ...cells.map(line)];
  const date = new Date().toISOString().slice(0, 10);
  return `${date}, \`npm run bench -- ${part}\`\\\n${machine()}\n\n${table.join('\n')}`;
}

/**
 * Puts the table into the part's page, between its marks.
 * @param {string} part
 * @param {string} asked the part with its options
 * @param {Row[]} rows
 */
export function write(part, asked, rows) {
  const page = path.join(root, `docs/benchmarks/${part}.md`);
  const begin = `<!-- ${part}: begin -->\n`;
  const end = `<!-- ${part}: end -->\n`;
  const text = fs.readFileSync(page, 'utf8');
  const [head, rest] = text.split(begin);
  const tail = rest?.split(end)[1];
  if (head === undefined || tail === undefined) throw new Error(`docs/benchmarks/${part}.md has no marks`);
  fs.writeFileSync(page, `${head}${begin}\n${markdown(asked, rows)}\n\n${end}${tail}`);
  // Pads the columns, as the linter wants them.
  child_process.execFileSync(path.join(root, 'node_modules/.bin/biome'), ['format', '--write', page]);
}

function machine() {
  const [cpu] = os.cpus();
  return `${os.cpus().length} cores, ${cpu?.model.trim() ?? 'CPU unknown'}, Node ${process.version}, ${os.type()} ${os.release()}`;
}
