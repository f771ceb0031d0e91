// A service without a limit, and with no model: every capitalised word is a NAME. A process of its own, so that what it
// costs is nobody else's; it ends with standard input.
import http from 'node:http';
import process from 'node:process';

const model = { name: 'en_test', version: '1.0.0', digest: '0123456789ab'.padEnd(64, '0') };

const server = http.createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  response.setHeader('content-type', 'application/json');
  if (request.method === 'GET') return response.writeHead(404).end('{"message":"no Route matched with those values"}');
  /** @type {{ texts: string[] }} */
  const { texts } = JSON.parse(Buffer.concat(chunks).toString());
  const started = performance.now();
  const results = texts.map((text) => ({ entities: [...names(text)] }));
  response.setHeader('server-timing', `ner;dur=${(performance.now() - started).toFixed(1)}`);
  response.setHeader('via', '1.1 kong/3.9.3');
  response.end(JSON.stringify({ results, model }));
});
server.listen(0, '127.0.0.1', () => {
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  console.log(`http://127.0.0.1:${port}/nlp/ner`);
});
process.stdin.resume().on('end', () => process.exit());

/** @param {string} text in ASCII: code points and UTF-16 are the same there */
function* names(text) {
  for (const { 0: name, index } of text.matchAll(/\b[A-Z][a-z]+/g)) {
    yield { text: name, label: 'NAME', start_char: index, end_char: index + name.length };
  }
}
