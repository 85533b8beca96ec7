/** The lines of a description that tell how media is protected. */
import type { Fingerprint } from '../dtls/proof.ts';

export interface SectionSecurity {
  /** Values of `a=crypto` lines, as written (`sdes.ts`). Secret: whoever has them hears the call. */
  readonly crypto?: readonly string[];
  /** The section's own, else the session's, as the three below; hashes weaker than SHA-256 are left out. */
  readonly fingerprints?: readonly Fingerprint[];
  /** RFC 4145: who begins the handshake. */
  readonly setup?: Setup;
  /** RFC 8842: the name of a DTLS association. */
  readonly tlsId?: string;
}

export type Setup = 'active' | 'passive' | 'actpass' | 'holdconn';

/** Lines of keys and of fingerprints in one section; what is beyond is not read. */
const MAX_KEYS = 16;
/** Read here, as `sdp-transform` keeps one fingerprint and one session parameter of several. */
export const isSecurityLine = (line: string): boolean => /^a=(crypto|fingerprint|setup|tls-id):/i.test(line);

/** Of lines of a section, and of the session where the section has none. */
export function readSecurity(own: readonly string[], session: readonly string[]): SectionSecurity {
  const all = (lines: readonly string[], name: string): string[] =>
    lines
      .filter(l => l.toLowerCase().startsWith(`a=${name}:`))
      .map(l => l.slice(name.length + 3).trim())
      .slice(0, MAX_KEYS);
  const crypto = all(own, 'crypto'); // RFC 4568 §4: of a section alone
  const either = (name: string): string[] => {
    const mine = all(own, name);
    return mine.length > 0 ? mine : all(session, name);
  };
  const fingerprints = either('fingerprint').flatMap(readFingerprint);
  const setup = either('setup')[0]?.toLowerCase();
  const tlsId = either('tls-id')[0];
  return {
    ...(crypto.length > 0 && { crypto }),
    ...(fingerprints.length > 0 && { fingerprints }),
    ...(isSetup(setup) && { setup }),
    ...(tlsId !== undefined && /^[\w+/-]{1,255}$/.test(tlsId) && { tlsId }),
  };
}

const isSetup = (text: string | undefined): text is Setup =>
  text === 'active' || text === 'passive' || text === 'actpass' || text === 'holdconn';

/** `sha-256 4A:AD:…`, RFC 8122 §5. */
function readFingerprint(value: string): Fingerprint[] {
  const [hash = '', hex = ''] = value.split(/\s+/);
  const algorithm = (['sha-256', 'sha-384', 'sha-512'] as const).find(a => a === hash.toLowerCase());
  if (algorithm === undefined || !/^([\da-f]{2}:)+[\da-f]{2}$/i.test(hex)) return [];
  return [{ algorithm, value: hex.toUpperCase() }];
}

/** What `sdp-transform` writes of them. */
export const rawSecurity = (m: SectionSecurity) => ({
  ...(m.crypto && { crypto: m.crypto.map(rawCrypto) }),
  ...(m.fingerprints?.[0] && {
    fingerprint: { type: m.fingerprints[0].algorithm, hash: m.fingerprints[0].value },
  }),
  ...(m.setup !== undefined && { setup: m.setup }),
  ...(m.tlsId !== undefined && { invalid: [{ value: `tls-id:${m.tlsId}` }] }),
});

/** Ours have no session parameters. */
function rawCrypto(line: string): { id: number; suite: string; config: string } {
  const [id, suite = '', config = ''] = line.split(' ');
  return { id: Number(id), suite, config };
}
