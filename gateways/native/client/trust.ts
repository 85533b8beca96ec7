import { checkServerIdentity, createSecureContext, rootCertificates, type TLSSocket } from 'node:tls';
import { type Refusal, refuse } from '../../../src/kit/refusal.ts';

/** Which server is the right one. With nothing given: one whose certificate an authority of the system vouches for. */
export interface Trust {
  /** Authorities to believe besides those of the system, PEM. */
  readonly ca?: string | readonly string[];
  /** SHA-256 of the only certificate to take, `AA:BB:…` or plain hex. */
  readonly fingerprint?: string;
  /** Takes any certificate: whoever is in between may listen. */
  readonly insecure?: boolean;
}

const plain = (text: string): string => text.replace(/[^0-9a-fA-F]/g, '').toLowerCase();

/** What `tls.connect` and `ws` take. With a fingerprint the check is `checkPinned`, after the handshake. */
export function tlsOptions(trust: Trust, name: string) {
  const ca = trust.ca === undefined ? undefined : [...rootCertificates, ...[trust.ca].flat()];
  const isName = /[a-z]/i.test(name) && !name.includes(':');
  return {
    minVersion: 'TLSv1.3' as const,
    rejectUnauthorized: trust.fingerprint === undefined && trust.insecure !== true,
    ...(ca !== undefined && { secureContext: createSecureContext({ ca }) }),
    ...(isName && { servername: name }), // RFC 6066 §3: no addresses
    checkServerIdentity: (_: string, certificate: Parameters<typeof checkServerIdentity>[1]) =>
      checkServerIdentity(name, certificate),
  };
}

/** Throws a Refusal when another certificate is pinned than the one shown. */
export function checkPinned(socket: TLSSocket, trust: Trust, name: string): void {
  if (trust.fingerprint === undefined) return;
  const shown = socket.getPeerX509Certificate()?.fingerprint256 ?? '';
  if (plain(shown) !== plain(trust.fingerprint))
    throw refuse(
      'upstream',
      'bad-certificate',
      `${name} shows a certificate with the fingerprint ${shown || '(none)'}, which is not the one asked for.`,
    );
}

const FAULTS: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: 'self-signed',
  SELF_SIGNED_CERT_IN_CHAIN: 'signed by an unknown authority',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'signed by an unknown authority',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'signed by an unknown authority',
  CERT_HAS_EXPIRED: 'expired',
  CERT_NOT_YET_VALID: 'not valid yet',
  ERR_TLS_CERT_ALTNAME_INVALID: 'made out to another name',
};

/** OpenSSL's code in words; undefined when it is about something else. */
export const certificateFault = (code: string | undefined): string | undefined => FAULTS[code ?? ''];

/** An error of `tls.connect` as a Refusal. */
export function connectFault(e: NodeJS.ErrnoException, where: string): Refusal {
  const fault = certificateFault(e.code);
  if (fault !== undefined)
    return refuse(
      'upstream',
      'bad-certificate',
      `The certificate of ${where} is ${fault}: give its authority (ca), its fingerprint, or insecure.`,
    );
  return refuse(
    'upstream',
    'connect-failed',
    `No TLS connection to ${where} (${e.code ?? e.message}): is Roombridge running there, with the role native or agent?`,
  );
}
