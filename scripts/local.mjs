// `npm run local`: the whole path on this machine, until Ctrl-C.
import path from 'node:path';
import process from 'node:process';
import util from 'node:util';
import { DEFAULT_MODEL, describeModel, prepareModel } from './model.mjs';
import { python } from './python.mjs';
import { setUp } from './setup.mjs';
import { command, root, UserError } from './step.mjs';

await command(async () => {
  if (process.env['npm_config_model']) {
    throw new UserError('npm kept --model for itself; put -- before it: npm run local -- --model PATH_OR_NAME');
  }
  await setUp();
  const given = process.argv.slice(2);
  const { model } = util.parseArgs({ args: given, options: { model: { type: 'string' } }, strict: false }).values;
  const paths = ['--kong', path.join(root, 'kong/kong.yaml'), '--service', path.join(root, 'packages/service')];
  // The last of a repeated option counts: the model by its name becomes the model by its folder.
  const folder = await prepareModel(describeModel(typeof model === 'string' ? model : DEFAULT_MODEL));
  process.argv = [...process.argv.slice(0, 2), 'up', ...paths, '--python', python, ...given, '--model', folder];
  // In this process, so that Ctrl-C and the exit code are the emulator's.
  await import(new URL('../packages/emulator/dist/cli.js', import.meta.url).href);
});
