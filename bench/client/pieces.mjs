// Entities of texts that were cut, against those of the whole texts, by real spaCy.
import child_process from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import readline from 'node:readline';
import { DEFAULT_MODEL, describeModel, prepareModel } from '../../scripts/model.mjs';
import { python } from '../../scripts/python.mjs';
import { root, UserError } from '../../scripts/step.mjs';

/** @typedef {import('../../packages/client/src/offsets.js').Entity} Entity */
/** @typedef {import('../../packages/client/src/pieces.js').Piece} Piece */

const PYTHONPATH = [path.join(root, 'packages/service'), path.join(root, 'bench/service')].join(path.delimiter);
// spaCy takes 16 kB a token: whole texts that are longer would need gigabytes.
const DOCUMENT = 100_000;

/**
 * @param {{ quick?: boolean }} [options] quick: a tenth of the text
 * @returns {Promise<import('../report.mjs').Row[]>}
 */
export async function rows({ quick = false } = {}) {
  const { cut, join, toUtf16 } = await source();
  const share = quick ? 10 : 1;
  const real = [...fortunes().filter((_, i) => i % (4 * share) === 0), ...demoTexts()].join('\n\n');
  const texts = { generated: generated(1, 500_000 / share), real };
  const entities = { generated: 0, real: 0 };
  const cuts = {
    far: { pieces: (/** @type {string} */ text) => cut(text, 10_000), seams: 0 },
    near: { pieces: (/** @type {string} */ text) => cut(text, 1_000), seams: 0 },
    spaces: { pieces: (/** @type {string} */ text) => atSpaces(text, 1_000), seams: 0 },
  };
  const rules = {
    far: { cut: cuts.far, join, missing: 0, extra: 0 },
    near: { cut: cuts.near, join, missing: 0, extra: 0 },
    dedupe: { cut: cuts.near, join: dedupe, missing: 0, extra: 0 },
    spaces: { cut: cuts.spaces, join: dedupe, missing: 0, extra: 0 },
  };
  const spacy = await startSpacy(toUtf16);
  try {
    for (const kind of /** @type {const} */ (['generated', 'real'])) {
      for (let at = 0; at < texts[kind].length; at += DOCUMENT) {
        const text = texts[kind].slice(at, at + DOCUMENT).toWellFormed();
        const [whole = []] = await spacy.entities('spacy', [text]);
        entities[kind] += whole.length;
        for (const each of Object.values(cuts)) {
          const pieces = each.pieces(text);
          each.seams += pieces.length - 1;
          const parts = pieces.map(({ start, end }) => text.slice(start, end));
          const found = await spacy.entities('service', parts);
          for (const rule of Object.values(rules).filter(({ cut }) => cut === each)) {
            const { missing, extra } = differences(whole, rule.join(text, pieces, found));
            rule.missing += missing;
            rule.extra += extra;
          }
        }
      }
    }
  } finally {
    spacy.close();
  }
  const n = (/** @type {number} */ number) => number.toLocaleString('en');
  const all = entities.generated + entities.real;
  const text = (/** @type {{ missing: number, extra: number }} */ { missing, extra }) =>
    `${n(missing)} missing, ${n(extra)} extra`;
  const row = (/** @type {keyof rules} */ name, /** @type {number} */ target, peers = {}) => ({
    what: `documents of ${n(DOCUMENT)} characters, cut every ${n(target)}, against spaCy on the whole`,
    must: `0 differences of ≥ ${n(10_000 / share)} entities`,
    value: `${text(rules[name])} of ${n(all)} (${n(entities.generated)} in generated text, ${n(entities.real)} in real), ${n(rules[name].cut.seams)} seams`,
    peers,
    verdict: rules[name].missing + rules[name].extra === 0 && all >= 10_000 / share ? 'reached' : 'falls short',
  });
  return [
    row('far', 10_000),
    row('near', 1_000, {
      'the same pieces, overlaps deduped': text(rules.dedupe),
      'cut at a space, no context': text(rules.spaces),
    }),
  ];
}

/**
 * spaCy in a process of its own: as it is, or as the service runs it.
 * @param {typeof import('../../packages/client/src/offsets.js').toUtf16} toUtf16
 */
export async function startSpacy(toUtf16) {
  const script = path.join(root, 'bench/client/recognize.py');
  const pipeline = describeModel(DEFAULT_MODEL);
  const child = child_process.spawn(python, [script, pipeline.path, await prepareModel(pipeline)], {
    env: { ...process.env, PYTHONPATH },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = readline.createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    /** @param {'spacy' | 'service'} by @param {string[]} texts well-formed @returns {Promise<Entity[][]>} */
    async entities(by, texts) {
      child.stdin.write(`${JSON.stringify({ by, texts })}\n`);
      const line = await lines.next();
      if (line.done) throw new UserError('The process with spaCy ended; its own message stands above.');
      /** @type {import('../../packages/client/src/wire.js').WireEntity[][]} */
      const found = JSON.parse(line.value);
      return found.map((entities, i) => toUtf16(String(texts[i]), entities));
    },
    close: () => child.stdin.end(),
  };
}

/**
 * How many of `whole` are not in `found`, and the other way round.
 * @param {Entity[]} whole
 * @param {Entity[]} found
 */
export function differences(whole, found) {
  const names = (/** @type {Entity[]} */ entities) =>
    entities.map(({ start, end, label }) => `${start} ${end} ${label}`);
  const [a, b] = [new Set(names(whole)), new Set(names(found))];
  return { missing: [...a].filter((name) => !b.has(name)).length, extra: [...b].filter((name) => !a.has(name)).length };
}

/** The usual rule: what a piece finds where the pieces before it found nothing. @type {typeof import('../../packages/client/src/pieces.js').join} */
function dedupe(_text, pieces, found) {
  /** @type {Entity[]} */
  const joined = [];
  pieces.forEach((piece, i) => {
    for (const entity of found[i] ?? []) {
      const [start, end] = [piece.start + entity.start, piece.start + entity.end];
      if (start >= (joined.at(-1)?.end ?? 0)) joined.push({ ...entity, start, end });
    }
  });
  return joined;
}

/** @param {string} text @param {number} target @returns {Piece[]} */
function atSpaces(text, target) {
  const pieces = [];
  for (let start = 0; start < text.length; ) {
    const space = text.indexOf(' ', start + target);
    const end = space < 0 ? text.length : space + 1;
    pieces.push({ start, end, seam: start, limit: start });
    start = end;
  }
  return pieces;
}

const PEOPLE =
  'Ada Lovelace|Marie Curie|王小明|José Álvarez|Nguyễn Văn An|Dr. Smith|O’Connor|Zoë 😀 Müller|van der Berg'.split('|');
const PLACES =
  'London|New York City|São Paulo|the Gulf of Mexico|Zürich|Côte d’Ivoire|北京|U.S.|Frankfurt am Main'.split('|');
const GROUPS =
  'Acme Corp.|Bank of America|the European Union|Reuters|Johnson & Johnson|UNICEF|O2|the U.S. Senate'.split('|');
const TIMES = 'yesterday|on 3 May 2021|in the 1990s|at 10:45 a.m.|two weeks ago|FY2024'.split('|');
const NOISE = [
  '👩‍👩‍👧 🇫🇷 e\u0301 𝒵',
  'https://example.com/a/very-long_path?with=query&and=more#fragment',
  '\n\n\t\t',
  '   ',
  '\u00a0\u3000\u2003',
  '\x1c\x85',
  '=====',
  'NAME\tCITY\tSUM\nADA\tLONDON\t$ 1,000.00\nBOB\tPARIS\t€ 2.50\n',
  '“quoted”—and dashed—',
  '他在北京大学学习,后来去了上海。',
  'VGhpcyBpcyBhIGxvbmcgYmFzZTY0'.repeat(8),
  'Ann, Ben, Cy, Dee, Ed, Flo, Gus, Hal, Ida, Jon, Kim, Lou, Max, Ned, Oz, Pam, Quin, Roy, Sue, Tom',
];

/**
 * Text of sentences with names, tables, emoji, all sorts of white space and long runs; the same for the same seed.
 * @param {number} seed
 * @param {number} length in UTF-16 units
 */
export function generated(seed, length) {
  let state = seed;
  // Marsaglia's xorshift.
  const below = (/** @type {number} */ n) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % n;
  };
  const one = (/** @type {string[]} */ list) => list[below(list.length)] ?? '';
  const sentences = [
    () => `${one(PEOPLE)} of ${one(GROUPS)} flew to ${one(PLACES)} ${one(TIMES)}. `,
    () => `According to ${one(GROUPS)}, ${below(5000)} people left ${one(PLACES)} and ${one(PLACES)} ${one(TIMES)}; `,
    () => `${one(PEOPLE)}, ${below(90)}, paid $${below(900)}.${below(90)} million to ${one(PEOPLE)}’s lawyers.\n`,
    () => `What did ${one(PEOPLE)} and ${one(PEOPLE)} say?${one([' ', '\n', '\r\n', '  '])}`,
    () => `it rained, the meeting was long, nobody came and ${below(20)}% of the food was left. `,
    () => `${one(NOISE)}${one([' ', '', '\n'])}`,
  ];
  const parts = [];
  for (let at = 0; at < length; at += parts.at(-1)?.length ?? 0)
    parts.push(sentences[below(sentences.length)]?.() ?? '');
  return parts.join('').slice(0, length).toWellFormed();
}

export function demoTexts() {
  const folder = path.join(root, 'demo/texts');
  return fs.readdirSync(folder).map((name) => fs.readFileSync(path.join(folder, name), 'utf8'));
}

/** @returns {string[]} as the service's benchmark has them */
export function fortunes() {
  const code = 'import json, documents; print(json.dumps(documents.fortunes()))';
  const { status, stdout, stderr } = child_process.spawnSync(python, ['-c', code], {
    encoding: 'utf8',
    env: { ...process.env, PYTHONPATH },
    maxBuffer: 1 << 26,
  });
  if (status !== 0)
    throw new UserError(
      stderr
        .trim()
        .split('\n')
        .at(-1)
        ?.replace(/^[\w.]+: /, '') ?? '',
    );
  return JSON.parse(stdout);
}

/** The client's own modules, which its package does not export. */
async function source() {
  const { build } = await import('tsup');
  const outDir = path.join(root, '.cache/bench/client');
  const entry = ['pieces', 'offsets'].map((name) => path.join(root, `packages/client/src/${name}.ts`));
  await build({
    entry,
    outDir,
    format: 'esm',
    target: 'node20',
    config: false,
    silent: true,
    tsconfig: path.join(root, 'packages/client/tsconfig.json'),
  });
  /** @type {typeof import('../../packages/client/src/pieces.js')} */
  const { cut, join } = await import(path.join(outDir, 'pieces.js'));
  /** @type {typeof import('../../packages/client/src/offsets.js')} */
  const { toUtf16 } = await import(path.join(outDir, 'offsets.js'));
  return { cut, join, toUtf16 };
}
