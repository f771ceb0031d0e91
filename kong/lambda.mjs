// What a real Kong in Docker has behind it (compose.yaml): the emulator's Lambda, and the file that Kong needs.
//   node kong/lambda.mjs FOLDER
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { DEFAULT_MODEL, describeModel, prepareModel } from '../scripts/model.mjs';
import { python } from '../scripts/python.mjs';
import { setUp } from '../scripts/setup.mjs';
import { command, root, UserError } from '../scripts/step.mjs';

await command(async () => {
  const [folder, ...more] = process.argv.slice(2);
  if (!folder || more.length > 0) throw new UserError('Usage: node kong/lambda.mjs FOLDER');
  const file = path.join(folder, 'kong.yaml');
  fs.rmSync(file, { force: true }); // of a start that was killed
  await setUp();
  const { startEmulator } = await import('../packages/emulator/dist/index.js');
  const { render, trust } = await import('./render.mjs');
  const kong = path.join(root, 'kong/kong.yaml');
  const env = { ...process.env, DECK_NER_ORIGIN_SECRET: crypto.randomBytes(32).toString('hex') };
  const emulator = await startEmulator({
    kong,
    service: path.join(root, 'packages/service'),
    python,
    model: await prepareModel(describeModel(DEFAULT_MODEL)),
    env,
  });
  const rendered = render(fs.readFileSync(kong, 'utf8'), {
    ...env,
    DECK_NER_FUNCTION_URL: emulator.functionUrl.url,
    DECK_BATCH_PROCESSOR_KEY: emulator.keys['batch-processor'],
    DECK_LOAD_GENERATOR_KEY: emulator.keys['load-generator'],
  });
  // Kong, of another user, starts when the file is there: so it appears whole.
  fs.writeFileSync(`${file}.new`, trust(rendered, emulator.functionUrl.ca));
  fs.renameSync(`${file}.new`, file);
  console.log(`Lambda at ${emulator.functionUrl.url}, for the Kong of this network alone`);
  await new Promise((resolve) => process.once('SIGTERM', resolve).once('SIGINT', resolve));
  fs.rmSync(file);
  await emulator.close();
});
