import { InputError } from '../input-error.js';

const REASONS: Record<string, string> = {
  ECONNREFUSED: 'nothing listens there',
  ENOTFOUND: 'the host name has no address',
  EAI_AGAIN: 'the host name could not be looked up',
  EMFILE: 'this process may not open so many files; raise `ulimit -n`, or send less at once',
  EPROTO: 'it does not speak TLS; is it an http:// address?',
  ERR_SSL_WRONG_VERSION_NUMBER: 'it does not speak TLS; is it an http:// address?',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'it does not speak TLS; is it an http:// address?',
  ETIMEDOUT: 'the connection took too long',
  cut: 'stopped before anything was sent',
};

const TRUST = 'to trust a private authority, set NODE_EXTRA_CA_CERTS to its PEM file';
const CERTIFICATE: Record<string, string> = {
  CERT_HAS_EXPIRED: 'has expired; it must be renewed there',
  CERT_NOT_YET_VALID: 'is not valid yet; one of the two clocks is wrong, or it came too early',
  ERR_TLS_CERT_ALTNAME_INVALID: 'is for another host; use a name that it has',
};

/** The target cannot be measured: it is not there, or not who it says. One sentence. */
export class TargetError extends InputError {
  override readonly name = 'TargetError';
  /** Whether every connection must fail so: an unverified certificate, or this process's limit of open files. */
  readonly ofAll: boolean;

  private constructor(message: string, ofAll: boolean) {
    super(message);
    this.ofAll = ofAll;
  }

  /** @param code a system error code, or why the connection was given up */
  static connecting(url: URL, code: string | null, unverified: boolean): TargetError {
    if (unverified) {
      const why = CERTIFICATE[code ?? ''] ?? `does not verify (${code}); ${TRUST}`;
      return new TargetError(`The certificate of ${url.host} ${why}.`, true);
    }
    const reason = REASONS[code ?? ''] ?? 'the connection ended before the request';
    const named = code && code !== 'cut' ? ` (${code})` : '';
    return new TargetError(`Cannot connect to ${url.host}: ${reason}${named}.`, code === 'EMFILE');
  }
}
