import { type KeyObject, timingSafeEqual } from 'node:crypto';
import { type Core, type Millis, NEVER, type Tick } from '../../../kit/core.ts';
import type { SrtpKeys, SrtpProfile } from '../../rtp/srtp/profile.ts';
import { readClientHello } from './client-hello.ts';
import { checkCertificateVerify, type Fingerprint, readClientCertificate } from './client-proof.ts';
import { FlightSender } from './flight-sender.ts';
import {
  extendedMasterSecret,
  type KeyExchange,
  keyExchange,
  type Randoms,
  recordCiphers,
  sha256,
  srtpKeys,
  verifyData,
} from './keys.ts';
import { type HandshakeMessage, Reassembly, readFragments } from './reassembly.ts';
import { type DtlsRecord, type RecordCipher, readRecords } from './record.ts';
import { type Identity, serverFlight } from './server-flight.ts';
import { ALERT, CONTENT, DtlsFault, handshakeMessage, MESSAGE, Reader } from './wire.ts';

export type DtlsInput = { readonly type: 'datagram'; readonly bytes: Buffer } | { readonly type: 'close' };

export type DtlsOutput =
  | { readonly type: 'send'; readonly bytes: Buffer }
  /** Keys for what the client sends and for what we send. */
  | { readonly type: 'connected'; readonly client: SrtpKeys; readonly server: SrtpKeys }
  | {
      readonly type: 'closed';
      readonly by: 'close-notify' | 'alert' | 'fault' | 'us';
      readonly text: string;
    };

export interface DtlsOptions {
  readonly identity: Identity;
  /** Of the client's certificate, from its SDP; one must match. */
  readonly fingerprints: readonly Fingerprint[];
  /** Those we accept, the preferred first. */
  readonly profiles: readonly SrtpProfile[];
  readonly random: (bytes: number) => Buffer;
  /** Told the reason of everything dropped. */
  readonly junk: (reason: string) => void;
}

type State = 'hello' | 'certificate' | 'key-exchange' | 'proof' | 'finished' | 'connected' | 'closed';

/** What may arrive before its keys are there: the client's Finished, overtaking what goes before it. */
const MAX_EARLY = 2;
const MAX_EARLY_BYTES = 256;

/**
 * The server side of DTLS 1.2 for DTLS-SRTP: one suite, the client's certificate required, no resumption, no cookie,
 * no renegotiation. The state table is in the README: every message has one state, every state one message, and the
 * only way into `connected` leads through all four checks (fingerprint, point, CertificateVerify, Finished).
 */
export class DtlsServer implements Core<DtlsInput, DtlsOutput> {
  #state: State = 'hello';
  readonly #o: DtlsOptions;
  readonly #outputs: DtlsOutput[] = [];
  readonly #messages = new Reassembly();
  readonly #flight = new FlightSender();
  readonly #early: Buffer[] = [];
  /** Every handshake message of both sides, unfragmented (RFC 6347 §4.2.6). */
  #transcript: Buffer[] = [];
  #outSeq = 0;
  #kx: KeyExchange | undefined;
  #profile: SrtpProfile | undefined;
  #randoms: Randoms | undefined;
  #clientKey: KeyObject | undefined;
  #master: Buffer | undefined;
  /** Set when the client has proved itself: what opens epoch 1. */
  #reader: RecordCipher | undefined;
  #ignoredAlert: number | undefined;

  constructor(o: DtlsOptions) {
    this.#o = o;
  }

  get state(): State {
    return this.#state;
  }

  /** An alert that came before there were keys. It may be forged and ends nothing, but tells why nothing goes on. */
  get ignoredAlert(): number | undefined {
    return this.#ignoredAlert;
  }

  get deadline(): Millis {
    return this.#state === 'connected' || this.#state === 'closed' ? NEVER : this.#flight.deadline;
  }

  poll(): DtlsOutput | undefined {
    return this.#outputs.shift();
  }

  handle(input: DtlsInput | Tick, now: Millis): void {
    if (this.#state === 'closed') return;
    if (input.type === 'tick') {
      if (now >= this.deadline) this.#sendFlight(now);
    } else if (input.type === 'close') {
      if (this.#state === 'connected') this.#sendAlert(1, ALERT.closeNotify);
      this.#close('us', 'Closed by this end.');
    } else this.#datagram(input.bytes, now);
  }

  #datagram(bytes: Buffer, now: Millis): void {
    const records = readRecords(bytes);
    let next = records.next();
    for (; !next.done && this.#open; next = records.next()) this.#record(next.value, now);
    if (next.done && next.value === 'junk') this.#o.junk('dtls-record');
  }

  get #open(): boolean {
    return this.#state !== 'closed';
  }

  #record(record: DtlsRecord, now: Millis): void {
    if (record.epoch === 0) return this.#epoch0(record, now);
    if (record.epoch !== 1) return this.#o.junk('dtls-epoch');
    if (this.#reader === undefined) {
      const keep = this.#early.length < MAX_EARLY && record.bytes.length <= MAX_EARLY_BYTES;
      if (keep && this.#state !== 'hello') this.#early.push(Buffer.from(record.bytes));
      else this.#o.junk('dtls-early');
      return;
    }
    const plain = this.#reader.open(record);
    if (plain === undefined) return this.#o.junk('dtls-forged');
    if (record.type === CONTENT.handshake) this.#handshake(plain, 1, now);
    else if (record.type === CONTENT.alert) this.#alert(plain);
    else this.#o.junk('dtls-content'); // application data: no data channels here
  }

  /** Nothing in epoch 0 is authentic: it can start and feed a handshake, and end nothing (RFC 6347 §4.1.2.7). */
  #epoch0(record: DtlsRecord, now: Millis): void {
    if (this.#state === 'connected') this.#o.junk('dtls-plain');
    else if (record.type === CONTENT.handshake) this.#handshake(record.fragment, 0, now);
    else if (record.type === CONTENT.alert) {
      this.#ignoredAlert = record.fragment[1];
      this.#o.junk('dtls-plain-alert');
    } else if (record.type !== CONTENT.changeCipherSpec) this.#o.junk('dtls-content');
    // ChangeCipherSpec says nothing that the epoch number does not say.
  }

  #alert(plain: Buffer): void {
    const [level, code] = [plain[0], plain[1]];
    if (plain.length !== 2) return this.#o.junk('dtls-alert');
    if (code === ALERT.closeNotify) this.#close('close-notify', 'The peer hung up.');
    else if (level === 2) this.#close('alert', `The peer ended DTLS with alert ${code}.`);
  }

  #handshake(bytes: Buffer, epoch: number, now: Millis): void {
    const fragments = readFragments(bytes);
    let next = fragments.next();
    for (; !next.done && this.#open; next = fragments.next()) {
      const dropped = this.#messages.add(next.value, epoch);
      if (dropped === 'past') this.#again(next.value.type, next.value.offset, epoch, now);
      else if (dropped !== undefined) this.#o.junk(`dtls-fragment-${dropped}`);
      else this.#drainMessages(now);
    }
    if (next.done && next.value === 'junk') this.#o.junk('dtls-fragment');
  }

  #drainMessages(now: Millis): void {
    try {
      for (let m = this.#messages.take(); m && this.#open; m = this.#messages.take()) this.#message(m, now);
    } catch (error) {
      if (!(error instanceof DtlsFault)) throw error;
      this.#sendAlert(2, error.alert);
      this.#close('fault', error.message);
    }
  }

  /** RFC 6347 §4.2.4: a message repeated means that our answer to it was lost. A new ClientHello is none of that. */
  #again(type: number, offset: number, epoch: number, now: Millis): void {
    const repeatsHello = type === MESSAGE.clientHello && epoch === 0;
    const repeatsFinished = this.#state === 'connected' && type === MESSAGE.finished && epoch === 1;
    if (offset === 0 && (repeatsHello || repeatsFinished) && this.#flight.mayRepeat(now))
      this.#sendFlight(now);
    else this.#o.junk('dtls-repeated');
  }

  /** State × message, RFC 5246 §7.3 with a client certificate: the order is fixed, and so is the epoch. */
  #message(m: HandshakeMessage, now: Millis): void {
    switch (`${this.#state} ${m.type} ${m.epoch}`) {
      case `hello ${MESSAGE.clientHello} 0`:
        return this.#clientHello(m, now);
      case `certificate ${MESSAGE.certificate} 0`:
        this.#clientKey = readClientCertificate(m.body, this.#o.fingerprints);
        this.#remember(m);
        this.#state = 'key-exchange';
        return;
      case `key-exchange ${MESSAGE.clientKeyExchange} 0`:
        return this.#clientKeyExchange(m);
      case `proof ${MESSAGE.certificateVerify} 0`:
        return this.#certificateVerify(m, now);
      case `finished ${MESSAGE.finished} 1`:
        return this.#finished(m, now);
      default:
        if (this.#state === 'connected') return this.#o.junk('dtls-renegotiation'); // RFC 5246 §7.2.2: may be ignored
        throw new DtlsFault(
          ALERT.unexpectedMessage,
          `The client sent handshake message ${m.type} in epoch ${m.epoch} where the ${this.#state} was due.`,
        );
    }
  }

  #clientHello(m: HandshakeMessage, now: Millis): void {
    const choice = readClientHello(m.body, this.#o.profiles);
    this.#remember(m);
    this.#profile = choice.srtp;
    this.#kx = keyExchange(choice.group);
    this.#randoms = { client: choice.clientRandom, server: this.#o.random(32) };
    const bodies = serverFlight(choice, this.#randoms.server, this.#kx, this.#o.identity);
    const messages = bodies.map(b => this.#write(b.type, b.body));
    this.#flight.begin(messages.map(bytes => ({ type: CONTENT.handshake, epoch: 0, bytes })));
    this.#state = 'certificate';
    this.#sendFlight(now);
  }

  #clientKeyExchange(m: HandshakeMessage): void {
    const r = new Reader(m.body, 'ClientKeyExchange');
    const point = r.vector(1);
    r.end();
    const preMaster = this.#kx!.shared(point);
    this.#kx = undefined;
    this.#remember(m);
    this.#master = extendedMasterSecret(preMaster, sha256(...this.#transcript));
    this.#state = 'proof';
  }

  #certificateVerify(m: HandshakeMessage, now: Millis): void {
    checkCertificateVerify(m.body, this.#clientKey!, Buffer.concat(this.#transcript));
    this.#remember(m);
    const ciphers = recordCiphers(this.#master!, this.#randoms!);
    this.#reader = ciphers.client;
    this.#flight.keys(ciphers.server);
    this.#state = 'finished';
    for (const early of this.#early.splice(0)) this.#datagram(early, now);
  }

  #finished(m: HandshakeMessage, now: Millis): void {
    const master = this.#master!;
    const expected = verifyData(master, 'client', sha256(...this.#transcript));
    if (m.body.length !== expected.length || !timingSafeEqual(m.body, expected))
      throw new DtlsFault(
        ALERT.decryptError,
        'The Finished of the client does not fit what was said before.',
      );
    this.#remember(m);
    const body = verifyData(master, 'server', sha256(...this.#transcript));
    this.#flight.begin([
      { type: CONTENT.changeCipherSpec, epoch: 0, bytes: Buffer.from([1]) },
      { type: CONTENT.handshake, epoch: 1, bytes: this.#write(MESSAGE.finished, body) },
    ]);
    this.#state = 'connected';
    this.#sendFlight(now);
    this.#outputs.push({ type: 'connected', ...srtpKeys(master, this.#randoms!, this.#profile!) });
    this.#master = undefined;
    this.#transcript = [];
  }

  #remember(m: HandshakeMessage): void {
    this.#transcript.push(handshakeMessage(m.type, m.seq, m.body));
  }

  #write(type: number, body: Buffer): Buffer {
    const message = handshakeMessage(type, this.#outSeq++, body);
    this.#transcript.push(message);
    return message;
  }

  #sendFlight(now: Millis): void {
    for (const bytes of this.#flight.send(now)) this.#outputs.push({ type: 'send', bytes });
  }

  /** Plain until our own ChangeCipherSpec is out: the client could not read it otherwise. */
  #sendAlert(level: 1 | 2, code: number): void {
    const epoch = this.#state === 'connected' ? 1 : 0;
    this.#outputs.push({ type: 'send', bytes: this.#flight.alert(epoch, level, code) });
  }

  #close(by: 'close-notify' | 'alert' | 'fault' | 'us', text: string): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#master = undefined;
    this.#kx = undefined;
    this.#transcript = [];
    this.#outputs.push({ type: 'closed', by, text });
  }
}
