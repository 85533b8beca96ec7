/** How the media of a section is protected: plain, SRTP with keys in the description (SDES), or DTLS-SRTP. */
import type { Fingerprint } from '../dtls/proof.ts';
import type { SrtpKeys } from '../rtp/srtp/profile.ts';
import { type CryptoLine, freshKeys, readCrypto, SUITES, sameKeys, writeCrypto } from './sdes.ts';
import type { Section } from './sdp.ts';

/**
 * What may carry media. `off`: plain RTP alone. `optional`: the peer's offer decides, our own are plain. `preferred`:
 * the peer's offer decides, our own are encrypted. `required`: encrypted or nothing.
 */
export type SrtpPolicy = 'off' | 'optional' | 'preferred' | 'required';

export type KeyingWay = 'none' | 'sdes' | 'dtls';

/** What our end has to say of protection. */
export interface KeyingLocal {
  readonly policy: SrtpPolicy;
  readonly random: (bytes: number) => Buffer;
  /** Of our certificate for DTLS. */
  readonly fingerprint: Fingerprint;
}

/** What both ends agreed on, from our side. */
export type Keying =
  | { readonly type: 'none' }
  | {
      readonly type: 'sdes';
      readonly tag: number;
      readonly send: SrtpKeys;
      readonly receive: SrtpKeys;
      readonly mki?: Uint8Array;
    }
  | {
      readonly type: 'dtls';
      readonly role: 'client' | 'server';
      /** One of these is the peer's certificate's. */
      readonly fingerprints: readonly Fingerprint[];
      /** RFC 8842 §4: our name of the association; another one is another association. */
      readonly id: string;
      /** The peer's name of it, where it has one. */
      readonly peerId?: string;
    };

/** The part of a section that tells of protection. */
type Said = Pick<Section, 'protocol'> & Partial<Pick<Section, 'crypto' | 'fingerprints' | 'setup' | 'tlsId'>>;

export const PLAIN: Keying = { type: 'none' };

const isPlain = (s: Section): boolean => /^RTP\/AVPF?$/i.test(s.protocol);
const isSavp = (s: Section): boolean => /^RTP\/SAVPF?$/i.test(s.protocol);
const isDtls = (s: Section): boolean => /^UDP\/TLS\/RTP\/SAVPF?$/i.test(s.protocol);

/** The lines that can be had, in the order of the peer, which is its preference (RFC 4568 §5.1.1). */
const usable = (s: Section): CryptoLine[] =>
  (s.crypto ?? []).map(readCrypto).filter(l => typeof l !== 'string');
const hasCertificate = (s: Section): boolean => (s.fingerprints?.length ?? 0) > 0;

/**
 * How an offered section can be had; undefined: not at all. Plain RTP that comes with keys is opportunistic (RFC 8643):
 * the keys are taken. `RTP/SAVP` with a fingerprint alone is how DTLS-SRTP was written before RFC 5764.
 */
export function wayOf(s: Section, policy: SrtpPolicy): KeyingWay | undefined {
  if (policy === 'off') return isPlain(s) ? 'none' : undefined;
  if (isDtls(s)) return hasCertificate(s) ? 'dtls' : undefined;
  if (!isPlain(s) && !isSavp(s)) return undefined;
  if (usable(s).length > 0) return 'sdes';
  if (hasCertificate(s) && s.setup !== undefined) return 'dtls';
  return isPlain(s) && policy !== 'required' ? 'none' : undefined;
}

/**
 * The best of the sections for which `fits` holds: who offers one medium twice, encrypted and plain, means one of the
 * two, and the encrypted one is taken. -1: none can be had.
 */
export function bestSection(
  sections: readonly Section[],
  policy: SrtpPolicy,
  fits: (s: Section) => boolean,
): number {
  const ways = sections.map(s => (fits(s) ? wayOf(s, policy) : undefined));
  const secure = ways.findIndex(w => w === 'sdes' || w === 'dtls');
  return secure >= 0 ? secure : ways.indexOf('none');
}

/** Answers the protection of `offered`, which has a way. `before`: what held for this medium so far. */
export function answerKeying(
  offered: Section,
  local: KeyingLocal | undefined,
  before: Keying | undefined,
): { said: Said; keying: Keying } {
  const { protocol } = offered;
  const way = local && wayOf(offered, local.policy);
  if (local === undefined || way === 'none' || way === undefined)
    return { said: { protocol }, keying: PLAIN };
  if (way === 'sdes') {
    const theirs = usable(offered)[0] as CryptoLine;
    // Its key did not change, so neither does ours: the counters of both go on (RFC 4568 §7.1.4).
    const keep =
      before?.type === 'sdes' && before.tag === theirs.tag && sameKeys(before.receive, theirs.keys);
    const send = keep ? before.send : freshKeys(theirs.keys.profile, local.random);
    return {
      said: { protocol, crypto: [writeCrypto({ tag: theirs.tag, keys: send })] },
      keying: sdes(theirs, send),
    };
  }
  const keying = dtls(offered, before, answeredRole(offered, before), () => newId(local));
  return {
    said: {
      protocol,
      fingerprints: [local.fingerprint],
      setup: keying.role === 'client' ? 'active' : 'passive',
      ...(offered.tlsId !== undefined && { tlsId: keying.id }), // RFC 8842 §5.3: only where the offer has one
    },
    keying,
  };
}

/**
 * What our offer says. `known`: our section before, whose keys stay; `way`: of a new section; `before`: what holds.
 * An offer of SDES has a key for every suite, each in a line of its own.
 */
export function offerKeying(
  local: KeyingLocal | undefined,
  way: KeyingWay,
  known: Section | undefined,
  before: Keying | undefined,
): Said {
  if (known !== undefined) {
    const crypto = known.crypto?.filter(line => before?.type !== 'sdes' || line.startsWith(`${before.tag} `));
    return {
      protocol: known.protocol,
      ...(crypto && { crypto }),
      // RFC 8842 §5.5: actpass, and the association goes on in its roles.
      ...(known.fingerprints && { fingerprints: known.fingerprints, setup: 'actpass' as const }),
      ...(before?.type === 'dtls' && { tlsId: before.id }),
      ...(before === undefined && known.tlsId !== undefined && { tlsId: known.tlsId }),
    };
  }
  if (local === undefined || way === 'none') return { protocol: 'RTP/AVP' };
  if (way === 'dtls')
    return {
      protocol: 'UDP/TLS/RTP/SAVP',
      fingerprints: [local.fingerprint],
      setup: 'actpass',
      tlsId: newId(local),
    };
  return { protocol: 'RTP/SAVP', crypto: freshLines(local) };
}

/** A description of ours that another process made, protected in the same ways by keys of our own. */
export function takenOver<S extends { readonly sections: readonly Section[] }>(
  theirs: S,
  local: KeyingLocal,
): S {
  const sections = theirs.sections.map(({ crypto, fingerprints, tlsId, ...s }) => ({
    ...s,
    ...(crypto && { crypto: freshLines(local) }),
    ...(fingerprints && { fingerprints: [local.fingerprint] }),
    ...(tlsId !== undefined && { tlsId: newId(local) }),
  }));
  return { ...theirs, sections };
}

/** A key for every suite, each in a line of its own. */
const freshLines = (local: KeyingLocal): string[] =>
  SUITES.map((profile, i) => writeCrypto({ tag: i + 1, keys: freshKeys(profile, local.random) }));

/** What `answer` makes of `offered` (ours); a string says in words what is wrong with it. */
export function acceptKeying(
  answer: Section,
  offered: Section,
  local: KeyingLocal | undefined,
  before: Keying | undefined,
): Keying | string {
  if (![isPlain, isSavp, isDtls].some(is => is(answer) && is(offered)))
    return `it says ${answer.protocol} where ${offered.protocol} was offered`;
  if (isPlain(answer) && answer.crypto === undefined && !hasCertificate(answer)) {
    if (local?.policy === 'required') return 'it leaves the media without encryption';
    return PLAIN;
  }
  if (offered.crypto !== undefined) return acceptSdes(answer, offered);
  if (offered.fingerprints === undefined) return PLAIN; // keys nobody asked for
  if (!hasCertificate(answer)) return 'it has no a=fingerprint of SHA-256 or better';
  if (answer.setup !== 'active' && answer.setup !== 'passive')
    return 'its a=setup is neither active nor passive (RFC 5763 §5)';
  return dtls(answer, before, answer.setup === 'active' ? 'server' : 'client', () => offered.tlsId ?? '');
}

/** RFC 4568 §5.1.3: exactly one line, and it is one of ours. */
function acceptSdes(answer: Section, offered: Section): Keying | string {
  const [line, ...more] = answer.crypto ?? [];
  if (line === undefined || more.length > 0) return 'it has not exactly one a=crypto line';
  const theirs = readCrypto(line);
  if (typeof theirs === 'string') return `its a=crypto line cannot be used: ${theirs}`;
  const ours = usable(offered).find(l => l.tag === theirs.tag);
  if (ours?.keys.profile !== theirs.keys.profile)
    return `its a=crypto line has a tag or a suite that was not offered`;
  return sdes(theirs, ours.keys);
}

const sdes = (theirs: CryptoLine, send: SrtpKeys): Keying => ({
  type: 'sdes',
  tag: theirs.tag,
  send,
  receive: theirs.keys,
  ...(theirs.mki && { mki: theirs.mki }),
});

/** RFC 5763 §5: who is free to choose is active, so that media comes soonest. A role once taken stays. */
function answeredRole(offered: Section, before: Keying | undefined): 'client' | 'server' {
  if (offered.setup === 'active') return 'server';
  if (offered.setup === 'passive') return 'client';
  return before?.type === 'dtls' ? before.role : 'client';
}

/** RFC 8842 §4: the same certificate, name and roles: the association goes on. Else a new one begins. */
function dtls(
  theirs: Section,
  before: Keying | undefined,
  role: 'client' | 'server',
  newId: () => string,
): Extract<Keying, { type: 'dtls' }> {
  const fingerprints = theirs.fingerprints ?? [];
  const same =
    before?.type === 'dtls' &&
    before.role === role &&
    before.peerId === theirs.tlsId &&
    before.fingerprints.length === fingerprints.length &&
    before.fingerprints.every((f, i) => f.value === fingerprints[i]?.value);
  if (same) return before;
  return {
    type: 'dtls',
    role,
    fingerprints,
    id: newId(),
    ...(theirs.tlsId !== undefined && { peerId: theirs.tlsId }),
  };
}

/** RFC 8842 §4: 20 characters at least. */
const newId = (local: KeyingLocal): string => local.random(18).toString('base64url');

/** Why none of these sections has a way, as reason and sentence. `what` names the medium: `audio`. */
export function whyUnprotected(
  sections: readonly Section[],
  policy: SrtpPolicy,
  where: 'offer' | 'answer',
  what: string,
): { reason: string; text: string } {
  const profiles = [...new Set(sections.map(s => s.protocol))].join(', ');
  const has = `The ${where} has ${what} only as ${profiles}`;
  const secure = sections.filter(s => isSavp(s) || isDtls(s));
  if (secure.length === 0 && sections.some(isPlain))
    return {
      reason: 'srtp-required',
      text: `${has}, without encryption, and this call must have it: turn media encryption (SDES or DTLS-SRTP) on on the other end, or set sip.srtp to optional here.`,
    };
  if (secure.length === 0)
    return {
      reason: 'no-common-profile',
      text: `${has}; this gateway takes RTP/AVP, RTP/SAVP and UDP/TLS/RTP/SAVP, each with or without F.`,
    };
  if (policy === 'off')
    return {
      reason: 'no-common-profile',
      text: `${has}; this gateway has media encryption turned off (sip.srtp): turn it off or to optional on the other end.`,
    };
  const lines = secure.flatMap(s => s.crypto ?? []);
  if (lines.length > 0) {
    const why = [...new Set(lines.map(readCrypto).filter(l => typeof l === 'string'))].join('; ');
    return {
      reason: 'no-common-suite',
      text: `No a=crypto line of the ${where} can be used (${why}); this gateway takes ${SUITES.join(', ')}.`,
    };
  }
  return {
    reason: 'no-media-keys',
    text: `${has}, with neither a=crypto keys nor a certificate's a=fingerprint of SHA-256 or better: there is no way to agree on keys.`,
  };
}
