// Kong's side: the file that decK takes, and decK itself.
import child_process from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import readline from 'node:readline/promises';
import { root, UserError } from '../step.mjs';

const source = path.join(root, 'kong/kong.yaml');
/** For a function without a URL. */
export const PRIVATE = path.join(root, 'kong/private.yaml');

/** The name that deployments have by default. Others put theirs into every name, so that one Kong holds several. */
const DEFAULT_NAME = 'spacy-ner-service';

/** @typedef {{ name: string, region: string, url: string }} Target what Kong is to call; `url`: of the function, or of Lambda */

/** @param {string} name of the deployment @returns {string} the tag of all that is in its file */
export const tagOf = (name) => (name === DEFAULT_NAME ? 'nlp-ner' : `nlp-ner-${name}`);

/** @param {string} name of the deployment @returns {string} the path of its route */
export const routeOf = (name) => (name === DEFAULT_NAME ? '/nlp/ner' : `/${name}/nlp/ner`);

/** Without it decK deletes what is not in the file, which is everybody else's. @param {string} name */
const ours = (name) => ['--select-tag', tagOf(name)];

/** `--kong-admin konnect`: decK leaves Konnect as soon as it is given an address of its own, so it gets none. */
const KONNECT = 'konnect';

/** @param {string} admin @returns {string[]} where decK finds that Kong */
export const at = (admin) => (admin === KONNECT ? [] : ['--kong-addr', admin]);

/**
 * @param {string[]} args
 * @param {NodeJS.ProcessEnv} [env]
 */
const deck = (args, env = process.env) =>
  child_process.spawnSync('deck', ['--analytics=false', ...args], { encoding: 'utf8', env });

/**
 * What can be known before anything is changed.
 * @param {{ admin: string | undefined, patches: string[] }} kong
 * @throws {UserError} without decK where it is needed, or when Kong does not answer it
 */
export function checkKong({ admin, patches }) {
  for (const patch of patches) {
    if (!fs.existsSync(patch)) throw new UserError(`There is no file ${patch}; --kong-patch takes a decK patch.`);
  }
  if (admin === undefined && patches.length === 0) return;
  if (deck(['version']).error) {
    throw new UserError(
      `There is no deck on PATH, which ${admin ? '--kong-admin' : '--kong-patch'} needs; install decK.`,
    );
  }
  if (admin === undefined) return;
  if (admin !== KONNECT && !/^https?:$/.test(URL.canParse(admin) ? new URL(admin).protocol : '')) {
    throw new UserError('--kong-admin takes the URL of the Admin API, such as http://127.0.0.1:8001, or "konnect".');
  }
  const { status, stderr } = deck(['gateway', 'ping', ...at(admin)]);
  if (status === 0) return;
  const reason = stderr.trim().split('\n').at(-1);
  const where = admin === KONNECT ? 'Konnect does not answer decK' : `Kong's Admin API does not answer at ${admin}`;
  throw new UserError(`${where} (${reason}); nothing was changed.`);
}

/**
 * Whether the patches apply, and every reference has a value that the file can hold. Those of patches are wanted when
 * decK runs, which is later without `admin`.
 * @param {string} out where renderKong is to write; this leaves it as it is
 * @param {Target} target its `url` need not be known yet
 * @param {{ admin: string | undefined, patches: string[] }} kong
 * @param {Record<string, string>} secrets
 * @throws {UserError}
 */
export async function checkFile(out, target, { admin, patches }, secrets) {
  // It needs a package, which is there once the checkout is set up.
  const { render, unquoted } = await import('../../kong/render.mjs');
  const copy = `${out}.check`;
  renderKong(target, patches, copy);
  const patched = fs.readFileSync(copy, 'utf8');
  fs.rmSync(copy);
  try {
    // As it is after a patch or a merge, which may still come.
    render(unquoted(fs.readFileSync(source, 'utf8')), { ...secrets, DECK_NER_FUNCTION_URL: target.url });
  } catch (error) {
    throw new UserError(`kong/kong.yaml, ${/** @type {Error} */ (error).message}`);
  }
  if (admin === undefined) return;
  try {
    render(patched, { ...process.env, ...secrets });
  } catch (error) {
    throw new UserError(`kong/kong.yaml with ${patches.join(', ')}, ${/** @type {Error} */ (error).message}`);
  }
}

/**
 * Writes kong.yaml with the function's address filled in. Secrets stay references, which decK fills in when it brings the
 * file into Kong, so the file can be committed and merged into others.
 * @param {Target} target
 * @param {string[]} patches
 * @param {string} out
 */
export function renderKong({ name, region, url }, patches, out) {
  const fresh = `${out}.new`;
  fs.copyFileSync(source, fresh);
  if (patches.length > 0) {
    const { status, stderr } = deck(['file', 'patch', '--state', fresh, '--output-file', fresh, ...patches]);
    if (status !== 0) throw new UserError(`decK cannot apply the patch: ${stderr.trim()}`);
  }
  const known = { DECK_NER_FUNCTION_URL: url, DECK_NER_FUNCTION_NAME: name, DECK_NER_REGION: region };
  let text = named(fs.readFileSync(fresh, 'utf8'), name);
  for (const [key, value] of Object.entries(known)) text = text.replaceAll(`\${{ env "${key}" }}`, value);
  fs.writeFileSync(fresh, text);
  fs.renameSync(fresh, out);
}

/**
 * Kong's certificates have no two owners: a deployment of another name uses those of the default one.
 * @param {string} text @param {string} name
 */
function named(text, name) {
  if (name === DEFAULT_NAME) return text;
  return text
    .replace(/^ca_certificates:\n(?:[ #-].*\n?|\n)*/m, '')
    .replaceAll(/\bnlp-ner\b/g, tagOf(name))
    .replaceAll(/\b(batch-processor|load-generator)\b/g, `$1-${name}`)
    .replaceAll('/nlp/ner', routeOf(name));
}

/**
 * Shows what would change in Kong, asks, and changes it.
 * @param {string} file
 * @param {string} admin
 * @param {{ name: string, secrets: Record<string, string>, yes: boolean }} options of the deployment; decK shows no value
 *   of a DECK_ variable
 * @returns {Promise<boolean>} false: the answer was no
 */
export async function syncKong(file, admin, { name, secrets, yes }) {
  const env = { ...process.env, ...secrets };
  const args = [file, ...ours(name), ...at(admin)];
  const diff = deck(['gateway', 'diff', ...args], env);
  if (diff.status !== 0)
    throw new UserError(`decK cannot tell the difference, and Kong is as it was: ${diff.stderr.trim()}`);
  console.log(`\nWhat changes in ${admin === KONNECT ? 'Konnect' : `the Kong at ${admin}`}:\n${diff.stdout.trim()}`);
  if (!yes) {
    const question = readline.createInterface({ input: process.stdin, output: process.stdout });
    // Ctrl-D closes it without an answer.
    const closed = once(question, 'close').then(() => 'no');
    const answer = await Promise.race([question.question('Change Kong? Only "yes" does. '), closed]);
    question.close();
    if (answer !== 'yes') return false;
  }
  const sync = deck(['gateway', 'sync', ...args], env);
  if (sync.status !== 0)
    throw new UserError(`decK did not bring all of it into Kong; run it again: ${sync.stderr.trim()}`);
  console.log(sync.stdout.trim());
  return true;
}
