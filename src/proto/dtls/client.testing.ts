/**
 * A DTLS 1.2 client for tests only, honest unless told otherwise: it can forge exactly one field of a handshake and
 * keep all others right (transcript, keys, Finished), so that a test proves that precisely one check refuses.
 */
import {
  createECDH,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
  verify,
  X509Certificate,
} from 'node:crypto';
import { SRTP_PROFILES, type SrtpKeys } from '../rtp/srtp/profile.ts';
import type { DtlsOutput } from './end.ts';
import { digest, extendedMasterSecret, recordCiphers, srtpKeys, verifyData } from './keys.ts';
import { fingerprintOf } from './proof.ts';
import { readFragments } from './reassembly.ts';
import { plainRecord, type RecordCipher, readRecords } from './record.ts';
import type { DtlsServer } from './server.ts';
import {
  CONTENT,
  EXTENSION,
  GROUP,
  handshakeMessage,
  MESSAGE,
  Reader,
  SUITES,
  uint,
  vector,
} from './wire.ts';

export interface Hello {
  version: number;
  random: Buffer;
  suites: number[];
  compressions: number[];
  extensions: Map<number, Buffer>;
  /** Behind the extensions. */
  tail: Buffer;
}

export interface Forgery {
  readonly hello?: (h: Hello) => void;
  /** Changes the body of a message, undefined leaves it out. The transcript holds what was really sent. */
  readonly body?: (type: number, honest: Buffer, client: TestClient) => Buffer | undefined;
  readonly epoch?: (type: number, honest: 0 | 1) => 0 | 1;
  /** Cuts messages into datagrams; default: one message, one record, one datagram. */
  readonly cut?: (messages: readonly { message: Buffer; epoch: 0 | 1 }[], client: TestClient) => Buffer[];
}

/** The one suite it speaks. */
export const suite = SUITES[0]!;

export interface ClientIdentity {
  readonly certificate: Buffer;
  readonly privateKey: KeyObject;
}

const u16s = (...list: number[]): Buffer => Buffer.concat(list.map(n => uint(2, n)));

export const honestHello = (): Hello => ({
  version: 0xfefd,
  random: randomBytes(32),
  suites: [0xc02b, 0x00ff],
  compressions: [0],
  extensions: new Map([
    [EXTENSION.supportedGroups, vector(2, u16s(GROUP.p256, GROUP.x25519))],
    [EXTENSION.pointFormats, vector(1, uint(1, 0))],
    [EXTENSION.signatureAlgorithms, vector(2, u16s(0x0403, 0x0401))],
    [EXTENSION.extendedMasterSecret, Buffer.alloc(0)],
    [EXTENSION.useSrtp, Buffer.concat([vector(2, u16s(1, 7)), vector(1)])],
  ]),
  tail: Buffer.alloc(0),
});

export function helloBody(h: Hello): Buffer {
  const extensions = [...h.extensions].map(([type, data]) => Buffer.concat([uint(2, type), vector(2, data)]));
  return Buffer.concat([
    uint(2, h.version),
    h.random,
    vector(1),
    vector(1),
    vector(2, u16s(...h.suites)),
    vector(1, Buffer.from(h.compressions)),
    vector(2, ...extensions),
    h.tail,
  ]);
}

export class TestClient {
  readonly server: DtlsServer;
  readonly identity: ClientIdentity;
  readonly forgery: Forgery;
  readonly outputs: DtlsOutput[] = [];
  transcript: Buffer[] = [];
  master: Buffer = Buffer.alloc(0);
  keys: { client: SrtpKeys; server: SrtpKeys } | undefined;
  ciphers: { client: RecordCipher; server: RecordCipher } | undefined;
  /** True when the server proved itself with its own Finished. */
  serverFinished = false;
  readonly alerts: number[] = [];
  now = 0;
  readonly recordSeq: [number, number] = [0, 0];
  #messageSeq = 0;
  readonly hello = honestHello();

  constructor(server: DtlsServer, identity: ClientIdentity, forgery: Forgery = {}) {
    this.server = server;
    this.identity = identity;
    this.forgery = forgery;
  }

  /** The whole handshake; ends early when the server refuses. Returns this. */
  run(): this {
    this.forgery.hello?.(this.hello);
    this.deliver(this.#cut([this.message(MESSAGE.clientHello, helloBody(this.hello), 0)]));
    const flight = this.#readServerFlight();
    if (flight === undefined) return this;
    const second: { message: Buffer; epoch: 0 | 1 }[] = [];
    const say = (type: number, honest: Buffer, epoch: 0 | 1): void => {
      const said = this.forgery.body ? this.forgery.body(type, honest, this) : honest;
      if (said !== undefined)
        second.push(this.message(type, said, this.forgery.epoch?.(type, epoch) ?? epoch));
    };
    say(MESSAGE.certificate, vector(3, vector(3, this.identity.certificate)), 0);
    const { publicValue, preMaster } = sharedWith(flight.group, flight.point);
    say(MESSAGE.clientKeyExchange, vector(1, publicValue), 0);
    this.master = extendedMasterSecret(suite, preMaster, this.digest());
    const randoms = { client: this.hello.random, server: flight.random };
    this.ciphers = recordCiphers(suite, this.master, randoms);
    const signature = sign('sha256', Buffer.concat(this.transcript), this.identity.privateKey);
    const algorithm = this.identity.privateKey.asymmetricKeyType === 'rsa' ? 0x0401 : 0x0403;
    say(MESSAGE.certificateVerify, Buffer.concat([uint(2, algorithm), vector(2, signature)]), 0);
    say(MESSAGE.finished, verifyData(suite, this.master, 'client', this.digest()), 1);
    this.keys = srtpKeys(suite, this.master, randoms, flight.profile);
    this.deliver(this.#cut(second));
    this.#readFinished();
    return this;
  }

  /** Of the transcript without its last `less` messages. */
  digest(less = 0): Buffer {
    return digest(suite, Buffer.concat(this.transcript.slice(0, this.transcript.length - less)));
  }

  message(type: number, body: Buffer, epoch: 0 | 1): { message: Buffer; epoch: 0 | 1 } {
    const message = handshakeMessage(type, this.#messageSeq++, body);
    this.transcript.push(message);
    return { message, epoch };
  }

  record(bytes: Buffer, epoch: 0 | 1, type: number = CONTENT.handshake): Buffer {
    const seq = this.recordSeq[epoch]++;
    return epoch === 0 ? plainRecord(type, seq, bytes) : this.ciphers!.client.seal(type, seq, bytes);
  }

  deliver(datagrams: readonly Buffer[]): void {
    for (const bytes of datagrams) this.server.handle({ type: 'datagram', bytes }, this.now);
    this.drain();
  }

  /** Takes everything the server says; returns what is new. */
  drain(): DtlsOutput[] {
    const fresh: DtlsOutput[] = [];
    for (let out = this.server.poll(); out; out = this.server.poll()) fresh.push(out);
    this.outputs.push(...fresh);
    for (const { type, epoch, fragment } of this.records(fresh))
      if (type === CONTENT.alert && epoch === 0) this.alerts.push(fragment[1]!);
    return fresh;
  }

  get closed(): Extract<DtlsOutput, { type: 'closed' }> | undefined {
    return this.outputs.find(o => o.type === 'closed');
  }

  get connected(): Extract<DtlsOutput, { type: 'connected' }> | undefined {
    return this.outputs.find(o => o.type === 'connected');
  }

  records(outputs: readonly DtlsOutput[] = this.outputs) {
    return outputs.flatMap(o => (o.type === 'send' ? [...readRecords(o.bytes)] : []));
  }

  #cut(messages: readonly { message: Buffer; epoch: 0 | 1 }[]): Buffer[] {
    if (this.forgery.cut) return this.forgery.cut(messages, this);
    return messages.map(m => this.record(m.message, m.epoch));
  }

  /** Checks what the server proves, as a browser does. */
  #readServerFlight() {
    const bodies = new Map<number, Buffer>();
    for (const { type, epoch, fragment } of this.records()) {
      if (type !== CONTENT.handshake || epoch !== 0) continue;
      for (const f of readFragments(fragment)) {
        if (bodies.has(f.type)) continue;
        bodies.set(f.type, f.data);
        this.transcript.push(handshakeMessage(f.type, f.seq, f.data));
      }
    }
    if (!bodies.has(MESSAGE.serverHelloDone)) return undefined;
    const hello = new Reader(bodies.get(MESSAGE.serverHello)!, 'ServerHello');
    hello.uint(2);
    const random = Buffer.from(hello.bytes(32));
    hello.vector(1);
    if (hello.uint(2) !== 0xc02b) throw new Error('another suite');
    hello.uint(1);
    const extensions = new Reader(hello.vector(2), 'extensions');
    let profile: SrtpKeys['profile'] | undefined;
    while (extensions.left > 0) {
      const type = extensions.uint(2);
      const data = new Reader(extensions.vector(2), 'extension');
      if (type !== EXTENSION.useSrtp) continue;
      const [id] = data.numbers(2);
      profile = id === SRTP_PROFILES.AEAD_AES_128_GCM.id ? 'AEAD_AES_128_GCM' : 'AES_CM_128_HMAC_SHA1_80';
    }
    const certificate = bodies.get(MESSAGE.certificate)!.subarray(6);
    const exchange = bodies.get(MESSAGE.serverKeyExchange)!;
    const kx = new Reader(exchange, 'ServerKeyExchange');
    kx.uint(1);
    const group = kx.uint(2);
    const point = kx.vector(1);
    const signed = Buffer.concat([this.hello.random, random, exchange.subarray(0, 4 + point.length)]);
    kx.uint(2);
    if (!verify('sha256', signed, new X509Certificate(certificate).publicKey, kx.vector(2))) return undefined; // it did not prove its certificate
    return { random, group, point, profile: profile! };
  }

  #readFinished(): void {
    for (const record of this.records()) {
      if (record.epoch !== 1 || record.type !== CONTENT.handshake) continue;
      const plain = this.ciphers!.server.open(record);
      if (plain === undefined) continue;
      const expected = verifyData(suite, this.master, 'server', this.digest());
      this.serverFinished = plain.subarray(12).equals(expected);
    }
  }
}

function sharedWith(group: number, point: Buffer): { publicValue: Buffer; preMaster: Buffer } {
  if (group === GROUP.p256) {
    const ecdh = createECDH('prime256v1');
    const publicValue = ecdh.generateKeys();
    return { publicValue, preMaster: ecdh.computeSecret(point) };
  }
  const prefix = Buffer.from('302a300506032b656e032100', 'hex');
  const own = generateKeyPairSync('x25519');
  const key = createPublicKey({ key: Buffer.concat([prefix, point]), format: 'der', type: 'spki' });
  return {
    publicValue: own.publicKey.export({ format: 'der', type: 'spki' }).subarray(12),
    preMaster: diffieHellman({ privateKey: own.privateKey, publicKey: key }),
  };
}

export const sha256Fingerprint = (der: Buffer): string => fingerprintOf(der).value;
