// The origin secret and the API keys: from the environment, else from a file that only its owner can read, else made.
import crypto from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { UserError } from '../step.mjs';

const ORIGIN = 'DECK_NER_ORIGIN_SECRET';
/** The one before, while the two overlap. */
const OLD = `${ORIGIN}_OLD`;
const MADE = [ORIGIN, 'DECK_BATCH_PROCESSOR_KEY', 'DECK_LOAD_GENERATOR_KEY'];

/**
 * @typedef {{ file: string, fromFile: boolean, env: Record<string, string>, digests: string[] }} Secrets
 *   `file`: where they are kept; `fromFile`: whether any of them is; `env`: by the names that kong.yaml has;
 *   `digests`: SHA-256 of the origin secrets that the function takes, which is all that Terraform sees
 */

/**
 * @param {string} name of the deployment
 * @param {string[]} deployed SHA-256 of the origin secrets that the function takes now
 * @returns {Secrets}
 * @throws {UserError} for a file that others can read, a secret that is too short, and one that Kong does not send yet
 */
export function findSecrets(name, deployed) {
  const file = path.join(
    process.env['XDG_CONFIG_HOME'] || path.join(os.homedir(), '.config'),
    'burst-ner',
    `${name}.env`,
  );
  const kept = read(file);
  /** @type {Record<string, string>} */
  const env = {};
  for (const key of [...MADE, OLD, ...Object.keys(kept)]) {
    const value = process.env[key] || kept[key];
    if (value) env[key] = value;
  }
  const origins = [env[ORIGIN], env[OLD]].filter((secret) => secret !== undefined);
  if (deployed.length > 0 && !origins.some((secret) => deployed.includes(sha256(secret)))) {
    throw new UserError(
      `This deployment has an origin secret that is not here, and a new one would lock Kong out: copy ${file} from the machine that has it, or set ${ORIGIN} (${OLD} beside a new one).`,
    );
  }
  if (origins.some((secret) => secret.length < 32)) {
    throw new UserError(`${ORIGIN} is shorter than 32 characters; make one with: openssl rand -hex 32`);
  }
  const missing = MADE.filter((key) => !env[key]);
  if (missing.length > 0) {
    for (const key of missing) env[key] = crypto.randomBytes(32).toString('hex');
    fs.mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
    const lines = missing.map((key) => `${key}='${env[key]}'\n`);
    if (endsMidLine(file)) lines.unshift('\n');
    fs.appendFileSync(file, lines.join(''), { mode: 0o600 });
    console.error(`  Made ${missing.join(', ')} in ${file}`);
  }
  const digests = [env[ORIGIN], env[OLD]].filter((secret) => secret !== undefined).map(sha256);
  return { file, fromFile: MADE.some((key) => !process.env[key]), env, digests };
}

/** As an editor may leave it. @param {string} file */
const endsMidLine = (file) => fs.existsSync(file) && /[^\n]$/.test(fs.readFileSync(file, 'utf8'));

/** @param {string} file lines of NAME='value', as a shell reads them @returns {Record<string, string>} */
function read(file) {
  if (!fs.existsSync(file)) return {};
  if (fs.statSync(file).mode & 0o077) throw new UserError(`Others can read ${file}; run: chmod 600 ${file}`);
  const lines = fs.readFileSync(file, 'utf8').matchAll(/^(?:export )?(DECK_\w+)=(['"]?)(.*)\2$/gm);
  return Object.fromEntries([...lines].map(([, key, , value]) => [key, value]));
}

/** @param {string} text */
const sha256 = (text) => crypto.createHash('sha256').update(text).digest('hex');
