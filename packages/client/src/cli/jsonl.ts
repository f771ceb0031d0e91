import { readLines } from '../files/lines.js';
import { parseJson } from '../json.js';
import { foreign } from './errors.js';
import { type OutputFormat, OutputRecord } from './record.js';

const START = '{"source":';

/** One line of JSON a document. */
export const jsonl: OutputFormat = {
  name: 'jsonl',
  header: '',
  toText: (record) => `${JSON.stringify(record)}\n`,
  async *read(path) {
    for await (const { text, line, end } of readLines(path)) {
      if (text.endsWith('\n')) {
        yield { record: OutputRecord.safeParse(parseJson(text)).data ?? foreign(path, line), end };
      } else if (line === 1 && !text.startsWith(START) && !START.startsWith(text)) {
        foreign(path, line);
      }
    }
  },
};
