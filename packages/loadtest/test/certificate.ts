import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A self-signed certificate for localhost, by the openssl command; undefined where there is none (never in CI). */
export function createCertificate(): { key: string; cert: string; file: string } | undefined {
  if (!process.env['CI'] && spawnSync('openssl', ['version']).error) {
    console.warn('no openssl command: the TLS tests are skipped');
    return undefined;
  }
  const file = (name: string) => join(folder, name);
  const folder = mkdtempSync(join(tmpdir(), 'burst-ner-load-'));
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
  const output = ['-keyout', file('key.pem'), '-out', file('cert.pem')];
  execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', ...subject, ...output], {
    stdio: 'ignore',
  });
  return {
    key: readFileSync(file('key.pem'), 'utf8'),
    cert: readFileSync(file('cert.pem'), 'utf8'),
    file: file('cert.pem'),
  };
}
