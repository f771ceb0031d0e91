// The whole path as the tests start it.
import path from 'node:path';
import { type Emulator, type EmulatorOptions, startEmulator } from '../packages/emulator/src/index.js';
import { DEFAULT_MODEL, describeModel } from '../scripts/model.mjs';
import { python } from '../scripts/python.mjs';
import { root } from '../scripts/step.mjs';

/** Kong and Lambda on this machine, with the default model; keys are made up at each start. */
export const startLocal = (options: Partial<EmulatorOptions> = {}): Promise<Emulator> =>
  startEmulator({
    kong: path.join(root, 'kong/kong.yaml'),
    service: path.join(root, 'packages/service'),
    python,
    model: describeModel(DEFAULT_MODEL).path,
    env: {},
    ...options,
  });
