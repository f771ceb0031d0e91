import { InputError } from './input-error.js';

const REASONS: Record<string, string> = {
  ECONNREFUSED: 'nothing listens there',
  ENOTFOUND: 'the host name has no address',
  EAI_AGAIN: 'the host name could not be looked up',
  EMFILE: 'this process may not open so many files; raise `ulimit -n` or lower -n',
  EPROTO: 'it does not speak TLS; is it an http:// address?',
  ERR_SSL_WRONG_VERSION_NUMBER: 'it does not speak TLS; is it an http:// address?',
  timeout: 'the connection took too long',
  cut: 'stopped before anything was sent',
};

/** The target cannot be measured: it is not there, or not who it says. One sentence. */
export class TargetError extends InputError {
  override readonly name = 'TargetError';

  /** @param code a system error code, or why the connection was given up */
  static connecting(url: URL, code: string | null, unverified: boolean): TargetError {
    if (unverified) {
      return new TargetError(
        `The certificate of ${url.host} does not verify (${code}); to trust a private authority, set NODE_EXTRA_CA_CERTS to its PEM file.`,
      );
    }
    const reason = REASONS[code ?? ''] ?? 'the connection ended before the request';
    return new TargetError(`Cannot connect to ${url.host}: ${reason}${code && code !== 'cut' ? ` (${code})` : ''}.`);
  }
}
