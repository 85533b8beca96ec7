import { constants, createHash, type KeyObject, verify, X509Certificate } from 'node:crypto';
import { ALERT, DtlsFault, Reader, SIGNATURE } from './wire.ts';

/** From the peer's SDP: `a=fingerprint:sha-256 AA:BB:…` (RFC 8122). */
export interface Fingerprint {
  readonly algorithm: 'sha-256' | 'sha-384' | 'sha-512';
  /** Upper-case hex with colons. */
  readonly value: string;
}

const MIN_RSA_BITS = 2048;

/** The key of the client's certificate, once its fingerprint is one of those announced. RFC 5246 §7.4.6, RFC 5763 §5. */
export function readClientCertificate(body: Buffer, announced: readonly Fingerprint[]): KeyObject {
  const r = new Reader(body, 'Certificate');
  const chain = new Reader(r.vector(3), 'certificate chain');
  r.end();
  if (chain.left === 0) throw new DtlsFault(ALERT.handshakeFailure, 'The client sent no certificate.');
  const der = chain.vector(3);
  while (chain.left > 0) chain.vector(3);
  const matches = announced.some(
    f =>
      createHash(f.algorithm.replace('-', '')).update(der).digest('hex') ===
      f.value.replaceAll(':', '').toLowerCase(),
  );
  if (!matches)
    throw new DtlsFault(
      ALERT.badCertificate,
      'The certificate of the client is not the one whose fingerprint its SDP announced.',
    );
  return publicKeyOf(der);
}

function publicKeyOf(der: Buffer): KeyObject {
  let key: KeyObject;
  try {
    key = new X509Certificate(der).publicKey;
  } catch {
    throw new DtlsFault(ALERT.badCertificate, 'The certificate of the client cannot be read.');
  }
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key;
  if (type === 'ec') return key;
  if (type === 'rsa' && (details?.modulusLength ?? 0) >= MIN_RSA_BITS) return key;
  throw new DtlsFault(
    ALERT.unsupportedCertificate,
    'The key of the client is neither ECDSA nor RSA of 2048 bits or more.',
  );
}

/** RFC 5246 §7.4.8: the client signs every handshake message so far, and so proves that the certificate is its own. */
export function checkCertificateVerify(body: Buffer, key: KeyObject, transcript: Buffer): void {
  const r = new Reader(body, 'CertificateVerify');
  const algorithm = r.uint(2);
  const signature = r.vector(2);
  r.end();
  if (!signatureHolds(algorithm, key, transcript, signature))
    throw new DtlsFault(ALERT.decryptError, 'The client could not prove that the certificate is its own.');
}

/** The algorithm must be one we asked for, and fit the key. */
function signatureHolds(algorithm: number, key: KeyObject, transcript: Buffer, signature: Buffer): boolean {
  const type = key.asymmetricKeyType;
  switch (algorithm) {
    case SIGNATURE.ecdsaSha256:
      return type === 'ec' && verify('sha256', transcript, key, signature);
    case SIGNATURE.rsaPkcs1Sha256:
      return type === 'rsa' && verify('sha256', transcript, key, signature);
    case SIGNATURE.rsaPssSha256: {
      const padding = constants.RSA_PKCS1_PSS_PADDING;
      return type === 'rsa' && verify('sha256', transcript, { key, padding, saltLength: 32 }, signature);
    }
    default:
      return false;
  }
}
