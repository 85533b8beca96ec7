import { SRTP_PROFILES } from '../rtp/srtp/profile.ts';
import type { Choice } from './client-hello.ts';
import type { KeyExchange } from './keys.ts';
import { type Identity, writeSignature } from './proof.ts';
import {
  CERTIFICATE_TYPE,
  DTLS_1_2,
  EXTENSION,
  extension,
  MESSAGE,
  numbers16,
  SIGNATURE,
  uint,
  vector,
} from './wire.ts';

/** Body of one message, before it has its sequence number. */
export interface Body {
  readonly type: number;
  readonly body: Buffer;
}

/** ServerHello … ServerHelloDone, RFC 5246 §7.4. Small enough for one datagram with a certificate of our own. */
export function serverFlight(
  choice: Choice,
  serverRandom: Buffer,
  kx: KeyExchange,
  identity: Identity,
): Body[] {
  // RFC 8422 §5.4: named_curve 3, the group, the public value.
  const parameters = Buffer.concat([uint(1, 3), uint(2, choice.group), vector(1, kx.publicValue)]);
  const signed = Buffer.concat([choice.clientRandom, serverRandom, parameters]);
  return [
    { type: MESSAGE.serverHello, body: serverHello(choice, serverRandom) },
    { type: MESSAGE.certificate, body: vector(3, vector(3, identity.certificate)) },
    {
      type: MESSAGE.serverKeyExchange,
      body: Buffer.concat([parameters, writeSignature(identity, signed)]),
    },
    { type: MESSAGE.certificateRequest, body: certificateRequest() },
    { type: MESSAGE.serverHelloDone, body: Buffer.alloc(0) },
  ];
}

function serverHello(choice: Choice, serverRandom: Buffer): Buffer {
  const extensions = [
    extension(EXTENSION.useSrtp, numbers16(SRTP_PROFILES[choice.srtp].id), vector(1)),
    extension(EXTENSION.extendedMasterSecret),
    extension(EXTENSION.pointFormats, vector(1, uint(1, 0))),
  ];
  if (choice.renegotiationInfo) extensions.push(extension(EXTENSION.renegotiationInfo, vector(1)));
  const noSession = vector(1);
  const nullCompression = uint(1, 0);
  return Buffer.concat([
    uint(2, DTLS_1_2),
    serverRandom,
    noSession,
    uint(2, choice.suite.id),
    nullCompression,
    vector(2, ...extensions),
  ]);
}

/** The algorithms `readSignature` knows; any authority, for all are self-signed. */
function certificateRequest(): Buffer {
  const types = vector(1, Buffer.from([CERTIFICATE_TYPE.ecdsaSign, CERTIFICATE_TYPE.rsaSign]));
  const algorithms = numbers16(SIGNATURE.ecdsaSha256, SIGNATURE.rsaPssSha256, SIGNATURE.rsaPkcs1Sha256);
  return Buffer.concat([types, algorithms, vector(2)]);
}
