/**
 * A DTLS 1.2 server for tests only, honest unless told otherwise: it can forge exactly one message of a handshake and
 * keep all others right (transcript, keys, Finished), so that a test proves that precisely one check refuses.
 */
import { randomBytes, X509Certificate } from 'node:crypto';
import type { SrtpKeys } from '../rtp/srtp/profile.ts';
import type { DtlsClient } from './client.ts';
import { type Choice, readClientHello } from './client-hello.ts';
import type { DtlsOutput } from './end.ts';
import { digest, extendedMasterSecret, keyExchange, recordCiphers, srtpKeys, verifyData } from './keys.ts';
import { checkCertificateVerify, type Identity } from './proof.ts';
import { type Fragment, readFragments } from './reassembly.ts';
import { plainRecord, type RecordCipher, readRecords } from './record.ts';
import { serverFlight } from './server-flight.ts';
import { CONTENT, handshakeMessage, MESSAGE, Reader, type Suite, uint, vector } from './wire.ts';

export interface ServerForgery {
  /** Changes the body of a message, undefined leaves it out. The transcript holds what was really sent. */
  readonly body?: (type: number, honest: Buffer, server: TestServer) => Buffer | undefined;
  /** Asks for these cookies before it goes on. */
  readonly cookies?: readonly Buffer[];
  readonly suite?: Suite;
}

export class TestServer {
  readonly client: DtlsClient;
  readonly identity: Identity;
  readonly forgery: ServerForgery;
  readonly outputs: DtlsOutput[] = [];
  readonly hellos: Buffer[] = [];
  readonly alerts: number[] = [];
  keys: { client: SrtpKeys; server: SrtpKeys } | undefined;
  ciphers: { client: RecordCipher; server: RecordCipher } | undefined;
  choice!: Choice;
  readonly random = randomBytes(32);
  master: Buffer = Buffer.alloc(0);
  transcript: Buffer[] = [];
  #seq = 0;
  readonly #records: [number, number] = [0, 0];

  constructor(client: DtlsClient, identity: Identity, forgery: ServerForgery = {}) {
    this.client = client;
    this.identity = identity;
    this.forgery = forgery;
  }

  /** The whole handshake; ends early when the client refuses. Returns this. */
  run(): this {
    this.client.handle({ type: 'start' }, 0);
    let [hello] = this.hear();
    for (const cookie of this.forgery.cookies ?? []) {
      if (hello === undefined) return this;
      this.transcript = [];
      this.#say([[MESSAGE.helloVerifyRequest, Buffer.concat([uint(2, 0xfeff), vector(1, cookie)])]]);
      this.transcript = [];
      [hello] = this.hear();
    }
    if (hello === undefined) return this;
    this.#remember(hello);
    const chosen = readClientHello(hello.data, ['AES_CM_128_HMAC_SHA1_80', 'AEAD_AES_256_GCM']);
    this.choice = { ...chosen, suite: this.forgery.suite ?? chosen.suite };
    const kx = keyExchange(this.choice.group);
    this.#say(serverFlight(this.choice, this.random, kx, this.identity).map(b => [b.type, b.body]));
    const flight = this.hear();
    const { suite } = this.choice;
    const randoms = { client: this.choice.clientRandom, server: this.random };
    for (const f of flight) {
      if (f.type === MESSAGE.certificateVerify)
        checkCertificateVerify(f.data, this.#clientKey!, Buffer.concat(this.transcript));
      this.#remember(f);
      if (f.type === MESSAGE.certificate) this.#clientKey = new X509Certificate(f.data.subarray(6)).publicKey;
      if (f.type !== MESSAGE.clientKeyExchange) continue;
      const shared = kx.shared(new Reader(f.data, 'x').vector(1));
      this.master = extendedMasterSecret(suite, shared, this.digest());
      this.ciphers = recordCiphers(suite, this.master, randoms);
    }
    if (this.ciphers === undefined) return this;
    const [finished] = this.hear(true);
    if (
      finished === undefined ||
      !finished.data.equals(verifyData(suite, this.master, 'client', this.digest()))
    )
      return this;
    this.#remember(finished);
    this.keys = srtpKeys(suite, this.master, randoms, this.choice.srtp);
    this.#say([[MESSAGE.finished, verifyData(suite, this.master, 'server', this.digest())]], 1);
    this.hear();
    return this;
  }

  #clientKey: X509Certificate['publicKey'] | undefined;

  /** Of the transcript without its last `less` messages. */
  digest(less = 0): Buffer {
    return digest(this.choice.suite, Buffer.concat(this.transcript.slice(0, this.transcript.length - less)));
  }

  record(bytes: Buffer, epoch: 0 | 1, type: number = CONTENT.handshake): Buffer {
    const seq = this.#records[epoch]++;
    return epoch === 0 ? plainRecord(type, seq, bytes) : this.ciphers!.server.seal(type, seq, bytes);
  }

  deliver(bytes: Buffer, now = 0): void {
    this.client.handle({ type: 'datagram', bytes }, now);
  }

  /** Takes everything the client says; the handshake messages among it that are new, of epoch 0 or (`again`) 1. */
  hear(again = false): Fragment[] {
    const fresh: DtlsOutput[] = [];
    for (let out = this.client.poll(); out; out = this.client.poll()) fresh.push(out);
    this.outputs.push(...fresh);
    const found: Fragment[] = [];
    for (const out of again ? this.outputs : fresh) {
      if (out.type !== 'send') continue;
      for (const r of readRecords(out.bytes)) {
        if (r.epoch === 0 && r.type === CONTENT.alert && !again) this.alerts.push(r.fragment[1]!);
        if (r.type !== CONTENT.handshake || r.epoch !== Number(again)) continue;
        const plain = r.epoch === 0 ? r.fragment : this.ciphers?.client.open(r);
        for (const f of readFragments(plain ?? Buffer.alloc(0))) {
          if (f.type === MESSAGE.clientHello) this.hellos.push(f.data);
          found.push(f);
        }
      }
    }
    return found;
  }

  get connected(): Extract<DtlsOutput, { type: 'connected' }> | undefined {
    return this.outputs.find(o => o.type === 'connected');
  }

  get closed(): Extract<DtlsOutput, { type: 'closed' }> | undefined {
    return this.outputs.find(o => o.type === 'closed');
  }

  #remember(f: Fragment): void {
    this.transcript.push(handshakeMessage(f.type, f.seq, f.data));
  }

  #say(messages: readonly (readonly [type: number, honest: Buffer])[], epoch: 0 | 1 = 0): void {
    for (const [type, honest] of messages) {
      const body = this.forgery.body ? this.forgery.body(type, honest, this) : honest;
      if (body === undefined) continue;
      const message = handshakeMessage(type, this.#seq++, body);
      this.transcript.push(message);
      this.deliver(this.record(message, epoch));
    }
  }
}
