// What linters know of Terraform and AWS: tflint with its bundled rules, and checkov.
import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { infra } from './terraform.js';
import { available, pythonWith, tflint } from './tools.js';

const linter = await available('tflint', tflint);
const python = await available('checkov', () => pythonWith('requirements-checkov.lock'));

/** Runs a linter, whose exit code says no more than its output. */
const run = (command: string, args: string[], cwd: string) =>
  new Promise<string>((resolve, reject) => {
    execFile(command, args, { cwd, maxBuffer: 1 << 26 }, (error, stdout, stderr) => {
      if (stdout) resolve(stdout);
      else reject(error ?? new Error(`${command} said nothing: ${stderr}`));
    });
  });

test.skipIf(!linter)('tflint finds nothing', async () => {
  const { issues, errors } = JSON.parse(await run(String(linter), ['--format=json'], infra));
  expect({ issues, errors }).toEqual({ issues: [], errors: [] });
});

test.skipIf(!python)('checkov finds what is waived in .checkov.yaml with a reason, and nothing else', async () => {
  const config = readFileSync(join(infra, '.checkov.yaml'), 'utf8');
  const waived: string[] = parse(config)['skip-check'];
  expect(config.match(/^ {2}- CKV\w+ # \S.{30,}\.$/gm)).toHaveLength(waived.length);

  // A copy without the configuration: checkov reports what is waived as well.
  const copy = mkdtempSync(join(tmpdir(), 'burst-ner-checkov-'));
  try {
    const sources = readdirSync(infra).filter((name) => name.endsWith('.tf'));
    for (const name of sources) cpSync(join(infra, name), join(copy, name));
    const checkov = join(String(python), '..', 'checkov');
    const args = ['-d', '.', '--framework', 'terraform', '--output', 'json', '--skip-download'];
    const { results, summary } = JSON.parse(await run(checkov, args, copy));
    expect(summary.passed).toBeGreaterThan(50);
    expect(summary.parsing_errors).toBe(0);
    const found = results.failed_checks.map(({ check_id }: { check_id: string }) => check_id);
    expect([...new Set(found)].sort()).toEqual([...waived].sort());
  } finally {
    rmSync(copy, { recursive: true });
  }
});
