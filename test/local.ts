// The whole path as the tests start it.
import path from 'node:path';
import { type Emulator, type EmulatorOptions, startEmulator } from '../packages/emulator/src/index.js';
import { DEFAULT_MODEL, describeModel, prepareModel } from '../scripts/model.mjs';
import { python } from '../scripts/python.mjs';
import { root } from '../scripts/step.mjs';

/** Kong and Lambda on this machine, with the default model on the engine; keys are made up at each start. */
export const startLocal = async (options: Partial<EmulatorOptions> = {}): Promise<Emulator> =>
  startEmulator({
    kong: path.join(root, 'kong/kong.yaml'),
    service: path.join(root, 'packages/service'),
    python,
    model: await prepareModel(describeModel(DEFAULT_MODEL)),
    env: {},
    ...options,
  });
