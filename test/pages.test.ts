// Every page: not too long, links lead somewhere, commands exist, and every folder is on the map.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { root } from '../scripts/step.mjs';

const read = (name: string) => readFileSync(path.join(root, name), 'utf8');
// Files that git does not know yet count as well: they are about to be committed.
const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
  cwd: root,
  encoding: 'utf8',
})
  .split('\n')
  .filter((name) => name && existsSync(path.join(root, name)));
const pages = files.filter((name) => name.endsWith('.md'));

/** Without blocks of code, in which `#` is a comment and `[…](…)` is no link. */
const prose = (text: string) => text.replaceAll(/^(```+)[^\n]*\n.*?^\1$/gms, '');

/** The anchors of a page's headings, as GitHub makes them. */
function anchors(name: string): string[] {
  return [...prose(read(name)).matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

/** What is wrong with a link of a page; undefined where nothing is. */
function broken(page: string, link: string): string | undefined {
  const [, file = '', anchor] = /^([^#]*)(?:#(.*))?$/.exec(link) ?? [];
  const target = file === '' ? page : path.join(path.dirname(page), decodeURI(file));
  if (!existsSync(path.join(root, target))) return `${page} links to ${link}: there is no ${target}`;
  if (anchor === undefined) return undefined;
  if (!target.endsWith('.md')) return `${page} links to ${link}: only a page has anchors`;
  return anchors(target).includes(anchor) ? undefined : `${page} links to ${link}: ${target} has no such heading`;
}

test('a page is read in one go', () => {
  const lines = (page: string) => read(page).split('\n').length - 1;
  expect(pages.filter((page) => lines(page) > 250).map((page) => `${page}: ${lines(page)} lines`)).toEqual([]);
  expect(pages.filter((page) => !/^# \S/.test(read(page)))).toEqual([]);
});

test('links lead where they say', () => {
  const faults = pages.flatMap((page) => {
    const links = [...prose(read(page)).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = '']) => link);
    return links.filter((link) => !/^[a-z]+:/.test(link)).flatMap((link) => broken(page, link) ?? []);
  });
  expect(faults).toEqual([]);
});

test('commands that a page names are there', () => {
  const { scripts } = JSON.parse(read('package.json'));
  const faults = pages.flatMap((page) => {
    const commands = [...read(page).matchAll(/\bnpm run ([a-z][\w-]*)/g)].filter(([, name = '']) => !(name in scripts));
    const programs = [...read(page).matchAll(/\bnode ((?:scripts|bench)\/[\w./-]+)/g)].filter(
      ([, name = '']) => !existsSync(path.join(root, name)),
    );
    return [...commands, ...programs].map(([command]) => `${page}: ${command}`);
  });
  expect(faults).toEqual([]);
});

test('options that a page gives a command are there', () => {
  const programs: Record<string, string> = {
    'burst-ner': 'packages/client/src/cli/',
    'burst-ner-batch': 'packages/batch/src/cli/',
    'burst-ner-emulator': 'packages/emulator/src/cli.ts',
    'burst-ner-load': 'packages/loadtest/src/cli/',
    'npm run deploy --': 'scripts/deploy.mjs',
  };
  const sources = Object.entries(programs).map(([name, place]) => {
    const text = files.filter((file) => file.startsWith(place)).map(read);
    return [name, new Set(text.join().match(/--[a-z][\w-]+/g))] as const;
  });
  const options = new Map(sources);
  const given = pages.flatMap((page) =>
    [...read(page).matchAll(/\b(burst-ner[a-z-]* (?=[a-z])|npm run deploy -- )([^`\n]+)/g)].flatMap(
      ([, name = '', rest = '']) =>
        [...rest.matchAll(/(?<=^| )--(?!help)[a-z][\w-]+/g)].map(([option]) => ({ page, name: name.trim(), option })),
    ),
  );
  expect(given.length).toBeGreaterThan(50);
  expect(given.filter(({ name, option }) => options.get(name)?.has(option) !== true)).toEqual([]);
});

test('pages speak of the project alone', () => {
  const faults = pages.flatMap((page) => {
    // Numbers of issues are fine where a link or a repository's name says whose they are.
    const bare = read(page).replaceAll(/\[#\d+\]\(https:[^)]*\)|\b[\w-]+\/[\w-]+#\d+/g, '');
    return [...bare.matchAll(/(?<![\w&(])#\d+\b|\bissue \d+|\bsessions?\b/gi)].map(([word]) => `${page}: ${word}`);
  });
  expect(faults).toEqual([]);
});

test('every bench that a page names is there', () => {
  const usage = spawnSync(process.execPath, [path.join(root, 'scripts/bench.mjs')], { encoding: 'utf8' }).stderr;
  const parts = usage.split(/[^\w-]+/);
  const named = pages.flatMap((page) => [...read(page).matchAll(/\bnpm run bench -- ([a-z][\w-]*)/g)]);
  expect(named.length).toBeGreaterThan(20);
  for (const [, part] of named) expect(parts).toContain(part);
});

test('nothing names a place of one machine', () => {
  // Put together here, so that this file does not name them.
  const places = new RegExp(`(?<![\\w.])/(?:${['work', 'root'].join('|')})/|/tmp/${'heavy'}`);
  const texts = files.filter((name) => !/\.(png|lock|tar)$/.test(name) && name !== 'pnpm-lock.yaml');
  expect(texts.filter((name) => places.test(read(name)))).toEqual([]);
});

test('every folder of code is on the map', () => {
  const map = read('docs/architecture.md');
  const folders = [...new Set(files.map((name) => path.dirname(name)))];
  const rooms = folders.filter((name) => /^(packages\/.*|[^/.]+)$/.test(name) && !/(^|\/)tests?(\/|$)/.test(name));
  expect(rooms.length).toBeGreaterThan(20);
  expect(rooms.filter((name) => !new RegExp(`\`${name}/?\``).test(map))).toEqual([]);
});

test('every page can be reached from README', () => {
  const reached = new Set<string>();
  const walk = (page: string) => {
    if (reached.has(page) || !page.endsWith('.md') || !existsSync(path.join(root, page))) return;
    reached.add(page);
    for (const [, link = ''] of prose(read(page)).matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)) {
      const target = path.join(path.dirname(page), link);
      if (!/^[a-z]+:/.test(link)) {
        const there = path.join(root, target);
        walk(existsSync(there) && statSync(there).isDirectory() ? path.join(target, 'README.md') : target);
      }
    }
  };
  walk('README.md');
  expect(pages.filter((page) => !reached.has(page))).toEqual([]);
});
