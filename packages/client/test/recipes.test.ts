// The commands of docs/recipes.md, as they stand there.
import { execFile, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { PROGRAM } from './cli-run.js';
import { type Gateway, KEY, startGateway } from './gateway.js';

const page = readFileSync(fileURLToPath(new URL('../../../docs/recipes.md', import.meta.url)), 'utf8');
const block = (language: string, heading: string) =>
  new RegExp(`## ${heading}\n.*?\`\`\`${language}\n(.*?)\`\`\``, 's').exec(page)?.[1] ?? '';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'recipes-'));
  await mkdir(path.join(folder, 'bin'));
  await chmod(PROGRAM, 0o755);
  await symlink(PROGRAM, path.join(folder, 'bin/burst-ner'));
  await writeFile(path.join(folder, 'bin/npx'), '#!/bin/sh\nexec "$@"\n', { mode: 0o755 });
  const lines = Array.from({ length: 100 }, (_, i) => `{"id":${i},"text":"Ada ${i}"}\n`);
  await writeFile(path.join(folder, 'documents.jsonl'), lines.join(''));
});
afterAll(() => rm(folder, { recursive: true }));

/** Runs it in a folder that has the documents. */
async function sh(gateway: Gateway, script: string, env: Record<string, string> = {}): Promise<void> {
  await promisify(execFile)('/bin/sh', ['-ec', script], {
    cwd: folder,
    env: {
      PATH: `${path.join(folder, 'bin')}:${process.env['PATH']}`,
      HOME: folder,
      NER_URL: gateway.url,
      NER_API_KEY: KEY,
      ...env,
    },
  });
}

/** Of `all.jsonl`, which it takes away with the shards. */
async function merged(gateway: Gateway): Promise<unknown[]> {
  const text = await readFile(path.join(folder, 'all.jsonl'), 'utf8');
  await sh(gateway, 'rm -f all.jsonl* out-*');
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line).id);
}

const all = Array.from({ length: 100 }, (_, i) => i);
const workers = [0, 1, 2, 3, 4, 5, 6, 7];

describe('a recipe', () => {
  it.runIf(spawnSync('parallel', ['--version']).status === 0)('for GNU parallel', async () => {
    await using gateway = await startGateway();
    await sh(gateway, block('sh', 'GNU parallel'));
    expect(await merged(gateway)).toEqual(all);
  });

  it('for a Kubernetes Indexed Job', async () => {
    await using gateway = await startGateway();
    const job = parse(block('yaml', 'A Kubernetes Indexed Job'));
    const [{ command, args }] = job.spec.template.spec.containers;
    expect([job.spec.completions, command]).toEqual([workers.length, ['sh', '-c']]);
    for (const index of workers) await sh(gateway, args[0], { JOB_COMPLETION_INDEX: String(index) });
    await sh(gateway, 'burst-ner merge out-*.jsonl --out all.jsonl');
    expect(await merged(gateway)).toEqual(all);
  });

  it('for an AWS Batch array job', async () => {
    await using gateway = await startGateway();
    const { command } = JSON.parse(block('json', 'An AWS Batch array job'));
    expect([command.slice(0, 2), block('sh', 'An AWS Batch array job')]).toEqual([
      ['sh', '-c'],
      expect.stringContaining(`--array-properties size=${workers.length}`),
    ]);
    const script = command[2].replace('cd /data; ', '');
    for (const index of workers) await sh(gateway, script, { AWS_BATCH_JOB_ARRAY_INDEX: String(index) });
    await sh(gateway, 'burst-ner merge out-*.jsonl --out all.jsonl');
    expect(await merged(gateway)).toEqual(all);
  });
});
