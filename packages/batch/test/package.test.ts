// The batch command as npm's users get it.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { testTarball } from '../../../test/tarball.js';

const source = fileURLToPath(new URL('..', import.meta.url));
const installed = testTarball(source);

const runWith = (env: NodeJS.ProcessEnv, ...args: string[]) =>
  spawnSync(process.execPath, [path.join(installed, 'dist/cli.js'), ...args], {
    encoding: 'utf8',
    env: { PATH: process.env['PATH'], HOME: '/nowhere', AWS_EC2_METADATA_DISABLED: 'true', ...env },
  });
const run = (...args: string[]) => runWith({ AWS_REGION: 'eu-west-1' }, ...args);

test('the command says what it is, and plans on paper', () => {
  const help = run('--help').stdout;
  for (const name of ['plan', 'start', 'status', 'retry-failed', 'cancel', 'collect'])
    expect(help).toContain(`  ${name} `);
  const { stdout, stderr, status } = run('plan', '--documents', '1000000');
  expect({ stderr, status }).toEqual({ stderr: '', status: 0 });
  expect(stdout).toMatch(/^documents {2}about 1,000,000, 1,000 characters each\n/);
  expect(stdout).toContain('ASSUMED: measure it with --trial');
});

test('the plan of docs/batch.md is what its command prints', () => {
  const page = readFileSync(path.join(source, '../../docs/batch.md'), 'utf8');
  const [, command = '', printed] = /```\nburst-ner-batch (plan .*)\n```\n\n```text\n([\s\S]*?)```/.exec(page) ?? [];
  expect(run(...command.split(' ')).stdout).toBe(printed);
});

test('what the user can mend is one sentence, and exit code 2', () => {
  const refused = (args: string[], sentence: string | RegExp) => {
    const { stdout, stderr, status } = run(...args);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toMatch(sentence);
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
  };
  refused(['plan'], /^error: plan needs a place in S3, or --documents/);
  refused(['plan', 'company/documents'], /^error: company\/documents is no place in S3; give one such as s3:/);
  refused(['plan', '--documents', '0'], /give a whole number from 1 on/);
  refused(['start', 's3://company/documents/'], /--out <place>' not specified/);
  refused(['start', 's3://company/documents/', '--out', 's3://company/out/'], /start needs --state-machine/);
  expect(runWith({}, 'status', 's3://company/out/')).toMatchObject({
    ...{ status: 2, stdout: '', stderr: 'error: No AWS region is set; set AWS_REGION, or BURST_NER_STATE_MACHINE.\n' },
  });
  refused(['status', 's3://company/out/'], /log in to AWS \(aws sso login\), or set AWS_PROFILE/);
});
