/**
 * Numbers and byte tools of DTLS 1.2 (RFC 6347, RFC 5246): the vocabulary of this folder.
 * ```
 * record     | type 1 | version 2: fe fd | epoch 2 | sequence 6 | length 2 | fragment …
 * handshake  | type 1 | length 3 | message seq 2 | fragment offset 3 | fragment length 3 | body …
 * ```
 */
export const CONTENT = { changeCipherSpec: 20, alert: 21, handshake: 22, applicationData: 23 } as const;

export const MESSAGE = {
  clientHello: 1,
  serverHello: 2,
  certificate: 11,
  serverKeyExchange: 12,
  certificateRequest: 13,
  serverHelloDone: 14,
  certificateVerify: 15,
  clientKeyExchange: 16,
  finished: 20,
} as const;

/** RFC 5246 §7.2, and RFC 7507 (86). */
export const ALERT = {
  closeNotify: 0,
  unexpectedMessage: 10,
  handshakeFailure: 40,
  badCertificate: 42,
  unsupportedCertificate: 43,
  illegalParameter: 47,
  decodeError: 50,
  decryptError: 51,
  protocolVersion: 70,
  internalError: 80,
  inappropriateFallback: 86,
} as const;

export const DTLS_1_2 = 0xfefd;
export const RECORD_HEADER = 13;
export const HANDSHAKE_HEADER = 12;
/** TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, RFC 5289: the one suite every WebRTC client must have (RFC 8827 §6.5). */
export const SUITE = 0xc02b;
export const EXTENSION = {
  supportedGroups: 10,
  pointFormats: 11,
  signatureAlgorithms: 13,
  useSrtp: 14,
  extendedMasterSecret: 23,
  supportedVersions: 43,
  renegotiationInfo: 0xff01,
} as const;
export const GROUP = { p256: 23, x25519: 29 } as const;
export type Group = (typeof GROUP)[keyof typeof GROUP];
export const SIGNATURE = { ecdsaSha256: 0x0403, rsaPssSha256: 0x0804, rsaPkcs1Sha256: 0x0401 } as const;

/** Ends the handshake: the alert goes to the peer, the sentence to the leg. Never leaves this folder. */
export class DtlsFault extends Error {
  readonly alert: number;
  constructor(alert: number, text: string) {
    super(text);
    this.alert = alert;
  }
}

/** Reads TLS vectors out of one message; anything that does not fit is a decode_error. */
export class Reader {
  readonly #bytes: Buffer;
  readonly #what: string;
  #at = 0;
  /** `what` names the message in faults. */
  constructor(bytes: Buffer, what: string) {
    this.#bytes = bytes;
    this.#what = what;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  /** An unsigned number of 1–4 bytes. */
  uint(width: 1 | 2 | 3 | 4): number {
    return this.bytes(width).readUIntBE(0, width);
  }

  /** The next `n` bytes; borrowed. */
  bytes(n: number): Buffer {
    if (n > this.left) throw new DtlsFault(ALERT.decodeError, `The ${this.#what} ends too early.`);
    this.#at += n;
    return this.#bytes.subarray(this.#at - n, this.#at);
  }

  /** A vector behind its length of `width` bytes. */
  vector(width: 1 | 2 | 3): Buffer {
    return this.bytes(this.uint(width));
  }

  /** A vector of 16-bit numbers behind its length. */
  numbers(width: 1 | 2): number[] {
    const items = new Reader(this.vector(width), this.#what);
    const out: number[] = [];
    while (items.left > 0) out.push(items.uint(2));
    return out;
  }

  /** RFC 5246 §7.4.1.2 and everywhere else: nothing may follow. */
  end(): void {
    if (this.left > 0) throw new DtlsFault(ALERT.decodeError, `The ${this.#what} has bytes left over.`);
  }
}

export function uint(width: 1 | 2 | 3, value: number): Buffer {
  const out = Buffer.alloc(width);
  out.writeUIntBE(value, 0, width);
  return out;
}

/** `parts` behind their length of `width` bytes. */
export function vector(width: 1 | 2 | 3, ...parts: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([uint(width, body.length), body]);
}

/** A whole handshake message with its header in one fragment: the form that goes into the transcript (RFC 6347 §4.2.6). */
export function handshakeMessage(type: number, seq: number, body: Uint8Array): Buffer {
  return Buffer.concat([
    uint(1, type),
    uint(3, body.length),
    uint(2, seq),
    uint(3, 0),
    uint(3, body.length),
    body,
  ]);
}
