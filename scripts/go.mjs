// Commands that Go builds from its module proxy, at a version of ours: no other package manager has that one everywhere.
import child_process from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { root, step } from './step.mjs';

/**
 * @param {string} name of the command
 * @param {string} module
 * @param {string} version without the v
 * @returns {Promise<string>} the command: the one on PATH, of whatever version, or one that Go builds once
 * @throws {UserError} one sentence that says why there is none
 */
export async function goCommand(name, module, version) {
  if (!child_process.spawnSync(name, ['--version']).error) return name;
  const bin = path.join(root, '.cache/bin', `${name}-${version}`);
  const command = path.join(bin, name);
  if (fs.existsSync(command)) return command;
  fs.mkdirSync(bin, { recursive: true });
  await step(`Build ${name}`, 'go', ['install', `${module}@v${version}`], {
    env: { ...process.env, GOBIN: bin },
    explain: (output) =>
      /ENOENT/.test(output)
        ? `${name} is not on PATH, and Go is not either to build it; install the package ${name}`
        : undefined,
  });
  return command;
}
