// Terraform for the tests: run in copies of infra/, with the provider from a folder, so nothing is fetched.
import { execFile, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';

/** The folder with the configuration. */
export const infra = join(import.meta.dirname, '..');

const version = /version\s+= ">= (\d+\.\d+\.\d+),/.exec(readFileSync(join(infra, 'versions.tf'), 'utf8'))?.[1] ?? '';
const mirror = findMirror();

/** What this machine lacks to run Terraform, as one sentence. */
export const missing = findMissing();

/** A folder in the layout of `terraform providers mirror` that has the AWS provider of versions.tf. */
function findMirror(): string | undefined {
  const named = process.env['BURST_NER_TF_PLUGINS'];
  const parents = ['/opt', '/usr/local/share', '/usr/local/lib', '/usr/share', '/var/lib', homedir()];
  const usual = [...parents.map((parent) => join(parent, 'tf-plugins')), join(homedir(), '.terraform.d', 'plugins')];
  return (named ? [named] : usual).find((folder) => {
    const provider = join(folder, 'registry.terraform.io', 'hashicorp', 'aws');
    return existsSync(provider) && readdirSync(provider).some((name) => name.includes(version));
  });
}

function findMissing(): string | undefined {
  if (spawnSync('terraform', ['version']).error) {
    return 'terraform is not on PATH; install the package terraform, 1.11 or later';
  }
  if (!mirror) {
    const where = process.env['BURST_NER_TF_PLUGINS'] || 'BURST_NER_TF_PLUGINS and the usual folders';
    return (
      `${where}: no plug-in mirror with hashicorp/aws ${version}; ` +
      'make one with `terraform -chdir=infra providers mirror FOLDER` and set BURST_NER_TF_PLUGINS to it'
    );
  }
  return undefined;
}

/** A copy of infra/ in which Terraform runs: the checkout keeps no .terraform, and no setting of the user counts. */
export class Workspace {
  readonly #home = mkdtempSync(join(tmpdir(), 'burst-ner-infra-'));
  readonly #env: Record<string, string>;

  /** @param env what Terraform sees beside PATH, such as the AWS provider's settings */
  constructor(env: Record<string, string> = {}) {
    if (missing) throw new Error(missing);
    cpSync(infra, this.folder, {
      recursive: true,
      filter: (path) =>
        !basename(path).startsWith('.') && (statSync(path).isDirectory() || /\.(tf|hcl|tar|tftpl)$/.test(path)),
    });
    const installation = `provider_installation {\n  filesystem_mirror {\n    path = ${JSON.stringify(mirror)}\n  }\n}\n`;
    writeFileSync(join(this.#home, 'terraform.rc'), installation);
    this.#env = {
      PATH: process.env['PATH'] ?? '',
      HOME: this.#home,
      CHECKPOINT_DISABLE: '1',
      TF_IN_AUTOMATION: '1',
      TF_CLI_CONFIG_FILE: join(this.#home, 'terraform.rc'),
      ...env,
    };
  }

  /** Where the copy is. */
  get folder(): string {
    return join(this.#home, 'infra');
  }

  init(): Promise<string> {
    return this.terraform('init', '-backend=false', '-input=false', '-no-color');
  }

  /**
   * @returns what Terraform prints on standard output
   * @throws Error with all that it printed
   */
  terraform(...args: string[]): Promise<string> {
    return this.#run('terraform', args, this.folder);
  }

  /**
   * Runs lines of a page in a shell, at the root of the checkout. Terraform asks nothing.
   * @param programs a folder with what they call
   * @returns what they print on standard output
   * @throws Error with all that they printed, at the first that fails
   */
  shell(lines: string, programs: string): Promise<string> {
    const PATH = `${programs}:${this.#env['PATH']}`;
    const TF_CLI_ARGS_apply = '-auto-approve -input=false -no-color';
    return this.#run('sh', ['-ec', lines], this.#home, { PATH, TF_CLI_ARGS_apply });
  }

  async #run(program: string, args: string[], cwd: string, more: Record<string, string> = {}): Promise<string> {
    try {
      const options = { cwd, env: { ...this.#env, ...more }, timeout: 590_000, maxBuffer: 1 << 26 };
      return (await promisify(execFile)(program, args, options)).stdout;
    } catch (error) {
      const { stdout, stderr } = error as { stdout: string; stderr: string };
      throw new Error(`${program} ${args.join(' ')} failed:\n${stderr || stdout}`);
    }
  }

  remove(): void {
    rmSync(this.#home, { recursive: true, force: true });
  }
}
