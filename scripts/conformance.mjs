// `npm run conformance -- DIR`: replays recordings of a real Kong against the emulator's gateway.
import fs from 'node:fs';
import { setUp } from './setup.mjs';
import { command, UserError, userPath } from './step.mjs';

await command(async () => {
  const [folder, ...more] = process.argv.slice(2);
  if (!folder || more.length > 0) throw new UserError('Usage: npm run conformance -- DIR (with *.jsonl and configs/)');
  if (!fs.existsSync(userPath(folder))) throw new UserError(`There is no folder ${folder}.`);
  await setUp({ python: false });
  const { conformance, report, RecordingError } = await import('../packages/emulator/conformance/dist/conformance.js');
  try {
    return report(await conformance(userPath(folder)), (line) => console.log(line));
  } catch (error) {
    throw error instanceof RecordingError ? new UserError(error.message) : error;
  }
});
