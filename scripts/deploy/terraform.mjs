// Terraform in infra/. What it refuses before anything is changed becomes one sentence.
import child_process from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { root, step, UserError } from '../step.mjs';

const infra = path.join(root, 'infra');

/** Where the command puts what it makes; the paths are as Terraform sees them, the same on every machine. */
export const build = path.join(infra, 'build');
const VARIABLES = 'build/deploy.tfvars.json';

/** Set by the command itself. */
const OWN = 'region|model|model_store|model_archive|code_zip|provisioner_zip|origin_secret_sha256';

/** Terraform has no use for secrets, so it gets none. */
const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^DECK_|^NER_API_KEY$/.test(name)));

export class Terraform {
  #varFiles;

  /**
   * @param {string | undefined} varFile the user's variables
   * @throws {UserError} without Terraform 1.11, or for a file that is not there or sets what the command sets
   */
  constructor(varFile) {
    if (varFile) refuse(varFile);
    this.#varFiles = [...(varFile ? [varFile] : []), VARIABLES].map((file) => `-var-file=${file}`);
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
    const explain = (/** @type {string} */ output) =>
      /Failed to query available provider/.test(output)
        ? 'Terraform could not fetch its AWS provider: check the network, or set TF_CLI_CONFIG_FILE to a file that names a mirror; .cache/setup.log has all of it.'
        : undefined;
    return step('Initialise Terraform', 'terraform', ['init', '-input=false', '-no-color'], {
      cwd: infra,
      env,
      explain,
    });
  }

  /** @param {Record<string, unknown>} variables the command's own */
  set(variables) {
    fs.mkdirSync(build, { recursive: true });
    fs.writeFileSync(path.join(infra, VARIABLES), `${JSON.stringify(variables, null, 2)}\n`);
  }

  /**
   * Plans nothing but a look at who calls: that needs credentials, and all variables in order.
   * @throws {UserError} what is missing or wrong
   */
  check() {
    const target = '-target=data.aws_caller_identity.current';
    const { status, stdout } = this.#capture('plan', '-json', '-input=false', '-lock=false', target, ...this.#varFiles);
    const lines = stdout.split('\n').filter((line) => line.includes('"type":"diagnostic"'));
    const diagnostics = lines.map((line) => JSON.parse(line).diagnostic);
    const unknown = diagnostics.find((each) => each.summary === 'Value for undeclared variable');
    if (unknown) throw new UserError(paragraph(unknown.detail));
    if (status === 0) return;
    const errors = diagnostics.filter(({ severity }) => severity === 'error');
    const { summary = 'it does not say why', detail = '' } =
      errors.find((each) => /^Invalid value/.test(each.summary)) ?? errors[0] ?? {};
    if (/credential|security token|STS|AWS account|SSO/i.test(summary)) {
      throw new UserError(
        `AWS takes no credentials from here (${summary.split('\n')[0]}): set AWS_PROFILE, sign in with "aws sso login", or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.`,
      );
    }
    throw new UserError(
      /^Invalid value/.test(summary) ? paragraph(detail) : `Terraform: ${summary}. ${paragraph(detail)}`,
    );
  }

  /**
   * Variables as Terraform sees them: defaults, the user's file, environment.
   * @returns {{ name: string, architecture: string, runtime: string }}
   */
  values() {
    const { stdout, stderr } = this.#capture(
      'console',
      ...this.#varFiles,
      'jsonencode({ name = var.name, architecture = var.architecture, runtime = var.runtime })',
    );
    try {
      return JSON.parse(JSON.parse(stdout));
    } catch {
      throw new UserError(`Terraform cannot tell its variables: ${stderr.trim()}`);
    }
  }

  /** @returns {Record<string, string>} none before the first apply */
  outputs() {
    const { status, stdout, stderr } = this.#capture('output', '-json');
    if (status !== 0) throw new UserError(`Terraform cannot read its state: ${stderr.trim()}`);
    /** @type {Record<string, { value: string }>} */
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
    // Ctrl-C reaches Terraform as well, which ends in order; this waits for it.
    const wait = () => {};
    process.on('SIGINT', wait);
    const code = await new Promise((resolve, reject) => child.on('error', reject).on('close', resolve));
    process.off('SIGINT', wait);
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

/** @param {string} varFile */
function refuse(varFile) {
  if (!fs.existsSync(varFile)) throw new UserError(`There is no file ${varFile}; --var-file takes a .tfvars file.`);
  const own = new RegExp(`^\\s*"?(${OWN})"?\\s*[=:]`, 'm').exec(fs.readFileSync(varFile, 'utf8'))?.[1];
  if (!own) return;
  const instead = { region: '--region', model: '--model', model_store: '--model-store' }[own];
  throw new UserError(
    `${varFile} sets ${own}, which this command sets itself: take it out${instead ? `, and pass ${instead}` : ''}.`,
  );
}

/** The first paragraph, as one line. @param {string} text */
const paragraph = (text) => (text.split('\n\n')[0] ?? '').replaceAll(/\s+/g, ' ').trim();
