// The function of the soak: a process with the emulator's Lambda side, and real Python processes, some of which are killed.
import process from 'node:process';
import { startEmulator } from '../../packages/emulator/dist/index.js';
import { children } from '../processes.mjs';
import { answering, order } from './part.mjs';

const { options } = await order();
const emulator = await startEmulator(options);

answering({
  where: () => emulator.functionUrl,
  /** A Python process at random, but for the oldest, whose memory is watched. @param {number} chance in [0, 1) */
  kill(chance) {
    const [, ...younger] = children(process.pid);
    const victim = younger[Math.floor(chance * younger.length)];
    if (victim !== undefined) process.kill(victim, 'SIGKILL');
    return victim !== undefined;
  },
  environments: () => emulator.environments(),
  async close() {
    await emulator.close();
    return children(process.pid).length;
  },
});
