// All that is published or deployed, made of the checkout that this file is in.
import fs from 'node:fs';
import path from 'node:path';
import { DEFAULT_MODEL, describeModel, prepareModel } from '../model.mjs';
import { python } from '../python.mjs';
import { setUp } from '../setup.mjs';
import { root, step } from '../step.mjs';

/** In the order in which npm has to get them. */
export const PACKAGES = ['client', 'loadtest', 'batch', 'emulator'];

/** The zips that Lambda runs: with the default model inside, and what a model that only spaCy can run brings along. */
const ZIPS = { 'function.zip': [], 'function-with-spacy.zip': ['--with-spacy'] };

/**
 * Builds tarballs, wheels and zips. Nothing in them depends on the time or on where the checkout is.
 * @param {string} out a folder that is there
 * @public `npm run release` has each clone run its own
 */
export async function makeArtefacts(out) {
  await setUp({ dev: true });
  const model = await prepareModel(describeModel(DEFAULT_MODEL));
  for (const name of PACKAGES) {
    await step(`Pack ${name}`, 'npm', ['pack', path.join(root, 'packages', name), '--pack-destination', out]);
  }
  const cwd = path.join(root, 'packages/service');
  await step('Build the wheels', python, ['-m', 'tools.wheel', out], { cwd });
  for (const [name, options] of Object.entries(ZIPS)) {
    const args = ['-m', 'tools.zip', path.join(out, name), '--with-model', model, ...options];
    await step(`Build ${name}`, python, args, { cwd });
  }
}

/**
 * The version, which all packages have.
 * @returns {string | undefined} undefined: they have different ones
 */
export function versionOf(checkout = root) {
  const read = (/** @type {string} */ name) => fs.readFileSync(path.join(checkout, name), 'utf8');
  const versions = [
    ...['package.json', ...[...PACKAGES, 'service'].map((name) => `packages/${name}/package.json`)].map(
      (name) => JSON.parse(read(name)).version,
    ),
    /^version = "(.+)"$/m.exec(read('packages/service/pyproject.toml'))?.[1],
  ];
  return new Set(versions).size === 1 ? versions[0] : undefined;
}
