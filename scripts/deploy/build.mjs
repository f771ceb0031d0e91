// What goes up: the prepared model, its archive, the function's zip, the provisioner's zip.
import child_process from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { describeModel, prepareModel } from '../model.mjs';
import { python } from '../python.mjs';
import { root, step, UserError, userPath } from '../step.mjs';
import { build } from './terraform.mjs';

const service = path.join(root, 'packages/service');
const archive = path.join(import.meta.dirname, 'archive.py');
/** @param {string} output */
const last = (output) => output.trim().split('\n').at(-1)?.replace('--from WHEEL', '--model WHEEL');

/**
 * @typedef {{ folder: string, name: string, onSpacy: boolean }} Model `onSpacy`: the engine cannot run it
 */

/**
 * The prepared model, every file of it checked, and the name of its folder on AWS. The name ends with the model's digest:
 * other bytes have another name.
 * @param {string} wanted a name of models.json, a folder, a wheel, or an installed package
 * @returns {Promise<Model>}
 * @throws {UserError} when there is no such model, it cannot be prepared, or is damaged
 */
export async function buildModel(wanted) {
  const folder = await prepared(wanted);
  const options = { cwd: service, explain: last };
  await step('Check the model', python, ['-m', 'burst_ner_model', 'verify', folder], options);
  const text = fs.readFileSync(path.join(folder, 'manifest.json'));
  const { name, version, vectors, runs_on } = JSON.parse(text.toString());
  const digest = crypto.createHash('sha256').update(text).digest('hex').slice(0, 8);
  const parts = [`${name}-${version}`, vectors?.type, digest];
  return { folder, name: parts.filter(Boolean).join('-'), onSpacy: runs_on === 'spacy' };
}

/** @param {string} wanted */
async function prepared(wanted) {
  const known = JSON.parse(fs.readFileSync(path.join(service, 'burst_ner_model/models.json'), 'utf8'))[wanted];
  const wheel = wanted.endsWith('.whl') ? userPath(wanted) : undefined;
  if (!wheel && !known) {
    const model = describeModel(wanted);
    const folder = await prepareModel(model);
    if (fs.existsSync(path.join(folder, 'manifest.json'))) return folder;
    throw new UserError('Only a prepared model is deployed: give a pipeline that can be prepared.');
  }
  if (wheel && !fs.existsSync(wheel))
    throw new UserError(`There is no file ${wheel}; --model takes a pipeline's wheel.`);
  const out = path.join(root, '.cache/models', key(wheel ? fs.readFileSync(wheel) : JSON.stringify(known)));
  if (fs.existsSync(out)) return out;
  fs.mkdirSync(path.dirname(out), { recursive: true });
  const build = ['-m', 'burst_ner_model', 'build', wheel ?? wanted, out];
  await step(`Fetch and prepare ${wanted}`, python, build, { cwd: service, explain: last });
  return out;
}

/** Of what decides a prepared model: the wheel, and the code and the packages that prepare it. @param {string | Buffer} wheel */
function key(wheel) {
  const hash = crypto.createHash('sha256').update(wheel);
  hash.update(fs.readFileSync(path.join(service, 'requirements.lock')));
  for (const folder of ['burst_ner', 'burst_ner_model']) {
    for (const name of fs.readdirSync(path.join(service, folder)).sort()) {
      if (name.endsWith('.py')) hash.update(fs.readFileSync(path.join(service, folder, name)));
    }
  }
  return hash.digest('hex').slice(0, 16);
}

/**
 * Names a file by its bytes, so that what was applied stays as it was, whatever is built next.
 * @param {string} name
 * @param {(out: string) => Promise<void> | void} pack writes it
 * @returns {Promise<string>} its path as Terraform sees it, the same on every machine
 */
async function packed(name, pack) {
  const fresh = path.join(build, name);
  await pack(fresh);
  const digest = crypto.createHash('sha256').update(fs.readFileSync(fresh)).digest('hex').slice(0, 12);
  const { name: stem, ext } = path.parse(name);
  fs.renameSync(fresh, path.join(build, `${stem}-${digest}${ext}`));
  return `build/${stem}-${digest}${ext}`;
}

/** @param {string} folder a prepared model */
export const packModel = (folder) =>
  packed('model.tar', (out) => step('Pack the model', python, [archive, 'tar', folder, out], { explain: last }));

export const packProvisioner = () =>
  packed('provisioner.zip', (out) => {
    const args = [archive, 'zip', path.join(root, 'infra/provisioner/provision.py'), out];
    return step('Pack the provisioner', python, args, { explain: last });
  });

/**
 * @param {{ architecture: string, runtime: string }} target as Lambda names them
 * @param {Model} model
 * @param {boolean} inside whether the model goes into the zip; spaCy does where the model needs it
 * @throws {UserError} for example when it is too large for Lambda
 */
export const packFunction = ({ architecture, runtime }, model, inside) =>
  packed('function.zip', (out) => {
    const args = ['-m', 'tools.zip', out, '--arch', architecture, '--python', runtime.replace('python', '')];
    if (inside) args.push('--with-model', model.folder);
    else if (model.onSpacy) args.push('--with-spacy');
    // In the foreground: it may warn, for example that it found no Python to compile with.
    const { status } = child_process.spawnSync(python, args, { cwd: service, stdio: ['ignore', 'inherit', 'inherit'] });
    if (status === 0) return;
    const other = inside ? ' If the model is too large for it: --model-store efs takes any.' : '';
    throw new UserError(`So there is no zip, and nothing was changed.${other}`);
  });
