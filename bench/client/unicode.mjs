// Offsets over all of Unicode, lone surrogates included: what the service counts in code points, the client in UTF-16.
import { once } from 'node:events';
import http from 'node:http';
import fc from 'fast-check';

const KEY = 'bench-key';

/**
 * @param {{ quick?: boolean }} [options] quick: a tenth of the texts
 * @returns {Promise<import('../report.mjs').Row[]>}
 */
export async function rows({ quick = false } = {}) {
  const { NerClient } = await import('../../packages/client/dist/index.js');
  const server = http.createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    if (request.method === 'GET') return response.writeHead(404).end('{"message":"no Route matched"}');
    /** @type {{ texts: string[] }} */
    const { texts } = JSON.parse(Buffer.concat(chunks).toString());
    const results = texts.map((text) => ({ entities: spans(text) }));
    response.end(JSON.stringify({ results, model: { name: 'spans', version: '0', digest: 'none' } }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  const ner = new NerClient({ url: `http://127.0.0.1:${port}/nlp/ner`, apiKey: KEY });
  const anyUnit = fc.integer({ min: 0, max: 0xffff }).map((unit) => String.fromCharCode(unit));
  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 200 }),
    fc.string({ unit: 'grapheme', maxLength: 200 }),
    fc.string({ unit: anyUnit, maxLength: 200 }),
  );
  const texts = fc.sample(text, { numRuns: quick ? 2_000 : 20_000, seed: 1 });
  let entities = 0;
  let wrong = 0;
  try {
    for await (const outcome of ner.extractAll(texts)) {
      if (!outcome.ok) {
        wrong++;
        continue;
      }
      const expected = spans(outcome.document.toWellFormed());
      entities += expected.length;
      if (outcome.entities.length !== expected.length) wrong++;
      outcome.entities.forEach(({ text: found, start, end }, i) => {
        const right = outcome.document.slice(start, end) === found && found.toWellFormed() === expected[i]?.text;
        if (!right) wrong++;
      });
    }
  } finally {
    await ner.close();
    server.close();
  }
  return [
    {
      what: `entities of ${texts.length.toLocaleString('en')} texts from all of Unicode (fast-check)`,
      must: '100 % are the slice of the text that their offsets say',
      value: `${wrong} of ${entities.toLocaleString('en')} wrong`,
      verdict: wrong === 0 && entities > texts.length ? 'reached' : 'falls short',
    },
  ];
}

/** Spans of all lengths, as spaCy would tell of them: in code points. @param {string} text well-formed */
function spans(text) {
  const points = [...text];
  const found = [];
  for (let start = points.length % 3; start < points.length; ) {
    const end = Math.min(points.length, start + 1 + ((points[start]?.codePointAt(0) ?? 0) % 7));
    found.push({ text: points.slice(start, end).join(''), label: 'SPAN', start_char: start, end_char: end });
    start = end + (end % 2);
  }
  return found;
}
