// Terraform's own checks, without AWS, network or credentials: the provider is mocked.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { infra, missing, Workspace } from './terraform.js';

const configuration = readdirSync(infra)
  .filter((name) => name.endsWith('.tf'))
  .map((name) => readFileSync(join(infra, name), 'utf8'))
  .join('\n');

if (missing && process.env['CI'] !== 'true') console.warn(`infra: Terraform's checks are skipped: ${missing}`);

describe.skipIf(missing && process.env['CI'] !== 'true')('terraform', () => {
  let workspace: Workspace | undefined;
  const terraform = (...args: string[]) => {
    if (!workspace) throw new Error('there is no workspace');
    return workspace.terraform(...args);
  };

  beforeAll(async () => {
    workspace = new Workspace();
    await workspace.init();
  });

  afterAll(() => workspace?.remove());

  test('every file is formatted', async () => {
    await terraform('fmt', '-check', '-recursive', '-diff');
  });

  test('the configuration is valid, without a warning', async () => {
    const { valid, diagnostics } = JSON.parse(await terraform('validate', '-json'));
    expect({ valid, diagnostics }).toEqual({ valid: true, diagnostics: [] });
  });

  test('the root module of the page, which calls this one, is valid', async () => {
    const page = readFileSync(join(infra, 'README.md'), 'utf8');
    const example = [...page.matchAll(/```hcl\n([\s\S]*?)```/g)].map(([, text]) => text).join('\n');
    expect(example).toContain('module "burst_ner"');
    if (!workspace) throw new Error('there is no workspace');
    mkdirSync(join(workspace.folder, '../root'));
    writeFileSync(join(workspace.folder, '../root/main.tf'), example);
    const answer = await workspace.shell(
      'cd root; terraform init -backend=false -input=false; terraform validate',
      '/usr/bin',
    );
    expect(answer).toContain('The configuration is valid');
  });

  // Terraform runs them one after the other.
  const files = readdirSync(join(infra, 'tests')).filter((name) => name.endsWith('.tftest.hcl'));
  test.concurrent.each(files)('the runs of %s pass', async (name) => {
    const answer = await terraform('test', '-no-color', `-filter=${join('tests', name)}`);
    expect(answer).toMatch(/Success! [1-9]\d* passed, 0 failed/);
  });

  test('what a function needs is there before it, and a version is released only when its model is there', async () => {
    const edges = [...(await terraform('graph')).matchAll(/"(.+?)" -> "(.+?)"/g)];
    /** The addresses, of these, that Terraform does not finish before it begins with another. */
    const late = (address: string, earlier: string[]) => {
      const before = new Set([address]);
      for (const known of before) {
        for (const [, from, to = ''] of edges) if (from === known) before.add(to);
      }
      return earlier.filter((other) => !before.has(other));
    };
    const mount = [
      'aws_efs_file_system_policy.models',
      'aws_efs_mount_target.models',
      'aws_vpc_security_group_egress_rule.nfs',
      'aws_vpc_security_group_ingress_rule.nfs',
    ];
    const provisioner = ['aws_cloudwatch_log_group.provisioner', 'aws_iam_role_policy.provisioner', ...mount];
    const ner = [
      'aws_cloudwatch_log_group.function',
      'aws_iam_role_policy.function',
      'aws_iam_role_policy.function_vpc',
    ];
    expect({
      provisioner: late('aws_lambda_function.provisioner', [...provisioner, 'aws_vpc_security_group_egress_rule.s3']),
      model: late('aws_lambda_invocation.model', ['aws_lambda_function.provisioner', 'aws_s3_object.model']),
      ner: late('aws_lambda_function.ner', [...ner, ...mount, 'aws_lambda_invocation.model']),
      trial: late('aws_lambda_invocation.trial', ['aws_lambda_function.ner']),
      alias: late('aws_lambda_alias.live', ['aws_lambda_invocation.trial', 'data.aws_lambda_function.live']),
      // Two changes of the alias at the same time can end with 409.
      stack: late('aws_cloudformation_stack.url_invoke', ['aws_lambda_function_url.live']),
      url: late('aws_lambda_function_url.live', ['aws_lambda_permission.url']),
      permission: late('aws_lambda_permission.url', ['aws_lambda_alias.live']),
      // Destroyed the other way round: the right to delete network interfaces outlives them.
      functionGroup: late('aws_security_group.function', ['aws_iam_role_policy.function_vpc']),
      provisionerGroup: late('aws_security_group.provisioner', ['aws_iam_role_policy.provisioner']),
      batch: late('aws_lambda_function.batch', [
        'aws_cloudwatch_log_group.batch',
        'aws_iam_role_policy.batch',
        'aws_lambda_invocation.trial',
        ...mount,
        'aws_vpc_security_group_egress_rule.batch_s3',
      ]),
      states: late('aws_sfn_state_machine.batch', ['aws_iam_role_policy.batch_states']),
      batchGroup: late('aws_security_group.batch', ['aws_iam_role_policy.batch']),
      upload: late('aws_s3_object.code', ['aws_s3_bucket_versioning.artifacts', 'aws_s3_bucket_policy.artifacts']),
    }).toEqual({
      provisioner: [],
      model: [],
      ner: [],
      trial: [],
      alias: [],
      stack: [],
      url: [],
      permission: [],
      functionGroup: [],
      provisionerGroup: [],
      batch: [],
      states: [],
      batchGroup: [],
      upload: [],
    });
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
    'aws_iam_role_policy.batch',
    'aws_iam_role_policy.batch_states',
    'aws_iam_role_policy.function',
    'aws_iam_role_policy.function_vpc',
    'aws_iam_role_policy.provisioner',
    'aws_lambda_function_url.live',
    'aws_lambda_permission.invoker',
    'aws_lambda_permission.url',
    'aws_s3_bucket_policy.artifacts',
    'aws_vpc_endpoint.s3',
    'aws_vpc_security_group_egress_rule.batch_s3',
    'aws_vpc_security_group_egress_rule.nfs',
    'aws_vpc_security_group_egress_rule.s3',
    'aws_vpc_security_group_ingress_rule.nfs',
  ]);
  expect(configuration).not.toMatch(/^\s*(ingress|egress)\b/m);
});

test('every chart and alarm of the function is of a metric that the service emits', () => {
  const telemetry = readFileSync(join(infra, '..', 'packages/service/burst_ner/telemetry.py'), 'utf8');
  const emitted = [...telemetry.matchAll(/^ {4}"(\w+)": "(?:Count|Milliseconds)"/gm)].map(([, name]) => name);
  const used = [...configuration.matchAll(/"BurstNer", (?:metric = )?"(\w+)"/g)].map(([, name]) => name);
  expect(telemetry).toContain('NAMESPACE = "BurstNer"');
  expect(used.length).toBeGreaterThanOrEqual(5);
  expect(emitted).toEqual(expect.arrayContaining(used));
});
