// The gateway of the soak: a process of its own, with the same kong.yaml as everywhere and the function's address in it.
import { startGateway } from '../../packages/emulator/conformance/dist/gateway.js';
import { answering, order } from './part.mjs';

const { text, ...given } = await order();
let { port, limit } = given;
let ahead = 0;
const config = () => text.replace('minute: 1000', `minute: ${limit}`);
const start = () => startGateway({ file: 'kong.yaml', text: config(), port, now: () => Date.now() + ahead });
let gateway = await start();
port = gateway.port;

answering({
  where: () => port,
  /** On the same port; all connections are cut. */
  async restart() {
    await gateway.close();
    gateway = await start();
  },
  /** @param {number} minute requests a minute */
  limit(minute) {
    limit = minute;
    gateway.reload(config());
  },
  /** @param {number} ms how much the wall clock is ahead from now on */
  clock(ms) {
    ahead = ms;
  },
  close: () => gateway.close(),
});
