// The real AWS provider and the functions' real code against an AWS account on loopback (moto).
import { execFile } from 'node:child_process';
import { cpSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DEFAULT_MODEL, describeModel, prepareModel } from '../../scripts/model.mjs';
import { Deployment, type Variables } from './deployment.js';
import { actionsOf, allows } from './rights.js';
import { infra, missing } from './terraform.js';
import { available, pythonWith } from './tools.js';

const python = await available('what needs an AWS account', () => pythonWith('requirements.lock'));
const terraform = await available('Terraform', () => {
  if (missing) throw new Error(missing);
  return true;
});

const run = promisify(execFile);

test.skipIf(!python).concurrent.each(['test_provisioner.py', 'test_batch.py'])('%s', async (file) => {
  const args = ['-m', 'pytest', '-q', '-p', 'no:cacheprovider', '--show-capture=no', file];
  const env = { ...process.env, PREPARED_MODEL: await prepareModel(describeModel(DEFAULT_MODEL)) };
  const { stdout } = await run(String(python), args, { cwd: import.meta.dirname, env }).catch(({ stdout, stderr }) => {
    throw new Error(`${stdout}${stderr}`);
  });
  expect(stdout).toMatch(/\d+ passed in/);
});

/** A prepared model, with another manifest. */
async function model(folder: string, change: Record<string, unknown> = {}) {
  cpSync(await prepareModel(describeModel(DEFAULT_MODEL)), folder, { recursive: true });
  const manifest = join(folder, 'manifest.json');
  writeFileSync(manifest, JSON.stringify({ ...JSON.parse(readFileSync(manifest, 'utf8')), ...change }));
}

/** Calls of both deployments, from the first apply to the last destroy. */
const calls: string[][] = [];
afterAll(() => {
  if (calls.length < 2) return; // not all of it ran
  const text = readFileSync(join(infra, 'deployer-policy.json'), 'utf8');
  const statements: { Sid: string; Action: string | string[]; Resource: string | string[] }[] =
    JSON.parse(text).Statement;
  const rights = statements.flatMap(({ Action }) => Action);
  const asked = actionsOf(calls.flat());
  // What the policy lacks, and what it allows for nothing.
  expect([...asked].filter((action) => !rights.some((right) => allows(right, action)))).toEqual([]);
  expect(rights.filter((right) => ![...asked].some((action) => allows(right, action)))).toEqual([]);
  // Of everybody's resources only those change that AWS gives no names.
  const wide = statements.filter(({ Resource }) => Resource === '*').map(({ Sid }) => Sid);
  expect(wide).toEqual(['Look', 'ModelStore', 'Network']);
  expect(text.replaceAll(/\s/g, '').length).toBeLessThan(6144); // the most that a managed policy may have
});

/** The shell lines below a heading of a page, for this deployment and a version of it. */
function documented(page: string, heading: string, version = ''): string {
  const text = readFileSync(join(infra, '../docs', page), 'utf8');
  const [, section = ''] = text.split(new RegExp(`^##+ ${heading}$`, 'm'));
  const blocks = [...(section.split(/^## /m)[0]?.matchAll(/```sh\n([\s\S]*?)```/g) ?? [])].map(([, lines]) => lines);
  expect(blocks.length, `${page}, ${heading}`).toBeGreaterThan(0);
  return blocks
    .join('')
    .replaceAll('spacy-ner-service', 'ner')
    .replaceAll(/(version[ =])6\b/g, `$1${version}`);
}

/** All rights that a state gives and takes, as `RESOURCE: EFFECT ACTIONS on RESOURCES by PRINCIPAL if CONDITION`. */
function rights(resources: ReturnType<Deployment['state']>['resources']): string[] {
  const list = (value: unknown) => [value].flat().join(' ');
  // A bucket that was read again repeats its policy.
  const holders = resources.filter(({ address }) => address !== 'aws_s3_bucket.artifacts');
  const documents = holders.flatMap(({ address, attributes }) =>
    [attributes['policy'], attributes['assume_role_policy']]
      .map(String)
      .filter((text) => text.startsWith('{'))
      .map((text) => ({ address, statements: JSON.parse(text).Statement })),
  );
  return documents
    .flatMap(({ address, statements }) =>
      statements.map(({ Effect, Action, Resource, Principal, Condition }: Record<string, object>) => {
        const on = Resource ? ` on ${list(Resource)}` : '';
        const by = Principal ? ` by ${JSON.stringify(Principal)}` : '';
        const when = Condition ? ` if ${JSON.stringify(Condition)}` : '';
        return `${address}: ${Effect} ${list(Action)}${on}${by}${when}`;
      }),
    )
    .map((line) => line.replace(/[a-z0-9-]*:us-east-1:123456789012:/g, '').replaceAll('arn:aws:', ''))
    .map((line) => line.replace(/(fs|fsap)-[0-9a-f]+/g, '$1').replaceAll('123456789012', 'ACCOUNT'))
    .sort();
}

/** On every resource, as in AWS's own policy for functions in a VPC. Code of ours is denied them. */
const JOIN_VPC =
  'ec2:AssignPrivateIpAddresses ec2:CreateNetworkInterface ec2:DeleteNetworkInterface ec2:DescribeNetworkInterfaces ' +
  'ec2:DescribeSubnets ec2:UnassignPrivateIpAddresses on *';
const NOT_FROM_CODE = '{"Null":{"lambda:SourceFunctionArn":"false"}}';
const NO_TLS = '{"Bool":{"aws:SecureTransport":"false"}}';
const AT_ACCESS_POINT = '{"StringEquals":{"elasticfilesystem:AccessPointArn":"access-point/fsap"}}';
const BY_LAMBDA = 'Allow sts:AssumeRole by {"Service":"lambda.amazonaws.com"}';
const BUCKET = 's3:::ner-artifacts-ACCOUNT';

describe.skipIf(!python || !terraform).concurrent('model_store = "efs", some environments always warm', () => {
  let aws: Deployment;
  let empty: string[];
  const variables = {
    name: 'ner',
    model: 'first',
    model_store: 'efs',
    provisioned_concurrency: 2,
    origin_secret_sha256: ['ab'.repeat(32)],
  };

  beforeAll(async () => {
    aws = new Deployment(String(python));
    for (const [name, change] of Object.entries({
      first: {},
      second: { note: 'other' },
      stale: { format: 99 },
    })) {
      await model(aws.file(name), change);
      await run('tar', ['-C', aws.file(name), '-czf', aws.file(`${name}.tar.gz`), '.']);
    }
    await run(String(python), [
      '-m',
      'zipfile',
      '-c',
      aws.file('provisioner.zip'),
      join(infra, 'provisioner/provision.py'),
    ]);
    writeFileSync(aws.file('function.zip'), 'code');
    Object.assign(variables, {
      model_archive: aws.file('first.tar.gz'),
      code_zip: aws.file('function.zip'),
      provisioner_zip: aws.file('provisioner.zip'),
    });
    await aws.start();
    empty = await aws.holdings();
  });
  afterAll(() => {
    if (aws) calls.push(aws.calls);
    return aws?.close();
  });

  test.sequential('apply brings the model to EFS, and leaves nothing to plan', async () => {
    await aws.apply(variables);
    expect(readdirSync(aws.efs)).toEqual(['.lock', 'first']);
    expect(await aws.versions('ner')).toEqual({ live: '1', published: ['1'] });
    expect(await aws.plan()).toContain('No changes.');
  });

  test.sequential('no right is wider than it must be', () => {
    const { resources } = aws.state();
    expect(rights(resources)).toEqual([
      `aws_efs_file_system_policy.models: Deny * on file-system/fs by {"AWS":"*"} if ${NO_TLS}`,
      `aws_iam_role.function: ${BY_LAMBDA}`,
      `aws_iam_role.provisioner: ${BY_LAMBDA}`,
      'aws_iam_role_policy.function: Allow logs:CreateLogStream logs:PutLogEvents on log-group:/aws/lambda/ner:*',
      `aws_iam_role_policy.function_vpc: Allow ${JOIN_VPC}`,
      `aws_iam_role_policy.function_vpc: Allow elasticfilesystem:ClientMount on file-system/fs if ${AT_ACCESS_POINT}`,
      `aws_iam_role_policy.function_vpc: Deny ${JOIN_VPC} if ${NOT_FROM_CODE}`,
      `aws_iam_role_policy.provisioner: Allow ${JOIN_VPC}`,
      `aws_iam_role_policy.provisioner: Allow elasticfilesystem:ClientMount elasticfilesystem:ClientWrite on file-system/fs if ${AT_ACCESS_POINT}`,
      'aws_iam_role_policy.provisioner: Allow logs:CreateLogStream logs:PutLogEvents on log-group:/aws/lambda/ner-provisioner:*',
      `aws_iam_role_policy.provisioner: Allow s3:GetObjectVersion on ${BUCKET}/ner/models/*`,
      `aws_iam_role_policy.provisioner: Deny ${JOIN_VPC} if ${NOT_FROM_CODE}`,
      `aws_s3_bucket_policy.artifacts: Deny s3:* on ${BUCKET} ${BUCKET}/* by "*" if ${NO_TLS}`,
      `aws_vpc_endpoint.s3: Allow s3:GetObjectVersion on ${BUCKET}/ner/models/* by "*" if {"ArnEquals":{"aws:PrincipalArn":"iam::ACCOUNT:role/ner-provisioner"}}`,
    ]);
    const url = {
      action: 'lambda:InvokeFunctionUrl',
      principal: '*',
      qualifier: 'live',
      function_url_auth_type: 'NONE',
    };
    expect(resources.filter(({ address }) => address.includes('permission'))).toMatchObject([{ attributes: url }]);
  });

  test.sequential('whatever can have tags has them', () => {
    const { resources } = aws.state();
    const bare = resources.filter(
      ({ attributes: { tags } }) => tags !== undefined && !(tags as Variables)?.['Project'],
    );
    expect(bare.map(({ address }) => address)).toEqual([]);
  });

  test.sequential('only NFS and S3 leave the security groups', async () => {
    const rules = (await aws.holdings()).filter((name) => /^(in|e)gress/.test(name) && !empty.includes(name));
    expect(rules.map((rule) => rule.replace(/pl-\w+/, 'S3'))).toEqual([
      'egress ner-function tcp 2049-2049 ner-model-store',
      'egress ner-provisioner tcp 2049-2049 ner-model-store',
      'egress ner-provisioner tcp 443-443 S3',
      'ingress ner-model-store tcp 2049-2049 ner-function',
      'ingress ner-model-store tcp 2049-2049 ner-provisioner',
    ]);
  });

  test.sequential('a model that cannot be provisioned leaves what runs untouched', async () => {
    const before = readFileSync(join(aws.efs, 'first/manifest.json'), 'utf8');
    writeFileSync(aws.file('function.zip'), 'new code'); // which would be published and go live
    const other = aws.apply({ ...variables, model_archive: aws.file('second.tar.gz') });
    await expect(other).rejects.toThrow(/first holds another model.*give the new one another name/);
    expect(readFileSync(join(aws.efs, 'first/manifest.json'), 'utf8')).toBe(before);
    expect(await aws.versions('ner')).toEqual({ live: '1', published: ['1'] });
  });

  test.sequential('a model of another format is not released', async () => {
    const other = {
      model: 'stale',
      model_archive: aws.file('stale.tar.gz'),
      origin_secret_sha256: ['cd'.repeat(32)],
    };
    await expect(aws.apply({ ...variables, ...other })).rejects.toThrow(
      /has format 99, and this burst-ner reads format/,
    );
    // Callers still meet the version of before.
    expect(aws.state().outputs).toMatchObject({ origin_secret_sha256: { value: ['ab'.repeat(32)] } });
    expect(await aws.versions('ner')).toEqual({ live: '1', published: ['1', '2'] });
  });

  test.sequential('another model is released beside the first, and "Roll back" of operations leads back', async () => {
    const second = { ...variables, model: 'second', model_archive: aws.file('second.tar.gz') };
    await aws.apply(second);
    expect(readdirSync(aws.efs)).toEqual(['.lock', 'first', 'second', 'stale']);
    expect(await aws.versions('ner')).toEqual({ live: '3', published: ['1', '2', '3'] });

    const lines = documented('operations.md', 'Roll back', '1').split('\n');
    const [list = '', move = ''] = lines.filter((line) => line.startsWith('aws '));
    expect(await aws.shell(list, second)).toMatch(/^1\t.*: first\n2\t.*: stale\n3\t.*: second\n$/m);
    await aws.shell(move, second);
    expect(await aws.versions('ner')).toEqual({ live: '1', published: ['1', '2', '3'] });
    const [tell = ''] = lines.filter((line) => line.startsWith('terraform '));
    expect(await aws.shell(tell, second)).toContain('Apply complete!');
    expect(await aws.versions('ner')).toEqual({ live: '1', published: ['1', '2', '3'] });
    await aws.weigh('ner', '3'); // as AWS does while provisioned concurrency goes over to another version
    expect(await aws.plan('-var=live_version=1')).toContain('No changes.');
  });

  test.sequential('"Stop it" and "A new address" do as they say, and the next apply goes on', async () => {
    const before = await aws.open('ner');
    expect(before).toEqual({ reserved: 50, url: expect.stringMatching(/^https/) });
    await aws.shell(documented('operations.md', 'Stop it'), variables);
    expect((await aws.open('ner')).reserved).toBe(0);
    await aws.shell(documented('threat-model.md', 'A new address'), variables);
    expect((await aws.open('ner')).url).toBeUndefined();
    await aws.apply({ ...variables, model: 'second', model_archive: aws.file('second.tar.gz'), live_version: '1' });
    const after = await aws.open('ner');
    expect(after).toEqual({ reserved: 50, url: expect.stringMatching(/^https/) });
    expect(after.url).not.toBe(before.url);
  });

  test.sequential('private: the URL has gone before callers get a version that checks no secret', async () => {
    const invoker = 'arn:aws:iam::123456789012:role/kong';
    const second = { ...variables, model: 'second', model_archive: aws.file('second.tar.gz') };
    const printed = await aws.apply({ ...second, exposure: 'private', invoker_arn: invoker });
    const order = ['aws_lambda_function_url.live[0]: Destruction complete', 'aws_lambda_alias.live: Modifying'];
    expect(order.map((line) => printed.indexOf(line)).sort((a, b) => a - b)).toEqual(
      order.map((line) => printed.indexOf(line)),
    );
    expect(printed).toContain(order[1]);
    expect((await aws.open('ner')).url).toBeUndefined();
    const { resources } = aws.state();
    const permissions = resources.filter(({ address }) => address.includes('permission'));
    const kong = { action: 'lambda:InvokeFunction', principal: invoker, qualifier: 'live' };
    expect(permissions).toMatchObject([{ address: 'aws_lambda_permission.invoker', attributes: kong }]);
  });

  test.sequential('destroy leaves nothing', async () => {
    await aws.destroy();
    expect(await aws.holdings()).toEqual(empty);
  });
});

describe.skipIf(!python || !terraform).concurrent('model_store = "package", warm by schedule', () => {
  let aws: Deployment;
  let empty: string[];
  const variables = {
    name: 'ner',
    model: 'first',
    batch: { input: 's3://company/documents/', output: 's3://company/records/' },
    warm_schedule: {
      morning: { cron: 'cron(45 5 ? * MON-FRI *)', timezone: 'Europe/London', concurrency: 5 },
      evening: { cron: 'cron(0 20 ? * MON-FRI *)', timezone: 'Europe/London', concurrency: 0 },
    },
  };

  beforeAll(async () => {
    aws = new Deployment(String(python), { kill: 0.2, lose: 0.2, slow_down: 0.05 });
    await model(join(aws.task, 'model'));
    writeFileSync(aws.file('function.zip'), 'code');
    Object.assign(variables, { code_zip: aws.file('function.zip') });
    await aws.start();
    await aws.put('company', 'documents/README.txt', 'no documents');
    empty = await aws.holdings();
  });
  afterAll(() => {
    if (aws) calls.push(aws.calls);
    return aws?.close();
  });

  test.sequential('a first apply that fails half way tells its place', async () => {
    renameSync(join(aws.task, 'model'), join(aws.task, 'gone'));
    await expect(aws.apply(variables)).rejects.toThrow(/SPACY_MODEL_PATH: There is no folder/);
    renameSync(join(aws.task, 'gone'), join(aws.task, 'model'));
    expect(aws.state().outputs).toMatchObject({ place: { value: '123456789012:us-east-1:ner' } });
  });

  test.sequential('the next apply makes no network, and leaves nothing to plan', async () => {
    await aws.apply(variables);
    expect(await aws.versions('ner')).toEqual({ live: '1', published: ['1'] });
    expect(await aws.plan()).toContain('No changes.');
  });

  test.sequential('the function may write its log, the worker records as well, and nothing else', () => {
    const { resources } = aws.state();
    expect(rights(resources)).toEqual([
      `aws_iam_role.batch: ${BY_LAMBDA}`,
      `aws_iam_role.batch_states: Allow sts:AssumeRole by {"Service":"states.amazonaws.com"} if {"ArnEquals":{"aws:SourceArn":"stateMachine:ner-batch"}}`,
      `aws_iam_role.function: ${BY_LAMBDA}`,
      'aws_iam_role_policy.batch: Allow logs:CreateLogStream logs:PutLogEvents on log-group:/aws/lambda/ner-batch:*',
      'aws_iam_role_policy.batch: Allow s3:GetObject on s3:::company/documents/*',
      'aws_iam_role_policy.batch: Allow s3:GetObject s3:PutObject on s3:::company/records/*',
      'aws_iam_role_policy.batch: Allow s3:ListBucket on s3:::company if {"StringLike":{"s3:prefix":"records/*"}}',
      'aws_iam_role_policy.batch_states: Allow lambda:InvokeFunction on function:ner-batch:*',
      'aws_iam_role_policy.batch_states: Allow s3:AbortMultipartUpload s3:GetObject s3:ListMultipartUploadParts s3:PutObject on s3:::company/records/*_batch/*',
      'aws_iam_role_policy.batch_states: Allow states:DescribeExecution states:RedriveExecution states:StopExecution on execution:ner-batch/*',
      'aws_iam_role_policy.batch_states: Allow states:StartExecution on stateMachine:ner-batch',
      'aws_iam_role_policy.function: Allow logs:CreateLogStream logs:PutLogEvents on log-group:/aws/lambda/ner:*',
      `aws_s3_bucket_policy.artifacts: Deny s3:* on ${BUCKET} ${BUCKET}/* by "*" if ${NO_TLS}`,
    ]);
    const types = resources.map(({ address }) => address.split('.')[0]);
    expect(types.filter((type) => /vpc|subnet|security|efs|permission|stack|invocation/.test(String(type)))).toEqual([
      'aws_lambda_invocation',
    ]);
    // Without an origin secret nobody gets past the URL but IAM callers.
    const url = { authorization_type: 'AWS_IAM' };
    expect(resources.find(({ address }) => address === 'aws_lambda_function_url.live')?.attributes).toMatchObject(url);
  });

  test.sequential('a batch: planned, started, followed, mended and collected, each document once', async () => {
    const machine = String(aws.state().outputs['batch_state_machine_arn']?.value);
    const [input, output] = ['s3://company/documents/', 's3://company/records/first/'];
    const cli = async (...args: string[]) => {
      const command = [join(infra, '../packages/batch/dist/cli.js'), ...args, '--json'];
      const env = { ...aws.credentials, AWS_ENDPOINT_URL: aws.endpoint, BURST_NER_STATE_MACHINE: machine };
      const { stdout, code = 0 } = await run(process.execPath, command, { env }).catch((error) => error);
      return { code, ...JSON.parse(stdout || '{}') };
    };
    const ended = async () => {
      for (;;) {
        const status = await cli('status', output);
        if (status.code !== 3) return status;
      }
    };
    // What is not the text costs next to nothing, and makes the file long enough for two parts.
    const records = Array.from({ length: 40 }, (_, id) =>
      JSON.stringify({ id: String(id), text: `Ada Lovelace wrote to Łódź ${id}.`, html: 'x'.repeat(40_000) }),
    );
    await aws.put('company', 'documents/a.jsonl', records.join('\n'));
    await aws.put('company', 'documents/b/rows.csv', 'id,text\n"40","Ada Lovelace\nwrote."\n41,Paris\n');
    await aws.put('company', 'documents/c.jsonl.gz', gzipSync('{"id":"42","text":"Paris"}\n{'));
    await aws.put('company', 'documents/d.jsonl', Buffer.from('{"id":"43","text":"Paris"}', 'utf16le'));
    await aws.put('company', 'documents/e.jsonl', Buffer.from('\ufeff{"id":"44","text":"Paris"}', 'utf16le'));

    expect(await cli('plan', input)).toMatchObject({ code: 0, files: 5, others: 1, parts: 6 });
    expect(await cli('start', input, '--out', output)).toMatchObject({ code: 0, parts: 6, missing: 6 });
    expect(await cli('start', input, '--out', output)).toMatchObject({ code: 2 }); // it runs
    const first = await ended();
    expect(first).toMatchObject({
      code: 1,
      state: 'SUCCEEDED',
      parts: { all: 6, done: 5, running: 0, failed: 1 },
      documents: { done: 45, failed: 2, errors: { unreadable: 2 } },
      failed: [{ name: 'e.jsonl', reason: 's3://company/documents/e.jsonl is UTF-16; convert it to UTF-8 first.' }],
    });
    expect(await cli('collect', output)).toMatchObject({ code: 2 });

    await aws.put('company', 'documents/e.jsonl', '{"id":"44","text":"Paris"}');
    expect(await cli('retry-failed', output)).toMatchObject({ code: 0, parts: 6, missing: 1 });
    const reason = 's3://company/documents/e.jsonl is not what it was when it was planned; plan again.';
    expect(await ended()).toMatchObject({ code: 1, failed: [{ reason }] });
    expect(await cli('start', input, '--out', output)).toMatchObject({ code: 0, parts: 6, missing: 1 });
    expect(await ended()).toMatchObject({ parts: { done: 6, failed: 0 }, documents: { done: 46 } });
    expect(await cli('start', input, '--out', output)).toMatchObject({ code: 0, missing: 0 });
    expect(await cli('start', input, '--out', output, '--offsets', 'code-points')).toMatchObject({ code: 2 });
    expect(await cli('cancel', output)).toMatchObject({ was: 'SUCCEEDED' });

    const all = aws.file('all.jsonl');
    expect(await cli('collect', output, '--to', all)).toMatchObject({ code: 0, documents: 46 });
    const found = readFileSync(all, 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(found.map(({ id }) => id ?? null)).toEqual([
      ...Array.from({ length: 43 }, (_, id) => String(id)),
      null, // the rest of c.jsonl.gz
      null, // d.jsonl
      '44',
    ]);
  });

  test.sequential('a version without its model is not released', async () => {
    renameSync(join(aws.task, 'model'), join(aws.task, 'gone'));
    writeFileSync(aws.file('function.zip'), 'code without a model');
    await expect(aws.apply(variables)).rejects.toThrow(/SPACY_MODEL_PATH: There is no folder/);
    expect(await aws.versions('ner')).toEqual({ live: '1', published: ['1', '2'] });
  });

  test.sequential('destroy leaves nothing', async () => {
    await aws.destroy();
    expect(await aws.holdings()).toEqual(empty);
  });
});
