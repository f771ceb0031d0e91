import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generate } from 'selfsigned';

const HERE = [
  { type: 2, value: 'localhost' },
  { type: 7, ip: '127.0.0.1' },
] as const;

/** A self-signed certificate, of a day where it says until when; `file` holds it for NODE_EXTRA_CA_CERTS. */
export async function createCertificate(
  until?: Date,
  names: readonly ({ type: 2; value: string } | { type: 7; ip: string })[] = HERE,
): Promise<{ key: string; cert: string; file: string }> {
  const { private: key, cert } = await generate([{ name: 'commonName', value: 'localhost' }], {
    extensions: [{ name: 'subjectAltName', altNames: [...names] }],
    ...(until && { notBeforeDate: new Date(until.getTime() - 86_400_000), notAfterDate: until }),
  });
  const file = join(mkdtempSync(join(tmpdir(), 'burst-ner-load-')), 'cert.pem');
  writeFileSync(file, cert);
  return { key, cert, file };
}
