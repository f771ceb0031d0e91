// Terraform's own checks, without AWS, network or credentials: the provider comes from a folder and is mocked.
import { execFile, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const infra = join(import.meta.dirname, '..');
const source = (name: string) => readFileSync(join(infra, name), 'utf8');
const configuration = readdirSync(infra)
  .filter((name) => name.endsWith('.tf'))
  .map(source)
  .join('\n');

const version = /version\s+= "(\d+\.\d+\.\d+)"/.exec(source('versions.tf'))?.[1] ?? '';
const mirror = findMirror();
const missing = findMissing();

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

if (missing && process.env['CI'] !== 'true') console.warn(`infra: Terraform's checks are skipped: ${missing}`);

describe.skipIf(missing && process.env['CI'] !== 'true')('terraform', () => {
  let home: string | undefined;

  /** Runs Terraform in a copy, so that the checkout keeps no .terraform, and no setting of the user counts. */
  async function terraform(...args: string[]): Promise<string> {
    const run = promisify(execFile);
    const env = {
      PATH: process.env['PATH'],
      HOME: home,
      CHECKPOINT_DISABLE: '1',
      TF_CLI_CONFIG_FILE: join(home ?? '', 'terraform.rc'),
    };
    try {
      return (await run('terraform', args, { cwd: join(home ?? '', 'infra'), env, timeout: 170_000 })).stdout;
    } catch (error) {
      const { stdout, stderr } = error as { stdout: string; stderr: string };
      throw new Error(`terraform ${args.join(' ')} failed:\n${stdout}${stderr}`);
    }
  }

  beforeAll(async () => {
    if (missing) throw new Error(missing);
    home = mkdtempSync(join(tmpdir(), 'burst-ner-infra-'));
    cpSync(infra, join(home, 'infra'), {
      recursive: true,
      filter: (path) => !basename(path).startsWith('.') && (statSync(path).isDirectory() || /\.(tf|hcl)$/.test(path)),
    });
    const installation = `provider_installation {\n  filesystem_mirror {\n    path = ${JSON.stringify(mirror)}\n  }\n}\n`;
    writeFileSync(join(home, 'terraform.rc'), installation);
    await terraform('init', '-backend=false', '-input=false', '-no-color');
  });

  afterAll(() => {
    if (home) rmSync(home, { recursive: true });
  });

  test('every file is formatted', async () => {
    await terraform('fmt', '-check', '-recursive', '-diff');
  });

  test('the configuration is valid, without a warning', async () => {
    const { valid, diagnostics } = JSON.parse(await terraform('validate', '-json'));
    expect({ valid, diagnostics }).toEqual({ valid: true, diagnostics: [] });
  });

  test('the unit tests pass', { timeout: 180_000 }, async () => {
    expect(await terraform('test', '-no-color')).toMatch(/Success! [1-9]\d* passed, 0 failed/);
  });
});

// terraform test sees the resources that it names. One that somebody adds shows here.
test('nothing else opens the network, grants rights or exposes the function', () => {
  const resources = [...configuration.matchAll(/^resource "(\w+)" "(\w+)"/gm)].map(
    ([, type, name]) => `${type}.${name}`,
  );
  const opening = /gateway|endpoint|route|peering|rule|policy|permission|stack|_url|_eip|network_interface/;
  expect(resources.filter((address) => opening.test(address)).sort()).toEqual([
    'aws_cloudformation_stack.url_invoke',
    'aws_default_route_table.private',
    'aws_efs_file_system_policy.models',
    'aws_iam_role_policy.function',
    'aws_lambda_function_url.live',
    'aws_lambda_permission.url',
    'aws_vpc_security_group_egress_rule.function_nfs',
    'aws_vpc_security_group_ingress_rule.model_store_nfs',
  ]);
  expect(configuration).not.toMatch(/^\s*(ingress|egress)\b/m);
});

test('the output kong_env fills references of kong.yaml', () => {
  const kong = readFileSync(join(infra, '..', 'kong', 'kong.yaml'), 'utf8');
  const references = kong.match(/(?<=env ")DECK_\w+/g) ?? [];
  const names = source('outputs.tf').match(/DECK_\w+/g) ?? [];
  expect(names).not.toEqual([]);
  expect(references).toEqual(expect.arrayContaining(names));
});
