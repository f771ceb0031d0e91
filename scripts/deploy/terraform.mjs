// Terraform in infra/. What it refuses before anything is changed becomes one sentence.
import child_process from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { root, step, UserError } from '../step.mjs';

const infra = path.join(root, 'infra');

/** Where the command puts what it makes; the paths are as Terraform sees them, the same on every machine. */
export const build = path.join(infra, 'build');

/** What the last apply was made of: the user's variables and this command's. Files that they name stay as they were. */
const APPLIED = ['applied.tfvars', 'applied.tfvars.json'].map((name) => path.join(build, name));

/** Terraform has no use for secrets, so it gets none. */
const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^DECK_|^NER_API_KEY$/.test(name)));

export class Terraform {
  /** For this run alone: a plan leaves what was applied as it is. */
  #scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'burst-ner-deploy-'));
  #variables = path.join(this.#scratch, 'deploy.tfvars.json');
  #varFile;
  #varFiles;
  #running = false;
  /** @type {Record<string, unknown>} */
  #own = {};

  /**
   * @param {string | undefined} varFile the user's variables
   * @throws {UserError} without Terraform 1.11, or for a file that is not there
   */
  constructor(varFile) {
    if (varFile && !fs.existsSync(varFile)) {
      throw new UserError(`There is no file ${varFile}; --var-file takes a .tfvars file.`);
    }
    this.#varFile = varFile;
    this.#varFiles = [...(varFile ? [varFile] : []), this.#variables].map((file) => `-var-file=${file}`);
    fs.mkdirSync(build, { recursive: true });
    process.on('exit', () => fs.rmSync(this.#scratch, { recursive: true, force: true }));
    // Ctrl-C reaches Terraform as well: one that runs in the foreground ends in order, and this waits for it.
    process.on('SIGINT', () => this.#running || process.exit(130));
    const { error, stdout } = child_process.spawnSync('terraform', ['version', '-json'], { encoding: 'utf8', env });
    if (error) throw new UserError('There is no terraform on PATH; install Terraform 1.11 or later.');
    const version = /"terraform_version": *"((\d+)\.(\d+)[^"]*)"/.exec(stdout);
    if (!version || Number(version[2]) < 1 || (version[2] === '1' && Number(version[3]) < 11)) {
      throw new UserError(
        `Terraform 1.11 or later is needed; this is ${version?.[1] ?? 'of no version that it tells'}.`,
      );
    }
  }

  init() {
    const explain = (/** @type {string} */ output) => {
      if (/Failed to query available provider/.test(output))
        return 'Terraform could not fetch its AWS provider: check the network, or set TF_CLI_CONFIG_FILE to a file that names a mirror; .cache/setup.log has all of it.';
      if (/state migration|-migrate-state/.test(output))
        return "Terraform's state has another backend than before: move it once with terraform -chdir=infra init -migrate-state, then run this again.";
      return undefined;
    };
    return step('Initialise Terraform', 'terraform', ['init', '-input=false', '-no-color'], {
      cwd: infra,
      env,
      explain,
    });
  }

  /** @param {string} region where everything is */
  in(region) {
    env['AWS_REGION'] = region;
  }

  /** @param {Record<string, unknown>} variables the command's own, which win over the user's */
  set(variables) {
    this.#own = variables;
    fs.writeFileSync(this.#variables, `${JSON.stringify(variables, null, 2)}\n`);
  }

  /** Keeps what an apply that went well was made of, and nothing of others. */
  keep() {
    const [users = '', own = ''] = APPLIED;
    fs.writeFileSync(users, this.#varFile ? fs.readFileSync(this.#varFile) : '');
    fs.copyFileSync(this.#variables, own);
    const named = JSON.stringify(this.#own);
    for (const name of fs.readdirSync(build)) {
      if (/\.(zip|tar)$/.test(name) && !named.includes(`build/${name}"`)) fs.rmSync(path.join(build, name));
    }
  }

  /**
   * Variables as Terraform sees them: defaults, the user's file, environment. It checks each against its range.
   * @returns {{ name: string, architecture: string, runtime: string, exposure: string }}
   * @throws {UserError} the first that is wrong, or that the user's file sets beside the command
   */
  values() {
    const names = ['name', 'architecture', 'runtime', 'exposure', ...Object.keys(this.#own)];
    // The user's file last, so that what it sets shows.
    const { status, stdout, stderr } = this.#capture(
      'console',
      '-no-color',
      ...this.#varFiles.toReversed(),
      `jsonencode({ ${names.map((name) => `${name} = var.${name}`).join(', ')} })`,
    );
    if (status !== 0) throw new UserError(reason(stderr));
    // Warnings stand before it, and it is there after an error about a value, too.
    const values = JSON.parse(JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? ''));
    const own = Object.keys(this.#own).find((name) => JSON.stringify(values[name]) !== JSON.stringify(this.#own[name]));
    if (own === undefined) {
      if (/^Error: /m.test(stderr)) throw new UserError(reason(stderr));
      return values;
    }
    const instead = { model: '--model', model_store: '--model-store' }[own];
    throw new UserError(
      `${this.#varFile} sets ${own}, which this command sets itself: take it out${instead ? `, and pass ${instead}` : ''}.`,
    );
  }

  /**
   * Plans nothing but a look at account, region and quota, which needs credentials.
   * @returns {string | undefined} the place, account:region:name
   * @throws {UserError} what is missing or wrong
   */
  check() {
    const plan = path.join(this.#scratch, 'check.tfplan');
    const targets = [
      'aws_caller_identity.current',
      'aws_region.current',
      'aws_servicequotas_service_quota.concurrency',
    ];
    const args = [
      '-json',
      '-input=false',
      '-lock=false',
      `-out=${plan}`,
      ...targets.map((each) => `-target=data.${each}`),
    ];
    const { status, stdout } = this.#capture('plan', ...args, ...this.#varFiles);
    const lines = stdout.split('\n').filter((line) => line.includes('"type":"diagnostic"'));
    const diagnostics = lines.map((line) => JSON.parse(line).diagnostic);
    const unknown = diagnostics.find((each) => each.summary === 'Value for undeclared variable');
    if (unknown) throw new UserError(paragraph(unknown.detail));
    if (status === 0) {
      const planned = JSON.parse(this.#capture('show', '-json', plan).stdout).planned_values;
      return planned.outputs?.place?.value;
    }
    const { summary = 'it does not say why', detail = '' } =
      diagnostics.find(({ severity }) => severity === 'error') ?? {};
    if (/credential|security token|STS|AWS account|SSO/i.test(summary)) {
      throw new UserError(
        `AWS takes no credentials from here (${summary.split('\n')[0]}): set AWS_PROFILE, sign in with "aws sso login", or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.`,
      );
    }
    // A condition of the configuration has a sentence of its own.
    if (/^Resource \w+condition failed$/.test(summary)) throw new UserError(paragraph(detail));
    throw new UserError(`Terraform: ${summary}. ${paragraph(detail)}`);
  }

  /**
   * @returns {{ place?: string, origin_secret_sha256?: string[], function_url?: string, live_version?: string,
   *   dashboard_url?: string }} none before the first apply, and some after one that failed
   */
  outputs() {
    const { status, stdout, stderr } = this.#capture('output', '-json');
    if (status !== 0) throw new UserError(`Terraform cannot read its state: ${stderr.trim()}`);
    /** @type {Record<string, { value: unknown }>} */
    const outputs = JSON.parse(stdout);
    return Object.fromEntries(Object.entries(outputs).map(([name, { value }]) => [name, value]));
  }

  /**
   * Runs a command in the foreground, with Terraform's own plan and question.
   * @param {'plan' | 'apply' | 'destroy'} command
   * @param {{ yes: boolean }} options
   * @throws {UserError} when it fails, after its own words
   */
  async run(command, { yes }) {
    const args = [
      command,
      ...this.#varFiles,
      ...(command === 'plan' ? ['-input=false'] : yes ? ['-auto-approve'] : []),
    ];
    const child = child_process.spawn('terraform', args, { cwd: infra, env, stdio: 'inherit' });
    this.#running = true;
    const code = await new Promise((resolve, reject) => child.on('error', reject).on('close', resolve));
    this.#running = false;
    if (code === 0) return;
    const unharmed = command === 'apply' ? ' The version that was live stays live; mend it and apply again.' : '';
    throw new UserError(`terraform ${command} did not succeed; its reason stands above.${unharmed}`);
  }

  /** @param {string[]} args the last one of a console is what it is asked */
  #capture(...args) {
    const input = args[0] === 'console' ? `${args.pop()}\n` : '';
    return child_process.spawnSync('terraform', args, { cwd: infra, env, input, encoding: 'utf8', maxBuffer: 1 << 28 });
  }
}

/**
 * The first error of Terraform's own text: what is wrong with a value, or what and where.
 * @param {string} stderr
 */
function reason(stderr) {
  const [summary = '', ...rest] = stderr.slice(stderr.search(/^Error: /m)).split('\n\n');
  const detail = paragraph(rest.find((each) => /^\S/.test(each)) ?? '');
  if (summary === 'Error: Invalid value for variable') return detail;
  const place = /^ +on (.* line \d+)/m.exec(rest[0] ?? '')?.[1];
  return `Terraform: ${paragraph(summary).replace('Error: ', '')}${place ? ` (${place})` : ''}. ${detail}`;
}

/** The first paragraph, as one line. @param {string} text */
const paragraph = (text) => (text.split('\n\n')[0] ?? '').replaceAll(/\s+/g, ' ').trim();
