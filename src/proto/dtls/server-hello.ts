import type { KeyObject } from 'node:crypto';
import { SRTP_PROFILES, type SrtpProfile } from '../rtp/srtp/profile.ts';
import type { Randoms } from './keys.ts';
import { readSignature } from './proof.ts';
import {
  ALERT,
  checkPointFormats,
  DTLS_1_2,
  DtlsFault,
  EXTENSION,
  GROUP,
  type Group,
  malformed,
  Reader,
  readExtensions,
  SUITES,
  type Suite,
} from './wire.ts';

/** What the server chose of our hello. */
export interface ServerChoice {
  readonly serverRandom: Buffer;
  readonly suite: Suite;
  readonly srtp: SrtpProfile;
}

/** RFC 5246 §7.4.1.4: an answer to something that was not asked is a fault. */
const ASKED: readonly number[] = Object.values(EXTENSION).filter(
  type => type !== EXTENSION.supportedVersions,
);
const NAMED_CURVE = 3;

/**
 * RFC 5246 §7.4.1.3; only what our hello offered may be chosen.
 * ```
 * | version 2 | random 32 | session id <1> | suite 2 | compression 1 | extensions <2> |
 * ```
 */
export function readServerHello(body: Buffer, profiles: readonly SrtpProfile[]): ServerChoice {
  const r = new Reader(body, 'ServerHello');
  if (r.uint(2) !== DTLS_1_2)
    throw new DtlsFault(ALERT.protocolVersion, 'The server does not speak DTLS 1.2.');
  const serverRandom = Buffer.from(r.bytes(32));
  if (r.vector(1).length > 32) throw malformed('session id'); // nothing is resumed: what it is does not matter
  const id = r.uint(2);
  const suite = SUITES.find(s => s.id === id);
  if (suite === undefined || r.uint(1) !== 0)
    throw new DtlsFault(
      ALERT.illegalParameter,
      'The server chose a suite or a compression not offered to it.',
    );
  const extensions = readExtensions(r, 'ServerHello');
  r.end();
  for (const type of extensions.keys())
    if (!ASKED.includes(type))
      throw new DtlsFault(
        ALERT.unsupportedExtension,
        `The server answers extension ${type}, which was not asked.`,
      );
  checkPointFormats(extensions);
  const ems = extensions.get(EXTENSION.extendedMasterSecret);
  // RFC 7627 §5.2: without it two connections could be made to share their keys.
  if (ems === undefined) throw fault('The server does not know the extended_master_secret.');
  if (ems.length > 0) throw malformed('extended_master_secret');
  const renegotiation = extensions.get(EXTENSION.renegotiationInfo);
  if (renegotiation !== undefined && !renegotiation.equals(Buffer.of(0)))
    throw fault('The ServerHello continues a connection that is not there.'); // RFC 5746 §3.4
  return { serverRandom, suite, srtp: srtpOf(extensions.get(EXTENSION.useSrtp), profiles) };
}

/** RFC 5764 §4.1.1: exactly one of the profiles, and our (empty) MKI. */
function srtpOf(extension: Buffer | undefined, profiles: readonly SrtpProfile[]): SrtpProfile {
  if (extension === undefined)
    throw fault(`The server takes none of the SRTP profiles ${profiles.join(', ')}.`);
  const r = new Reader(extension, 'use_srtp');
  const [id, ...more] = r.numbers(2);
  const mki = r.vector(1);
  r.end();
  const chosen = profiles.find(p => SRTP_PROFILES[p].id === id);
  if (chosen === undefined || more.length > 0 || mki.length > 0) throw malformed('use_srtp');
  return chosen;
}

/** RFC 6347 §4.2.1: the cookie to repeat. Its version says nothing. */
export function readHelloVerifyRequest(body: Buffer): Buffer {
  const r = new Reader(body, 'HelloVerifyRequest');
  r.uint(2);
  const cookie = Buffer.from(r.vector(1));
  r.end();
  return cookie;
}

/** RFC 8422 §5.4: the server's share, signed with the key of its certificate over both randoms. */
export function readServerKeyExchange(
  body: Buffer,
  key: KeyObject,
  randoms: Randoms,
): { group: Group; peerValue: Buffer } {
  const r = new Reader(body, 'ServerKeyExchange');
  const curve = r.uint(1);
  const id = r.uint(2);
  const peerValue = Buffer.from(r.vector(1));
  const parameters = body.subarray(0, body.length - r.left);
  const holds = readSignature(r, key, Buffer.concat([randoms.client, randoms.server, parameters]));
  r.end();
  const group = Object.values(GROUP).find(g => g === id);
  if (curve !== NAMED_CURVE || group === undefined)
    throw new DtlsFault(ALERT.illegalParameter, 'The server chose a group not offered to it.');
  if (!holds)
    throw new DtlsFault(ALERT.decryptError, 'The server could not prove that the certificate is its own.');
  return { group, peerValue };
}

const fault = (text: string): DtlsFault => new DtlsFault(ALERT.handshakeFailure, text);
