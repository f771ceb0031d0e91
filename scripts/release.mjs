// `npm run release [-- --dry-run] [--skip-tests]`: all that is published, made twice from clean clones, tested, audited, listed.
import child_process from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import url from 'node:url';
import util from 'node:util';
import { goCommand } from './go.mjs';
import { environmentOf } from './python.mjs';
import { PACKAGES, versionOf } from './release/artefacts.mjs';
import { billOfPackage, billOfWheel, billOfZip } from './release/bill.mjs';
import { askNpm, askPip } from './release/vulnerabilities.mjs';
import { setUp } from './setup.mjs';
import { command, root, step, UserError } from './step.mjs';

const USAGE = `Usage: npm run release [-- --dry-run] [--skip-tests]
  --dry-run     say what stands in the way of a release, and fail for none of it
  --skip-tests  only those of the packages and wheels, where CI has just run them all`;
const GITLEAKS = '8.30.1';

const NONE = 'not there';
const out = path.join(root, 'dist/release');
/** What stands in the way: a rehearsal lists it, a release fails by it. @type {string[]} */
const obstacles = [];

await command(async () => {
  const { 'dry-run': dryRun, 'skip-tests': skipTests } = read();
  // One commit, also when somebody goes on meanwhile.
  const commit = git('rev-parse', 'HEAD');
  const version = check();
  await setUp({ python: false });
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'burst-ner-release-'));
  try {
    const clone = await build(folder, commit);
    await test(clone, skipTests);
    const tools = await environmentOf(path.join(root, 'scripts/release/requirements.lock'));
    await list(clone, folder, tools);
    await audit(tools);
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
  print(version, skipTests);
  if (obstacles.length === 0) return 0;
  console.log(`\nWhat stands in the way of a release:\n${obstacles.map((each) => `  - ${each}`).join('\n')}`);
  return dryRun ? 0 : 1;
});

function read() {
  const flag = /** @type {const} */ ({ type: 'boolean', default: false });
  try {
    return util.parseArgs({ options: { 'dry-run': flag, 'skip-tests': flag } }).values;
  } catch {
    throw new UserError(USAGE);
  }
}

/** @returns the version */
function check() {
  const [changed] = git('status', '--porcelain').split('\n');
  if (changed) {
    throw new UserError(
      `A release is made of what is committed, and ${changed.slice(3)} is not: commit it, or put it away.`,
    );
  }
  const version = versionOf();
  if (!version) throw new UserError('The packages have different versions: give all of them the same one.');
  if (!changes(version)) obstacles.push(`CHANGELOG.md has no part "## ${version}": rename "## Unreleased".`);
  for (const name of PACKAGES) {
    const { repository } = JSON.parse(fs.readFileSync(path.join(root, `packages/${name}/package.json`), 'utf8'));
    if (!repository) obstacles.push(`packages/${name}/package.json names no repository, which npm's provenance needs.`);
  }
  return version;
}

/**
 * Makes everything in two clones whose paths have different lengths, and compares the bytes.
 * @param {string} folder
 * @param {string} commit
 * @returns {Promise<string>} the first clone
 */
async function build(folder, commit) {
  fs.rmSync(out, { recursive: true, force: true });
  const first = path.join(folder, 'a');
  const again = path.join(folder, 'artefacts');
  await buildIn(first, out, commit);
  await buildIn(path.join(folder, 'the-second-one'), again, commit);
  for (const name of new Set([out, again].flatMap((each) => fs.readdirSync(each)))) {
    const [one, other] = [out, again].map((each) => digest(path.join(each, name)));
    if (one === other) continue;
    if (other !== NONE) fs.copyFileSync(path.join(again, name), path.join(out, `${name}.again`));
    throw new UserError(
      `${name} has other bytes when it is built again: compare it with ${name}.again in dist/release.`,
    );
  }
  return first;
}

/** @param {string} clone @param {string} into @param {string} commit */
async function buildIn(clone, into, commit) {
  await step('Clone', 'git', ['clone', '--quiet', '--no-checkout', root, clone]);
  await step('Check out', 'git', ['checkout', '--quiet', commit], { cwd: clone });
  fs.mkdirSync(into, { recursive: true });
  const module = url.pathToFileURL(path.join(clone, 'scripts/release/artefacts.mjs'));
  const code = `import(${JSON.stringify(module)}).then((it) => it.makeArtefacts(${JSON.stringify(into)}))`;
  await step('Build all', process.execPath, ['-e', code], { cwd: clone });
}

/**
 * The tests of the packages and wheels install each in an empty folder, and hold publint and attw to it.
 * @param {string} clone
 * @param {boolean} skip all others
 */
async function test(clone, skip) {
  if (!skip) return step('Run all tests', 'npm', ['test'], { cwd: clone });
  const bin = (/** @type {string} */ name) => path.join(clone, name);
  await step('Test the packages', bin('node_modules/.bin/vitest'), ['run', 'package.test.ts'], { cwd: clone });
  const cwd = path.join(clone, 'packages/service');
  await step('Test the wheels', path.join(cwd, '.venv/bin/python'), ['-m', 'pytest', '-q', 'tests/test_wheel.py'], {
    cwd,
  });
}

/** Writes the bill of materials of each artefact beside it. @param {string} clone @param {string} folder @param {string} tools */
async function list(clone, folder, tools) {
  // Of a package, which is there after setUp alone.
  const { refusedLicences } = await import('./release/licences.mjs');
  const place = () => fs.mkdtempSync(path.join(folder, 'empty-'));
  /** @type {Record<string, import('./release/bill.mjs').Bill>} */
  const bills = {};
  for (const name of fs.readdirSync(out)) {
    const file = path.join(out, name);
    if (name.endsWith('.tgz')) bills[name] = await billOfPackage(file, place(), clone);
    if (name.endsWith('.zip')) bills[name] = await billOfZip(file, place(), clone, tools);
  }
  bills['burst_ner'] = await billOfWheel(out, place(), clone, tools);
  for (const [name, bill] of Object.entries(bills)) {
    fs.writeFileSync(path.join(out, `${name}.cdx.json`), `${JSON.stringify(bill, null, 2)}\n`);
    obstacles.push(...refusedLicences(bill).map((each) => `${name}: ${each}`));
  }
}

/** Known vulnerabilities, and secrets in the tree and its history. @param {string} tools the interpreter that has pip_audit */
async function audit(tools) {
  const { packageManager } = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8'));
  const locks = git('ls-files', '*requirements*.lock').split('\n');
  for (const { of, found, unasked } of [askNpm(packageManager), ...locks.map((lock) => askPip(lock, tools))]) {
    if (unasked) obstacles.push(`${of}: known vulnerabilities could not be asked: ${unasked}`);
    obstacles.push(...found.map((each) => `${of}: ${each}`));
    if (!unasked && found.length === 0)
      console.log(`${of}: no known vulnerability that is mended and of high severity`);
  }
  const gitleaks = await goCommand('gitleaks', 'github.com/zricethezav/gitleaks/v8', GITLEAKS);
  const { status, stdout, stderr } = child_process.spawnSync(
    gitleaks,
    ['git', '--no-banner', '--no-color', '--redact', '--verbose', '--log-level=error', root],
    { encoding: 'utf8', maxBuffer: 1 << 28 },
  );
  if (status === 0) console.log('No secret in the tree or its history (gitleaks)');
  else obstacles.push(`gitleaks found what may be a secret:\n${stdout}${stderr}`);
}

/** @param {string} version @param {boolean} testsSkipped */
function print(version, testsSkipped) {
  if (testsSkipped) console.log('THE TESTS WERE SKIPPED, but for those of the packages and wheels (--skip-tests)');
  const tag = version.includes('-') ? 'next' : 'latest';
  const where = (/** @type {string} */ name) =>
    name.endsWith('.tgz') ? `npm, ${tag}` : name.endsWith('.whl') ? 'PyPI' : 'nowhere';
  const artefacts = fs.readdirSync(out).filter((name) => !name.endsWith('.json'));
  const sums = artefacts.map((name) => ({ name, sum: digest(path.join(out, name)) }));
  fs.writeFileSync(path.join(out, 'SHA256SUMS'), sums.map(({ name, sum }) => `${sum}  ${name}\n`).join(''));
  const width = Math.max(...artefacts.map((name) => name.length));
  console.log(
    `\nBurst NER ${version}, the same bytes twice, in ${path.relative('', out)}/ with a bill of materials each:`,
  );
  for (const { name, sum } of sums) {
    const bytes = fs.statSync(path.join(out, name)).size.toLocaleString('en');
    console.log(`  ${name.padEnd(width)}  ${bytes.padStart(12)} bytes  ${where(name).padEnd(11)}  ${sum}`);
  }
  console.log(`\n${changes(version) ?? changes('Unreleased') ?? 'CHANGELOG.md says nothing of it.'}`);
  const tarballs = PACKAGES.map((name) => `burst-ner-${name}-${version}.tgz`).join(' ');
  console.log(`
To publish, tag this commit v${version}, and in CI, from that tag:
  for file in ${tarballs}; do npm publish dist/release/$file --provenance --tag ${tag}; done
  twine upload dist/release/*.whl`);
}

/** The part of CHANGELOG.md under a heading. @param {string} heading */
function changes(heading) {
  const parts = fs.readFileSync(path.join(root, 'CHANGELOG.md'), 'utf8').split(/^(?=## )/m);
  return parts.find((part) => part.startsWith(`## ${heading}\n`))?.trim();
}

/** @param {string} file */
function digest(file) {
  return fs.existsSync(file) ? crypto.createHash('sha256').update(fs.readFileSync(file)).digest('hex') : NONE;
}

/** @param {...string} args @throws {UserError} outside a git checkout, or without git */
function git(...args) {
  const { status, stdout, stderr, error } = child_process.spawnSync('git', args, { cwd: root, encoding: 'utf8' });
  if (status === 0) return stdout.trimEnd();
  throw new UserError(
    `A release is made from a git checkout, and git fails here: ${(error?.message ?? stderr).trim()}`,
  );
}
