import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generate } from 'selfsigned';

/** A self-signed certificate for localhost; `file` holds it for NODE_EXTRA_CA_CERTS. @param until when it expires */
export async function createCertificate(until?: Date): Promise<{ key: string; cert: string; file: string }> {
  const names = [
    { type: 2, value: 'localhost' },
    { type: 7, ip: '127.0.0.1' },
  ] as const;
  const { private: key, cert } = await generate([{ name: 'commonName', value: 'localhost' }], {
    extensions: [{ name: 'subjectAltName', altNames: [...names] }],
    ...(until && { notBeforeDate: new Date(until.getTime() - 86_400_000), notAfterDate: until }),
  });
  const file = join(mkdtempSync(join(tmpdir(), 'burst-ner-load-')), 'cert.pem');
  writeFileSync(file, cert);
  return { key, cert, file };
}
