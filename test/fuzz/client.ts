// What the client and its command read: answers, documents, and outputs of earlier runs.
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { gzipSync } from 'node:zlib';
import { csv } from '../../packages/client/src/cli/csv.js';
import { explain } from '../../packages/client/src/cli/doctor.js';
import { OutputError } from '../../packages/client/src/cli/errors.js';
import { jsonl } from '../../packages/client/src/cli/jsonl.js';
import { type OutputRecord, toRecord } from '../../packages/client/src/cli/record.js';
import { readRun } from '../../packages/client/src/cli/run-file.js';
import { NerError } from '../../packages/client/src/errors.js';
import { FORMATS, readEntries } from '../../packages/client/src/files/entries.js';
import { DocumentsError } from '../../packages/client/src/files/fields.js';
import { toUtf16 } from '../../packages/client/src/offsets.js';
import {
  date,
  readLimits,
  refusedByGateway,
  retryAfterMs,
  upstreamMs,
} from '../../packages/client/src/rate-headers.js';
import { Reply } from '../../packages/client/src/transport.js';
import { judge } from '../../packages/client/src/verdict.js';
import { readAnswer, readDescription, timings, type WireEntity } from '../../packages/client/src/wire.js';
import { expected, type Parser } from './fuzz.js';

const KEY = 'the-key-of-batch-processor';
const TEXT = 'Ada Lovelace 😀 met \ud83d Babbage in London.';
const JSONS = [
  ...[
    '"',
    '\\',
    '\\ud83d',
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    'null',
    'true',
    '-1',
    '1e999',
    '9007199254740993',
    '0.5',
    '{"a":',
    '[[',
  ],
  ...[
    '"__proto__":',
    '"constructor":',
    '"entities":[]',
    '"error":"e","code":"c"',
    '"message":',
    KEY,
    '\x1b[31m',
    '\n',
    '\0',
    '\ufeff',
  ],
];
const MODEL = '"model":{"name":"en","version":"1","digest":"abc"}';

/** Answers of a server that may be anybody: bodies by the contract, limits, waits, offsets. */
export function answers(): Parser {
  const kong =
    'content-type: application/json\nvia: 1.1 kong/3.9.3\nratelimit-limit: 100\nratelimit-remaining: 99\nratelimit-reset: 42\nx-ratelimit-limit-minute: 100\nx-ratelimit-remaining-minute: 99\nserver-timing: init;dur=1.5, ner;dur=3\ndate: Mon, 05 Jan 2026 12:00:20 GMT\nx-kong-upstream-latency: 7';
  const entities =
    '{"text":"Ada Lovelace","label":"PERSON","start_char":0,"end_char":12},{"text":"London","label":"GPE","start_char":31,"end_char":37}';
  return {
    inputs: [
      `200\n${kong}\n\n{"results":[{"entities":[${entities}]},{"error":"e","code":"too_large"}],${MODEL}}`,
      `200\n${kong}\n\n{${MODEL},"labels":["GPE"],"limits":{"max_body_bytes":1048576,"max_texts":1024,"max_characters":250000,"max_text_characters":40000}}`,
      `429\n${kong}\nretry-after: 42\nx-kong-response-latency: 1\n\n{"message":"API rate limit exceeded","request_id":"r"}`,
      '503\nretry-after: Mon, 05 Jan 2026 12:01:20 GMT\n\n{"error":"The model was ready too late.","code":"model_unavailable"}',
      '302\nlocation: https://other.example/nlp/ner?key=1\n\n<html>moved</html>',
    ].map((text) => Buffer.from(text)),
    words: [
      ...JSONS,
      '401',
      '413',
      '500',
      'retry-after: 1.5\n',
      'retry-after: 99999999999\n',
      'date: x\n',
      'content-encoding: gzip\n',
    ],
    parse(input) {
      const [head = '', ...rest] = input.toString().split('\n\n');
      const [status, ...lines] = head.split('\n');
      const headers = Object.fromEntries(
        lines.map((line) => line.split(/: (.*)/s, 2).map((part, i) => (i ? part : part.toLowerCase()))),
      );
      const reply = new Reply(
        'http://127.0.0.1/nlp/ner',
        Math.trunc(Number(status)) || 200,
        headers,
        rest.join('\n\n'),
        'r',
      );
      limits(reply);
      if (typeof explain(reply) !== 'string') throw new Error('no explanation');
      for (const read of [() => readAnswer(reply, 2, KEY), () => readDescription(reply, KEY)]) {
        try {
          const value = read();
          if ('results' in value) for (const result of value.results) if ('entities' in result) place(result.entities);
        } catch (error) {
          expected(error, NerError);
          if ((error as Error).message.includes(KEY)) throw new Error('the key is in a message');
          for (const served of [true, false]) judge(error as NerError, served);
        }
      }
    },
  };
}

function limits(reply: Reply): void {
  const { byPeriod, reset } = readLimits(reply);
  const numbers = [...byPeriod.values()].flatMap(({ limit, remaining }) => [limit, remaining]);
  numbers.push(reset?.seconds ?? 0, retryAfterMs(reply) ?? 0, upstreamMs(reply), Number(refusedByGateway(reply)));
  const times = [date(reply) ?? 0, ...Object.values(timings(reply))];
  if (numbers.some((number) => !(number >= 0)) || ![...numbers, ...times].every(Number.isFinite)) {
    throw new Error(`limits are no numbers: ${numbers} ${times}`);
  }
}

function place(entities: WireEntity[]): void {
  for (const { start, end, text } of toUtf16(TEXT, entities)) {
    if (TEXT.slice(start, end) !== text) throw new Error(`an entity is not at ${start} to ${end}`);
  }
}

/** What tests write into, gone with the process's own folder. */
function scratch(): { file: string; close: () => Promise<void> } {
  const folder = mkdtempSync(path.join(tmpdir(), 'burst-ner-fuzz-'));
  return { file: path.join(folder, 'file'), close: async () => rmSync(folder, { recursive: true }) };
}

const CELLS = [
  '"',
  '""',
  '","',
  '\r\n',
  '\r',
  '\n',
  ';',
  '\t',
  '|',
  ' "',
  '" ',
  '\\"',
  '\ufeff',
  '\xff',
  '\xff\xfe',
  '\xfe\xff',
  '\x1f\x8b',
];

/** Documents of the command. The first byte says how they are read. */
export function inputs(): Parser {
  const { file, close } = scratch();
  const texts = [
    `0${readFileSync('demo/texts/10-chat-emoji.txt', 'utf8')}`,
    `1${readFileSync('demo/texts/16-short-documents.jsonl', 'utf8')}`,
    '1{"id":1,"text":"Ada"}\n\n{"_id":{"$oid":"5"},"text":"Bob \\ud83d"}\r\n{"text":5}\n[1]\n{"id":"x","text":""}',
    `1{"id":${'{"a":'.repeat(9000)}1${'}'.repeat(9000)},"text":"Ada"}`,
    '2[{"id":1,"text":"Ada"},\n {"text":"a \\"b\\" [c]"}\n,\n{"text":"Bob"}]',
    '2{"text":"Ada"} {"text":"Bob"}\n{"text":"Eve"}',
    `3${readFileSync('demo/texts/17-table-rows.csv', 'utf8')}`,
    '3id;text\r\n1;"Eve, ""the\nlistener"""\r\n2;Zoë\r\n3;"a\\"b"\r\n',
    '4id\ttext\n1\tsay "a\n2\t"b\tc"\n',
  ].map((text) => Buffer.from(text));
  const packed = texts.map((text) => Buffer.concat([text.subarray(0, 1), gzipSync(text.subarray(1))]));
  const utf16 = Buffer.concat([Buffer.from('1\xff\xfe', 'latin1'), Buffer.from('{"text":"Łódź"}\n', 'utf16le')]);
  return {
    inputs: [...texts, ...packed.slice(2, 4), utf16],
    words: [...CELLS, ...JSONS, '"text":"x"', '"id":1', 'text,id\n', '0', '1', '2', '3', '4'],
    async parse(input) {
      const how = input[0] ?? 0;
      writeFileSync(file, input.subarray(1));
      const bytes = statSync(file).size;
      const format = FORMATS[how % FORMATS.length] ?? 'txt';
      let at = 0;
      try {
        const options = how & 64 ? { textField: 'text', idField: 'id' } : {};
        for await (const entry of readEntries([{ path: file, format, bytes }], options)) {
          if (!(entry.read >= at && entry.read <= bytes))
            throw new Error(`${entry.read} bytes behind ${at} of ${bytes}`);
          at = entry.read;
          if ('error' in entry) expected(entry.error, DocumentsError);
          else if (typeof entry.text !== 'string') throw new Error('a document without a text');
          const record = toRecord({ ok: true, index: 0, document: entry, entities: [], model: undefined });
          for (const { toText } of [jsonl, csv]) toText(record);
        }
      } catch (error) {
        expected(error, DocumentsError);
      }
    },
    close,
  };
}

/** What the command wrote before, and reads to go on. What it takes it writes again as it was. */
export function outputs(): Parser {
  const { file, close } = scratch();
  const records: OutputRecord[] = [
    {
      source: 'a.txt',
      entities: [{ text: 'Ada "L",\nb', label: 'PERSON', start: 0, end: 10 }],
      model: 'en/1/a',
      hash: '0123',
    },
    { source: '=b', line: 2, id: '-7', entities: [], hash: '45' },
    { source: 'c', line: 3, id: 7, error: { code: 'unreadable', message: 'c line 3 is not valid JSON' } },
    {
      source: 'd',
      entities: [1, 2, 3].map((n) => ({ text: `${n}`, label: 'CARDINAL', start: n, end: n + 1 })),
      model: 'en/1/a',
    },
  ];
  const written = { jsonl: records.map(jsonl.toText).join(''), csv: csv.header + records.map(csv.toText).join('') };
  const run =
    '{"version":1,"inputs":["a.txt","b.csv"],"textField":"t","format":"csv","outputFormat":"jsonl","shard":"1/2","documents":5}\n';
  return {
    inputs: [`j${written.jsonl}`, `c${written.csv}`, `r${run}`].map((text) => Buffer.from(text)),
    words: [...CELLS, ...JSONS, '{"source":', ',0,', ',-1,', ',999999999,', "'=", "''-"],
    async parse(input) {
      const kind = input.toString('latin1', 0, 1);
      writeFileSync(file, input.subarray(1));
      try {
        if (kind === 'r') return void readRun(file);
        const format = kind === 'c' ? csv : jsonl;
        const read = async () => {
          const all: OutputRecord[] = [];
          let at = 0;
          for await (const { record, end } of format.read(file)) {
            if (!(end > at && end <= statSync(file).size)) throw new Error(`a record ends at ${end}`);
            at = end;
            all.push(record);
          }
          return all;
        };
        const before = await read();
        writeFileSync(file, format.header + before.map(format.toText).join(''));
        if (!isDeepStrictEqual(await read(), before)) throw new Error('written again, they are others');
      } catch (error) {
        expected(error, OutputError);
      }
    },
    close,
  };
}
