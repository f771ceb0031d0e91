// What the load test reads: files of runs, logs of the function, and answers of a target.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { jsonReport } from '../../packages/loadtest/src/cli/present.js';
import { InputError } from '../../packages/loadtest/src/input-error.js';
import { Connection } from '../../packages/loadtest/src/load/connection.js';
import { htmlReport } from '../../packages/loadtest/src/report/html.js';
import { terminalReport } from '../../packages/loadtest/src/report/terminal.js';
import { readReportLog } from '../../packages/loadtest/src/run/report-log.js';
import { readRun } from '../../packages/loadtest/src/run/run-file.js';
import { latencyFrom, OUTCOMES, type Sample } from '../../packages/loadtest/src/run/sample.js';
import { summarise } from '../../packages/loadtest/src/statistics/summary.js';
import { bursts, INFO } from '../../packages/loadtest/test/report/run.js';
import { expected, type Parser, pieces } from './fuzz.js';

const RUN = [
  '0',
  '-1',
  '1e9',
  '1e308',
  '1e999',
  '0.5',
  'null',
  'true',
  '"',
  '\\u0000',
  '\\ud83d',
  '[]',
  '{}',
  '{"__proto__":',
  '\n',
];
const LOG = [
  'REPORT RequestId: ',
  '\tDuration: ',
  '1.2.3',
  ' ms',
  '"type": "platform.report"',
  '"durationMs":',
  '\\t',
  '\\"',
];

/** Files of runs, with the reports that are made of them, and logs of the function. */
export function runs(): Parser {
  const folder = mkdtempSync(path.join(tmpdir(), 'burst-ner-fuzz-'));
  const file = path.join(folder, 'file');
  const line = (type: string, fields: object) => `${JSON.stringify({ type, ...fields })}\n`;
  const file_ = (samples: Sample[], info: object) =>
    [
      line('run', { format: 1, ...INFO, ...info }),
      ...samples.map((each) => line('sample', each)),
      line('burst', { burst: 0, releasedAt: INFO.startedAt, spreadMs: 0.2 }),
      line('end', { reason: 'complete' }),
    ].join('');
  const text =
    'REPORT RequestId: l-1\tDuration: 12.5 ms\tBilled Duration: 13 ms\tMemory Size: 2048 MB\tInit Duration: 640.1 ms\n';
  const json =
    '{"type": "platform.report","record":{"requestId":"l-2","metrics":{"durationMs":3.5,"billedDurationMs":4,"initDurationMs":9}}}\n';
  let count = 0;
  return {
    inputs: [
      file_(bursts(1, 4, { cold: 2, refused: 1 }), { n: 4 }),
      file_(bursts(2, 3, { cold: 1 }), { n: null, bursts: 0, mode: 'rate', rate: 5, durationMs: 2000 }),
      text + json,
    ].map((each) => Buffer.from(each)),
    words: [...RUN, ...LOG],
    async parse(input) {
      writeFileSync(file, input);
      try {
        if (!input.includes('"run"')) return log(await readReportLog(file));
        const run = await readRun(file);
        const summary = summarise(run.samples, latencyFrom(run.info.mode), run.bursts);
        JSON.parse(JSON.stringify(jsonReport(run, summary)));
        terminalReport(run, summary);
        // Figures take long to draw.
        if (count++ % 20 === 0) htmlReport(run, summary);
      } catch (error) {
        expected(error, InputError);
      }
    },
    close: async () => rmSync(folder, { recursive: true }),
  };
}

function log(join: (sample: Sample) => boolean): void {
  for (const lambdaRequestId of ['l-1', 'l-2']) {
    const sample = { lambdaRequestId } as Sample;
    if (!join(sample)) continue;
    const numbers = [sample.durationMs, sample.billedMs, sample.reportInitMs];
    if (!numbers.every((each) => each === null || Number.isFinite(each))) throw new Error(`REPORT says ${numbers}`);
  }
}

const OK =
  'HTTP/1.1 200 OK\r\nx-ner-cold-start: 1\r\nserver-timing: init;dur=812.5, ner;dur=4.25\r\nratelimit-limit: 100\r\n';
const REQUEST = Buffer.from('POST /nlp/ner HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n');
const HTTP = [
  ...[
    '\r\n',
    '\n',
    '\r\n\r\n',
    '\0',
    '\xff',
    ': ',
    'Content-Length: 5\r\n',
    'Content-Length: -1\r\n',
    'Transfer-Encoding: chunked\r\n',
  ],
  ...[
    'HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n',
    'HTTP/1.1 100 \r\n\r\n',
    'Connection: close\r\n',
    '0\r\n\r\n',
  ],
  ...[
    'ffffffffffffffff\r\n',
    'server-timing: init;dur=1.2.3\r\n',
    'x-ner-init-type: constructor\r\n',
    'ratelimit-limit: 1e999\r\n',
  ],
];

/** A target that answers anything, on connections that are kept and on others: one outcome each, at once. */
export async function connection(): Promise<Parser> {
  let answer: Buffer = Buffer.alloc(0);
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => {
      for (const piece of pieces(answer)) socket.write(piece);
      socket.end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/nlp/ner`);
  const place = { burst: 0, index: 0, intendedMs: 0, documents: 1, characters: 1, bytes: 1 };
  const once = async (live: boolean) => {
    const made = new Connection({ url }, live);
    await made.ready;
    const origin = process.hrtime.bigint();
    made.send(REQUEST);
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      made.stop('timeout');
    }, 20_000);
    await made.over;
    clearTimeout(timer);
    const { outcome, error, ...times } = await made.sample(place, origin);
    const again = live ? await made.again(0) : 'said';
    made.stop('closed');
    const numbers = Object.values(times).filter((value) => typeof value === 'number');
    if (late || !OUTCOMES.includes(outcome) || !['ready', 'said', 'closed'].includes(again)) {
      throw new Error(`${outcome}, ${error}, ${again}${late ? ', never over' : ''}`);
    }
    if (!numbers.every(Number.isFinite)) throw new Error(`no numbers: ${JSON.stringify(times)}`);
  };
  return {
    inputs: [
      `${OK}Content-Length: 15\r\n\r\n{"entities":[]}`,
      `${OK}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n`,
      'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 429 Too Many\r\nx-kong-response-latency: 1\r\nretry-after: 9\r\n\r\nuntil the end',
    ].map((text) => Buffer.from(text, 'latin1')),
    words: HTTP,
    async parse(input) {
      answer = input;
      await once(false);
      await once(true);
    },
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
