import { SRTP_PROFILES, type SrtpProfile } from '../rtp/srtp/profile.ts';
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
  SIGNATURE,
  SUITES,
  type Suite,
} from './wire.ts';

/** What we settle on with this client. */
export interface Choice {
  readonly clientRandom: Buffer;
  readonly suite: Suite;
  readonly group: Group;
  readonly srtp: SrtpProfile;
  /** The client knows secure renegotiation: answer with the (empty) extension, RFC 5746 §3.6. */
  readonly renegotiationInfo: boolean;
}

const NO_RENEGOTIATION_SCSV = 0x00ff;

/**
 * Reads a ClientHello and chooses; faults with the alert and a sentence where there is nothing to choose. RFC 5246
 * §7.4.1.2, RFC 6347 §4.2.1.
 * ```
 * | version 2 | random 32 | session id <1> | cookie <1> | suites <2> | compressions <1> | extensions <2> |
 * ```
 */
export function readClientHello(body: Buffer, profiles: readonly SrtpProfile[]): Choice {
  const r = new Reader(body, 'ClientHello');
  const version = r.uint(2);
  // DTLS versions count down: fe ff is 1.0, fe fd is 1.2. RFC 8446 §4.2.1: 1.3 also says fe fd here.
  if (version >> 8 !== 0xfe || version > DTLS_1_2) throw tooOld();
  const clientRandom = Buffer.from(r.bytes(32));
  r.vector(1); // session id: nothing is resumed
  r.vector(1); // cookie: we asked for none
  const suites = r.numbers(2);
  const compressions = r.vector(1);
  const extensions = readExtensions(r, 'ClientHello');
  r.end();

  const suite = SUITES.find(s => s.auth === 'ec' && suites.includes(s.id)); // our certificate is of ECDSA
  if (suite === undefined)
    throw fault('The client offers no TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, which WebRTC requires.');
  if (!compressions.includes(0))
    throw new DtlsFault(ALERT.illegalParameter, 'The client does not offer the null compression.');
  const versions = extensions.get(EXTENSION.supportedVersions);
  if (versions && !numbers(versions, 1).includes(DTLS_1_2)) throw tooOld();
  // RFC 7627 §5.3: without it two connections could be made to share their keys. Every browser has it.
  const ems = required(extensions, EXTENSION.extendedMasterSecret, 'extended_master_secret');
  if (ems.length > 0) throw malformed('extended_master_secret');
  const signatures = numbers(required(extensions, EXTENSION.signatureAlgorithms, 'signature_algorithms'), 2);
  if (!signatures.includes(SIGNATURE.ecdsaSha256))
    throw fault('The client cannot verify ECDSA signatures with SHA-256.');
  return {
    clientRandom,
    suite,
    group: chooseGroup(extensions),
    srtp: chooseSrtp(required(extensions, EXTENSION.useSrtp, 'use_srtp'), profiles),
    renegotiationInfo: checkRenegotiation(extensions, suites),
  };
}

function chooseGroup(extensions: Map<number, Buffer>): Group {
  const groups = numbers(required(extensions, EXTENSION.supportedGroups, 'supported_groups'), 2);
  checkPointFormats(extensions);
  if (groups.includes(GROUP.p256)) return GROUP.p256;
  if (groups.includes(GROUP.x25519)) return GROUP.x25519;
  throw fault('The client offers neither P-256 nor X25519.');
}

/** RFC 5764 §4.1.1: profiles, then an MKI, which we do not use. Ours in our order. */
function chooseSrtp(extension: Buffer, profiles: readonly SrtpProfile[]): SrtpProfile {
  const r = new Reader(extension, 'use_srtp');
  const offered = r.numbers(2);
  r.vector(1);
  r.end();
  const chosen = profiles.find(p => offered.includes(SRTP_PROFILES[p].id));
  if (chosen === undefined)
    throw fault(`The client offers none of the SRTP profiles ${profiles.join(', ')}.`);
  return chosen;
}

/** RFC 5746 §3.6: on a first handshake the extension is empty; anything in it is an attack. */
function checkRenegotiation(extensions: Map<number, Buffer>, suites: readonly number[]): boolean {
  const info = extensions.get(EXTENSION.renegotiationInfo);
  if (info === undefined) return suites.includes(NO_RENEGOTIATION_SCSV);
  if (info.length !== 1 || info[0] !== 0)
    throw fault('The ClientHello tries to renegotiate a connection that is not there.');
  return true;
}

function required(extensions: Map<number, Buffer>, type: number, name: string): Buffer {
  const found = extensions.get(type);
  if (found === undefined) throw fault(`The ClientHello has no ${name}, which WebRTC requires.`);
  return found;
}

function numbers(extension: Buffer, width: 1 | 2): number[] {
  const r = new Reader(extension, 'list in an extension');
  const list = r.numbers(width);
  r.end();
  return list;
}

const fault = (text: string): DtlsFault => new DtlsFault(ALERT.handshakeFailure, text);
const tooOld = (): DtlsFault => new DtlsFault(ALERT.protocolVersion, 'The client does not offer DTLS 1.2.');
