// What the pages say is what the programs and Terraform say.
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { root } from '../scripts/step.mjs';

const source = (name: string) => readFileSync(path.join(root, name), 'utf8');

test('the cost table is what the command prints', () => {
  const printed = execFileSync(process.execPath, [path.join(root, 'scripts/cost.mjs')], { encoding: 'utf8' });
  // The formatter pads the columns.
  const bare = (text: string) => text.replaceAll(/[ -]+/g, ' ');
  expect(bare(source('docs/cost.md'))).toContain(bare(printed));
});

test('sums in the decisions are those of the cost table', () => {
  const table = source('docs/cost.md');
  const pages = ['capacity', 'ceiling', 'model-store'].map((name) => source(`docs/decisions/${name}.md`));
  const sums = pages.join().match(/\d+\.\d\d(?= USD a month| USD with the defaults)/g) ?? [];
  expect(sums.length).toBeGreaterThan(4);
  for (const sum of sums) expect(table).toContain(` ${sum} |`);
});

test("infra's page has every variable and every output", () => {
  const page = source('infra/README.md');
  for (const [name, heading] of Object.entries({ variable: 'Variables', output: 'Outputs' })) {
    const [, section = ''] = page.split(`## ${heading}\n`);
    const rows = section.split('\n## ')[0]?.match(/^\| `.*?\|/gm) ?? [];
    const told = rows.flatMap((row) => row.match(/(?<=`)\w+(?=`)/g) ?? []);
    const there = [...source(`infra/${name}s.tf`).matchAll(new RegExp(`^${name} "(\\w+)"`, 'gm'))].map(
      ([, each]) => each,
    );
    expect(told.sort()).toEqual(there.sort());
  }
});

test('the pages have every option of the client and of its command', () => {
  const between = (name: string, from: string, to: string) => source(name).split(from)[1]?.split(to)[0] ?? '';
  const rows = (page: string, from: string, to: string) =>
    between(page, from, to)
      .match(/(?<=^\| `)[\w-]+/gm)
      ?.sort();
  const client = between('packages/client/src/options.ts', 'interface NerClientOptions {', '\n}\n').match(
    /(?<=^ {2})\w+/gm,
  );
  expect(rows('docs/client.md', '## Options', '## Methods')).toEqual(client?.sort());
  const command = between('packages/client/src/cli/main.ts', ".command('extract')", ".command('merge')");
  const flags = command.match(/(?<=')--[a-z-]+/g) ?? [];
  expect(rows('docs/command.md', '## extract', '### Inputs')).toEqual(['--url', ...flags].sort());
});

test('the decisions have an index, with the date of each', () => {
  const pages = readdirSync(path.join(root, 'docs/decisions')).filter((name) => name !== 'README.md');
  const rows = [...source('docs/decisions/README.md').matchAll(/^\| \[.*?\]\(([\w-]+\.md)\).*?\| ([\d-]{10}) /gm)];
  expect(rows.map(([, name]) => name)).toEqual(pages.sort());
  for (const [, name = '', date] of rows) {
    const page = source(`docs/decisions/${name}`);
    // Where each paragraph has a date of its own, the last one.
    const dates = page.match(/(?<=^# .*\n\n)[\d-]{10}/) ?? page.match(/(?<=^\*\*.*\*\* \()[\d-]{10}/gm)?.sort() ?? [];
    expect([name, dates.at(-1)]).toEqual([name, date]);
  }
});

test('each alarm has its line in operations', () => {
  const alarms = source('infra/observability.tf').match(/(?<=^ {6})[a-z-]+(?= += \{$)/gm) ?? [];
  expect(alarms.length).toBeGreaterThan(4);
  const rows = source('docs/operations.md').match(/(?<=^\| `)[a-z-]+(?=` +\| )/gm);
  expect(rows).toEqual(expect.arrayContaining(alarms));
});
