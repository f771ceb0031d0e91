// What an artefact is made of and brings along, as a bill of materials (CycloneDX): asked of a place where it alone is.
import child_process from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { step, UserError } from '../step.mjs';

const run = promisify(child_process.execFile);

/**
 * @typedef {{ license: { id?: string, name?: string } } | { expression: string }} Licence
 * @typedef {{ type: string, name: string, version?: string, purl?: string, 'bom-ref'?: string, licenses?: Licence[],
 *   externalReferences?: { type: string, url: string }[], components?: Component[] }} Component
 * @typedef {{ metadata: { component: Component, timestamp?: string }, components: Component[], serialNumber?: string,
 *   dependencies: { ref: string, dependsOn?: string[] }[] }} Bill
 */

/**
 * Installs a tarball in an empty folder, runs its command once, and lists what is there then, by npm.
 * @param {string} tarball
 * @param {string} folder empty
 * @param {string} checkout where the tarball was made: knows the packages that it bundles
 * @returns {Promise<Bill>}
 */
export async function billOfPackage(tarball, folder, checkout) {
  fs.writeFileSync(path.join(folder, 'package.json'), '{"name":"empty","version":"0.0.0","private":true}');
  const options = ['--ignore-scripts', '--no-audit', '--no-fund'];
  await step(`Install ${path.basename(tarball)}`, 'npm', ['install', ...options, tarball], { cwd: folder });
  const own = Object.keys(JSON.parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8')).dependencies)[0] ?? '';
  const installed = path.join(folder, 'node_modules', own);
  const { bin } = JSON.parse(fs.readFileSync(path.join(installed, 'package.json'), 'utf8'));
  for (const name of Object.keys(bin)) {
    const { stdout } = await run(path.join(folder, 'node_modules/.bin', name), ['--help']);
    if (!stdout.startsWith(`Usage: ${name}`)) throw new UserError(`${name} --help of ${tarball} prints no usage.`);
  }
  const { stdout } = await run('npm', ['sbom', '--sbom-format=cyclonedx'], { cwd: folder, maxBuffer: 1 << 26 });
  /** @type {Bill} */
  const bill = JSON.parse(stdout);
  const empty = bill.metadata.component['bom-ref'];
  const component = bill.components.find(({ name }) => name === own);
  if (!component) throw new Error(`npm sbom does not list ${own}`);
  component.components = bundledIn(installed, checkout);
  bill.metadata.component = component;
  bill.components = bill.components.filter((other) => other !== component);
  bill.dependencies = bill.dependencies.filter(({ ref }) => ref !== empty);
  for (const each of [component, ...bill.components]) {
    // Where this machine got it from; what it is, is told by its name, version and hash.
    each.externalReferences = (each.externalReferences ?? []).filter(({ type }) => type !== 'distribution');
  }
  return settled(bill);
}

/**
 * The packages whose code is in the build, as the bundler notes them. Each has its text in dist/LICENSES.txt.
 * @param {string} installed
 * @param {string} checkout
 * @returns {Component[]}
 */
function bundledIn(installed, checkout) {
  const dist = path.join(installed, 'dist');
  const names = new Set();
  for (const file of fs.readdirSync(dist, { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('.js')) continue;
    const code = fs.readFileSync(path.join(dist, file), 'utf8');
    for (const [, name] of code.matchAll(/^ *\/\/ .*node_modules\/((?:@[\w-]+\/)?[\w.-]+)\//gm)) names.add(name);
  }
  const texts = path.join(dist, 'LICENSES.txt');
  const told = fs.existsSync(texts) ? fs.readFileSync(texts, 'utf8') : '';
  return [...names].sort().map((name) => {
    const { version, license } = JSON.parse(
      fs.readFileSync(path.join(checkout, 'node_modules', name, 'package.json'), 'utf8'),
    );
    if (!told.includes(`${name} ${version}\n`))
      throw new UserError(`dist/LICENSES.txt has no text of ${name} ${version}.`);
    const purl = `pkg:npm/${name.replace('@', '%40')}@${version}`;
    return { type: 'library', name, version, purl, 'bom-ref': purl, licenses: [{ expression: license }] };
  });
}

/**
 * Installs the wheel for this machine in an environment with nothing else, runs its command once, and lists what is there.
 * @param {string} wheels the folder that it is in
 * @param {string} folder empty
 * @param {string} checkout
 * @param {string} tools the interpreter that has cyclonedx_py
 * @returns {Promise<Bill>}
 */
export async function billOfWheel(wheels, folder, checkout, tools) {
  const python = await emptyPython(folder, tools);
  const options = ['--no-index', '--find-links', wheels, '--disable-pip-version-check', 'burst-ner'];
  await step('Install the wheel', tools, ['-m', 'pip', '--python', python, 'install', ...options], { cwd: folder });
  await run(python, ['-I', '-m', 'burst_ner_model', '--help']);
  return billOfPython(python, checkout, tools);
}

/**
 * Unpacks a zip that Lambda runs, and lists the packages and the model in it.
 * @param {string} zip
 * @param {string} folder empty
 * @param {string} checkout
 * @param {string} tools the interpreter that has cyclonedx_py
 * @returns {Promise<Bill>}
 */
export async function billOfZip(zip, folder, checkout, tools) {
  const python = await emptyPython(folder, tools);
  const code = 'import sysconfig; print(sysconfig.get_path("purelib"))';
  const task = (await run(python, ['-I', '-c', code])).stdout.trim();
  await run(tools, ['-m', 'zipfile', '-e', zip, task]);
  const bill = await billOfPython(python, checkout, tools);
  const model = path.join(task, 'model');
  const { name, version, license } = JSON.parse(fs.readFileSync(path.join(model, 'manifest.json'), 'utf8'));
  const purl = `pkg:generic/${name}@${version}`;
  bill.components.push({ type: 'data', name, version, purl, 'bom-ref': purl, licenses: [{ expression: license }] });
  const silent = fs
    .readdirSync(task)
    .filter((each) => /\.dist-info$|^model$|^burst_ner$/.test(each))
    .filter((each) => !licenceIn(path.join(task, each)));
  if (silent.length > 0)
    throw new UserError(`${path.basename(zip)} has no text of the licence of ${silent.join(', ')}.`);
  return bill;
}

/** @param {string} folder */
const licenceIn = (folder) =>
  fs
    .readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .some((name) => /^(licen[cs]e|copying|notice)/i.test(path.basename(name)));

/** @param {string} folder @param {string} tools */
async function emptyPython(folder, tools) {
  await run(tools, ['-m', 'venv', '--without-pip', folder]);
  return path.join(folder, 'bin/python');
}

/** @param {string} python @param {string} checkout @param {string} tools @returns {Promise<Bill>} */
async function billOfPython(python, checkout, tools) {
  const project = ['--pyproject', path.join(checkout, 'packages/service/pyproject.toml'), '--mc-type', 'library'];
  const args = ['-m', 'cyclonedx_py', 'environment', ...project, '--output-reproducible', python];
  const { stdout } = await run(tools, args, { maxBuffer: 1 << 26 });
  const bill = settled(JSON.parse(stdout));
  const lock = fs.readFileSync(path.join(checkout, 'packages/service/requirements-engine.lock'), 'utf8');
  const version = /^ziglang==(\S+)/m.exec(lock)?.[1] ?? '';
  // Parts of its runtime are in the engine's library.
  const zig = { type: 'library', name: 'zig compiler_rt', version, purl: `pkg:pypi/ziglang@${version}` };
  bill.components.push({ ...zig, 'bom-ref': zig.purl, licenses: [{ expression: 'MIT' }] });
  return bill;
}

/** The same bill for the same content: without a time and a number by chance. @param {Bill} bill */
function settled(bill) {
  delete bill.metadata.timestamp;
  delete bill.serialNumber;
  bill.components ??= [];
  return bill;
}
