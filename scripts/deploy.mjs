// `npm run deploy -- --plan | --apply | --destroy`: everything on AWS, and the way into Kong.
import child_process from 'node:child_process';
import path from 'node:path';
import process from 'node:process';
import util from 'node:util';
import { buildModel, packFunction, packModel, packProvisioner } from './deploy/build.mjs';
import { at, checkFile, checkKong, PRIVATE, renderKong, routeOf, syncKong, tagOf } from './deploy/kong.mjs';
import { findSecrets } from './deploy/secrets.mjs';
import { build, Terraform } from './deploy/terraform.mjs';
import { setUp } from './setup.mjs';
import { command, root, UserError, userPath } from './step.mjs';

const USAGE = `Usage: npm run deploy -- --plan | --apply | --destroy [options]
  --region REGION             AWS region (default: AWS_REGION, AWS_DEFAULT_REGION)
  --model NAME                a name in packages/service/burst_ner_model/models.json, a folder, a wheel (default: en_core_web_lg)
  --model-store package|efs   the model inside the zip, or on EFS, which takes models of any size (default: package)
  --var-file FILE             .tfvars for everything else of infra/variables.tf
  --kong-admin URL            bring it into this Kong, after showing what changes there; "konnect": by decK's own settings
  --kong-patch FILE           apply a decK patch to Kong's file, such as kong/redis.yaml; may be repeated
  --smoke                     then run burst-ner doctor and one burst against NER_URL, Kong's /nlp/ner
  --yes                       ask nothing`;

const KONG_FILE = path.join(build, 'kong.yaml');
const BURST = 20;

await command(async () => {
  const options = read();
  const terraform = new Terraform(options.varFile);
  checkKong(options);
  await terraform.init();
  const deployed = terraform.outputs();
  const region = regionOf(options.region, deployed.place, options.action);
  terraform.in(region);
  const efs = options.modelStore === 'efs';
  const NOT_YET = 'not-built-yet';
  terraform.set({
    model_store: options.modelStore,
    model: NOT_YET,
    model_archive: efs ? `${NOT_YET}.tar` : null,
    code_zip: NOT_YET,
    provisioner_zip: NOT_YET,
    origin_secret_sha256: [],
  });
  console.error('  Look at credentials, quota and variables …');
  const values = terraform.values();
  samePlace(deployed.place, terraform.check());
  if (options.action === 'destroy') {
    await terraform.run('destroy', options);
    if (deployed.place) console.log(outOfKong(values.name));
    return;
  }

  if (values.exposure === 'private') {
    options.patches.unshift(PRIVATE);
    checkKong(options);
  }
  const target = { name: values.name, region, url: `https://lambda.${region}.amazonaws.com/` };
  const secrets = findSecrets(values.name, deployed.origin_secret_sha256 ?? []);
  // What takes minutes begins here.
  await setUp();
  await checkFile(KONG_FILE, target, options, secrets.env);
  const model = await buildModel(options.model);
  terraform.set({
    model_store: options.modelStore,
    model: model.name,
    model_archive: efs ? await packModel(model.folder) : null,
    code_zip: await packFunction(values, model, !efs),
    provisioner_zip: efs ? await packProvisioner() : NOT_YET,
    origin_secret_sha256: secrets.digests,
  });
  await terraform.run(options.action, options);
  if (options.action === 'plan') return;
  terraform.keep();

  const outputs = terraform.outputs();
  renderKong({ ...target, url: outputs.function_url ?? target.url }, options.patches, KONG_FILE);
  console.log(`\n${values.name} in ${region}: version ${outputs.live_version} is live. Model: ${model.name}`);
  if (outputs.dashboard_url) console.log(`Dashboard: ${outputs.dashboard_url}`);
  if (
    options.admin === undefined ||
    !(await syncKong(KONG_FILE, options.admin, { ...values, secrets: secrets.env, yes: options.yes }))
  ) {
    console.log(intoKong(secrets, values.name, options.admin));
  }
  console.log(firstRequest(secrets, values.name));
  if (secrets.digests.length > 1) {
    console.log('\nThe function takes the old origin secret, too. Once Kong sends the new one, take out');
    console.log(`DECK_NER_ORIGIN_SECRET_OLD (${secrets.file}) and apply again.`);
  }
  if (options.smoke) smoke(secrets.env);
});

/**
 * @returns {{ action: 'plan' | 'apply' | 'destroy', region: string | undefined, model: string, modelStore: string,
 *   varFile: string | undefined, admin: string | undefined, patches: string[], smoke: boolean, yes: boolean }}
 * @throws {UserError} for options that do not go together
 */
function read() {
  const { values } = parse();
  if (values.help) {
    console.log(USAGE);
    process.exit(0);
  }
  const actions = /** @type {const} */ (['plan', 'apply', 'destroy']).filter((name) => values[name]);
  const [action] = actions;
  if (!action || actions.length > 1) {
    const kept = ['plan', 'apply', 'destroy'].find((name) => process.env[`npm_config_${name}`]);
    if (kept) throw new UserError(`npm kept --${kept} for itself; put -- before it: npm run deploy -- --${kept}`);
    throw new UserError(`Give one of --plan, --apply and --destroy.\n${USAGE}`);
  }
  const { model, 'model-store': modelStore, 'kong-admin': admin, 'kong-patch': patches, smoke, yes } = values;
  if (modelStore !== 'efs' && modelStore !== 'package') {
    throw new UserError(`--model-store is package or efs, not ${modelStore}.`);
  }
  for (const [name, given] of Object.entries({ '--kong-admin': admin, '--kong-patch': patches[0], '--smoke': smoke })) {
    if (given && action !== 'apply') throw new UserError(`${name} goes with --apply.`);
  }
  if (smoke && !/^https?:.*\/nlp\/ner$/.test(process.env['NER_URL'] ?? '')) {
    throw new UserError(
      "--smoke needs the address of Kong's route in NER_URL, such as https://kong.example.com/nlp/ner.",
    );
  }
  if (action !== 'plan' && !yes && !process.stdin.isTTY) {
    throw new UserError(`--${action} asks before it changes anything, and there is no terminal to answer: pass --yes.`);
  }
  return {
    action,
    region: values.region ?? process.env['AWS_REGION'] ?? process.env['AWS_DEFAULT_REGION'],
    model,
    modelStore,
    varFile: values['var-file'] && userPath(values['var-file']),
    admin,
    patches: patches.map(userPath),
    smoke,
    yes,
  };
}

function parse() {
  try {
    return util.parseArgs({
      options: {
        plan: { type: 'boolean' },
        apply: { type: 'boolean' },
        destroy: { type: 'boolean' },
        region: { type: 'string' },
        model: { type: 'string', default: 'en_core_web_lg' },
        'model-store': { type: 'string', default: 'package' },
        'var-file': { type: 'string' },
        'kong-admin': { type: 'string' },
        'kong-patch': { type: 'string', multiple: true, default: [] },
        smoke: { type: 'boolean', default: false },
        yes: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    throw new UserError(`${/** @type {Error} */ (error).message}\n${USAGE}`);
  }
}

/**
 * @param {string | undefined} wanted
 * @param {string | undefined} deployed place of what was applied before
 * @param {'plan' | 'apply' | 'destroy'} action
 */
function regionOf(wanted, deployed, action) {
  const there = deployed?.split(':')[1];
  const region = (action === 'destroy' ? there : undefined) ?? wanted ?? there;
  if (region) return region;
  throw new UserError('Give --region, such as --region eu-west-1; the texts are processed there.');
}

/**
 * Elsewhere Terraform would find nothing of what it made, forget it, and make it anew; under another name it would
 * replace all of it.
 * @param {string | undefined} deployed account:region:name of what was applied before
 * @param {string | undefined} asked the same, of what would be applied
 */
function samePlace(deployed, asked) {
  if (deployed === undefined || deployed === asked) return;
  throw new UserError(
    `Terraform's state is of ${deployed} (account:region:name), not of ${asked}: give the same options and --var-file as before; a second deployment takes another workspace (terraform -chdir=infra workspace new X) and another name in the var file.`,
  );
}

/** Whether Kong has gone over to another deployment is not known here. @param {string} name */
function outOfKong(name) {
  return `If Kong still calls what is gone, take the route out:
  deck gateway reset --select-tag ${tagOf(name)} --kong-addr http://YOUR-KONG:8001`;
}

/** @param {import('./deploy/secrets.mjs').Secrets} secrets @param {string} name @param {string | undefined} admin */
function intoKong({ file, fromFile }, name, admin = 'http://YOUR-KONG:8001') {
  return `
Bring it into Kong; what is not tagged ${tagOf(name)} stays as it is:
${fromFile ? `  set -a; . ${file}; set +a\n` : ''}  deck gateway sync ${KONG_FILE} --select-tag ${tagOf(name)} ${at(admin).join(' ')}`.trimEnd();
}

/** @param {import('./deploy/secrets.mjs').Secrets} secrets @param {string} name */
function firstRequest({ file, fromFile }, name) {
  return `
The first request:
  export NER_API_KEY=$(${fromFile ? `. ${file}; ` : ''}echo "$DECK_BATCH_PROCESSOR_KEY")
  curl ${process.env['NER_URL'] ?? `https://YOUR-KONG${routeOf(name)}`} -H "apikey: $NER_API_KEY" --json '{"text": "Ada Lovelace lived in London."}'`;
}

/** @param {Record<string, string>} secrets */
function smoke(secrets) {
  const url = String(process.env['NER_URL']);
  /** @param {string[]} args @param {string | undefined} key */
  const run = (args, key) => {
    const env = { ...process.env, NER_API_KEY: key };
    const { status } = child_process.spawnSync(process.execPath, args, { cwd: root, env, stdio: 'inherit' });
    if (status !== 0) throw new UserError('The deployment stands, but the smoke test failed; its reason stands above.');
  };
  console.log(`\nSmoke test of ${url}`);
  run(['packages/client/dist/cli/main.js', 'doctor', '--url', url], secrets['DECK_BATCH_PROCESSOR_KEY']);
  run(['packages/loadtest/dist/cli.js', 'run', url, '-n', String(BURST), '--yes'], secrets['DECK_LOAD_GENERATOR_KEY']);
}
