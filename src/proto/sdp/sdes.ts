/**
 * Keys of SRTP in a description (SDES, RFC 4568; AES-GCM by RFC 7714).
 * ```
 * a=crypto:TAG SUITE inline:BASE64(key, salt)[|LIFETIME][|MKI:LENGTH] [SESSION-PARAMETER …]
 * ```
 * Read strictly: a line that is not understood whole is skipped (§5.1.2), and never half taken.
 */
import { isSrtpProfile, SRTP_PROFILES, type SrtpKeys, type SrtpProfile } from '../rtp/srtp/profile.ts';

/** One a=crypto line: what the side that wrote it seals with. */
export interface CryptoLine {
  readonly tag: number;
  readonly keys: SrtpKeys;
  /** The writer puts this master key identifier into its packets. */
  readonly mki?: Uint8Array;
}

/** Suites we offer and take, the preferred first: CM is the fastest here, GCM the stronger, the short tag the last resort. */
export const SUITES: readonly SrtpProfile[] = [
  'AES_CM_128_HMAC_SHA1_80',
  'AEAD_AES_256_GCM',
  'AEAD_AES_128_GCM',
  'AES_CM_128_HMAC_SHA1_32',
];

/** §9.2: a lifetime is a power of two or a number of packets. */
const LIFETIME = /^(2\^)?\d{1,15}$/;
const MKI = /^(\d{1,10}):(\d{1,3})$/;
/** Ours is 1024 packets, more than anybody asks for (§6.3.6: at least 64). */
const WINDOW = /^WSH=(\d{1,4})$/i;
const MAX_WINDOW = 1024;

/** The value of an a=crypto line; a string says in words why it cannot be had. */
export function readCrypto(value: string): CryptoLine | string {
  const [tag = '', suite = '', parameters = '', ...session] = value.trim().split(/[ \t]+/);
  if (!/^\d{1,9}$/.test(tag)) return 'its tag is not a number';
  if (!isSrtpProfile(suite)) return `its suite ${suite.slice(0, 40)} is not known`;
  const unknown = session.find(p => !accepted(p));
  if (unknown !== undefined) return `it asks for ${unknown.slice(0, 40)}`;
  const key = readKey(parameters, suite);
  return typeof key === 'string' ? key : { tag: Number(tag), ...key };
}

/** §6.3, §6.3.8: what is not understood refuses the line, unless it begins with a hyphen. */
function accepted(parameter: string): boolean {
  if (parameter === '' || parameter.startsWith('-')) return true;
  const window = WINDOW.exec(parameter);
  return window !== null && Number(window[1]) >= 64 && Number(window[1]) <= MAX_WINDOW;
}

/** One key only: which of several holds would have to be told by MKI (§6.1). */
function readKey(parameters: string, profile: SrtpProfile): Omit<CryptoLine, 'tag'> | string {
  const m = /^inline:([A-Za-z0-9+/]+={0,2})((?:\|[^|;]*)*)$/i.exec(parameters);
  if (m === null) return 'its key parameters are not one inline key';
  const { keyBytes, saltBytes } = SRTP_PROFILES[profile];
  const bytes = Buffer.from(m[1] as string, 'base64');
  // Buffer forgives too much: only what it would write itself counts, with or without the padding.
  const same = bytes.toString('base64').replace(/=+$/, '') === (m[1] as string).replace(/=+$/, '');
  if (!same || bytes.length !== keyBytes + saltBytes)
    return `its key and salt are not ${keyBytes + saltBytes} bytes in base64`;
  const [first, second, ...more] = (m[2] as string).split('|').slice(1);
  const lifetime = first !== undefined && LIFETIME.test(first);
  const mki = lifetime ? second : first;
  if (more.length > 0 || (!lifetime && second !== undefined))
    return 'its key parameters are not in their order';
  const identifier = mki === undefined ? undefined : readMki(mki);
  if (typeof identifier === 'string') return identifier;
  return {
    keys: { profile, masterKey: bytes.subarray(0, keyBytes), masterSalt: bytes.subarray(keyBytes) },
    ...(identifier && { mki: identifier }),
  };
}

/** `1:4`: the number 1 in 4 bytes (§6.1). */
function readMki(text: string): Uint8Array | string {
  const m = MKI.exec(text);
  const length = Number(m?.[2]);
  if (m === null || length < 1 || length > 128) return 'its MKI is not number:length';
  const bytes = Buffer.alloc(length);
  let rest = BigInt(m[1] as string);
  for (let at = length - 1; at >= 0; at--, rest >>= 8n) bytes[at] = Number(rest & 255n);
  return rest > 0n ? 'its MKI does not fit its length' : bytes;
}

/** No lifetime: the longest, 2^48 packets (§6.1); no MKI: one key. */
export const writeCrypto = ({ tag, keys }: CryptoLine): string =>
  `${tag} ${keys.profile} inline:${Buffer.concat([keys.masterKey, keys.masterSalt]).toString('base64')}`;

export function freshKeys(profile: SrtpProfile, random: (bytes: number) => Buffer): SrtpKeys {
  const { keyBytes, saltBytes } = SRTP_PROFILES[profile];
  return { profile, masterKey: random(keyBytes), masterSalt: random(saltBytes) };
}

export const sameKeys = (a: SrtpKeys, b: SrtpKeys): boolean =>
  a.profile === b.profile &&
  Buffer.compare(a.masterKey, b.masterKey) === 0 &&
  Buffer.compare(a.masterSalt, b.masterSalt) === 0;
