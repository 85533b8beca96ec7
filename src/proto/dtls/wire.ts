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
  helloVerifyRequest: 3,
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
  unsupportedExtension: 110,
} as const;

export const DTLS_1_2 = 0xfefd;
export const RECORD_HEADER = 13;
export const HANDSHAKE_HEADER = 12;
/** A cipher suite of ECDHE and AES-GCM, RFC 5289. */
export interface Suite {
  readonly id: number;
  /** Key of the server's certificate. */
  readonly auth: 'ec' | 'rsa';
  readonly keyBytes: 16 | 32;
  /** Of PRF and transcript. */
  readonly hash: 'sha256' | 'sha384';
}

/** The preferred first: TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 is what every WebRTC end must have (RFC 8827 §6.5). */
export const SUITES: readonly Suite[] = [
  { id: 0xc02b, auth: 'ec', keyBytes: 16, hash: 'sha256' },
  { id: 0xc02f, auth: 'rsa', keyBytes: 16, hash: 'sha256' },
  { id: 0xc02c, auth: 'ec', keyBytes: 32, hash: 'sha384' },
  { id: 0xc030, auth: 'rsa', keyBytes: 32, hash: 'sha384' },
];
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
/** RFC 5246 §7.4.4: ecdsa_sign and rsa_sign. */
export const CERTIFICATE_TYPE = { ecdsaSign: 64, rsaSign: 1 } as const;
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

/** The extensions at the end of a hello; `what` names it in faults. RFC 5246 §7.4.1.4: none comes twice. */
export function readExtensions(r: Reader, what: string): Map<number, Buffer> {
  const found = new Map<number, Buffer>();
  if (r.left === 0) return found;
  const list = new Reader(r.vector(2), 'list of extensions');
  while (list.left > 0) {
    const type = list.uint(2);
    if (found.has(type)) throw new DtlsFault(ALERT.decodeError, `The ${what} has extension ${type} twice.`);
    found.set(type, list.vector(2));
  }
  return found;
}

/** RFC 8422 §5.1.2: whoever names point formats names the uncompressed one. */
export function checkPointFormats(extensions: ReadonlyMap<number, Buffer>): void {
  const formats = extensions.get(EXTENSION.pointFormats);
  if (formats === undefined) return;
  const r = new Reader(formats, 'ec_point_formats');
  const uncompressed = r.vector(1).includes(0);
  r.end();
  if (!uncompressed) throw malformed('ec_point_formats');
}

export const malformed = (name: string): DtlsFault =>
  new DtlsFault(ALERT.illegalParameter, `The ${name} is not as it must be.`);

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

/** An extension of a hello. */
export const extension = (type: number, ...data: readonly Buffer[]): Buffer =>
  Buffer.concat([uint(2, type), vector(2, ...data)]);

/** A list of 16-bit numbers behind its length. */
export const numbers16 = (...list: readonly number[]): Buffer => vector(2, ...list.map(n => uint(2, n)));

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
