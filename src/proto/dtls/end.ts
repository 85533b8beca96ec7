/** What both ends of DTLS 1.2 do alike: records, epochs, messages in order, flights, alerts, the end. */
import { timingSafeEqual } from 'node:crypto';
import { type Core, type Millis, NEVER, type Tick } from '../../kit/core.ts';
import type { SrtpKeys, SrtpProfile } from '../rtp/srtp/profile.ts';
import { FlightSender, type FlightTiming } from './flight-sender.ts';
import {
  digest,
  extendedMasterSecret,
  type KeyExchange,
  type Randoms,
  recordCiphers,
  srtpKeys,
  verifyData,
} from './keys.ts';
import type { Fingerprint, Identity, Who } from './proof.ts';
import { type HandshakeMessage, Reassembly, readFragments } from './reassembly.ts';
import { type DtlsRecord, type RecordCipher, readRecords } from './record.ts';
import { ALERT, CONTENT, DtlsFault, handshakeMessage, MESSAGE, type Suite } from './wire.ts';

export type DtlsInput =
  /** Of the client alone: says hello. */
  | { readonly type: 'start' }
  | { readonly type: 'datagram'; readonly bytes: Buffer }
  | { readonly type: 'close' };

export type DtlsOutput =
  | { readonly type: 'send'; readonly bytes: Buffer }
  /** Keys for what the client sends and for what the server sends. */
  | { readonly type: 'connected'; readonly client: SrtpKeys; readonly server: SrtpKeys }
  | {
      readonly type: 'closed';
      readonly by: 'close-notify' | 'alert' | 'fault' | 'us';
      readonly text: string;
    };

export interface DtlsOptions {
  readonly identity: Identity;
  /** Of the peer's certificate, from its SDP; one must match. `anyone`: it proves itself by other means, or need not. */
  readonly fingerprints: readonly Fingerprint[] | 'anyone';
  /** Those we accept, the preferred first. */
  readonly profiles: readonly SrtpProfile[];
  readonly random: (bytes: number) => Buffer;
  readonly timing?: FlightTiming;
  /** Of a server: the hello it is given repeats a cookie (`cookie.ts`), so one message of each side went before. */
  readonly afterCookie?: boolean;
  /** Told the reason of everything dropped. */
  readonly junk: (reason: string) => void;
}

/** What may arrive before its keys are there: the peer's Finished, overtaking what goes before it. */
const MAX_EARLY = 2;
const MAX_EARLY_BYTES = 256;

/**
 * One end of a DTLS 1.2 connection. `Step`: what the handshake waits for. Every message has one step, every step one
 * message (state tables in the README); a failed check sends its alert and closes.
 */
export abstract class DtlsEnd<Step extends string> implements Core<DtlsInput, DtlsOutput> {
  protected readonly o: DtlsOptions;
  /** Who is on the other side, for sentences. */
  protected readonly peer: Who;
  protected step: Step;
  protected profile: SrtpProfile | undefined;
  protected suite: Suite | undefined;
  protected randoms: Randoms | undefined;
  protected kx: KeyExchange | undefined;
  #phase: 'handshake' | 'connected' | 'closed' = 'handshake';
  readonly #outputs: DtlsOutput[] = [];
  readonly #messages: Reassembly;
  readonly #flight: FlightSender;
  readonly #early: Buffer[] = [];
  /** Every handshake message of both sides, unfragmented (RFC 6347 §4.2.6). */
  #transcript: Buffer[] = [];
  #outSeq: number;
  /** Our ChangeCipherSpec is out. */
  #sealing = false;
  #master: Buffer | undefined;
  /** What opens epoch 1. */
  #reader: RecordCipher | undefined;
  #ignoredAlert: number | undefined;

  protected constructor(o: DtlsOptions, peer: Who, first: Step) {
    this.o = o;
    this.peer = peer;
    this.step = first;
    const before = o.afterCookie === true ? 1 : 0;
    this.#messages = new Reassembly(before);
    this.#outSeq = before;
    this.#flight = new FlightSender(o.timing);
  }

  get state(): Step | 'connected' | 'closed' {
    return this.#phase === 'handshake' ? this.step : this.#phase;
  }

  /** An alert that came before there were keys. It may be forged and ends nothing, but tells why nothing goes on. */
  get ignoredAlert(): number | undefined {
    return this.#ignoredAlert;
  }

  get deadline(): Millis {
    return this.#phase === 'handshake' ? this.#flight.deadline : NEVER;
  }

  poll(): DtlsOutput | undefined {
    return this.#outputs.shift();
  }

  handle(input: DtlsInput | Tick, now: Millis): void {
    if (this.#phase === 'closed') return;
    switch (input.type) {
      case 'start':
        return this.start(now);
      case 'tick':
        if (now >= this.deadline) this.#sendFlight(now);
        return;
      case 'datagram':
        return this.#datagram(input.bytes, now);
      case 'close':
        if (this.#phase === 'connected') this.#sendAlert(1, ALERT.closeNotify);
        return this.#close('us', 'Closed by this end.');
    }
  }

  protected abstract start(now: Millis): void;
  /** The next message of the handshake. Throws DtlsFault. */
  protected abstract message(m: HandshakeMessage, now: Millis): void;
  /** RFC 6347 §4.2.4: this message, which came before, tells that the peer has not heard our last flight. */
  protected abstract repeats(type: number, epoch: number): boolean;

  protected get connected(): boolean {
    return this.#phase === 'connected';
  }

  /** Out of turn: RFC 5246 §7.3 fixes the order of messages, and ChangeCipherSpec the epoch. */
  protected unexpected(m: HandshakeMessage): void {
    if (this.connected) return this.o.junk('dtls-renegotiation'); // RFC 5246 §7.2.2: may be ignored
    throw new DtlsFault(
      ALERT.unexpectedMessage,
      `The ${this.peer} sent handshake message ${m.type} in epoch ${m.epoch} where the ${this.step} was due.`,
    );
  }

  protected remember(m: HandshakeMessage): void {
    this.#transcript.push(handshakeMessage(m.type, m.seq, m.body));
  }

  /** A message of ours, numbered and remembered. */
  protected write(type: number, body: Buffer): Buffer {
    const message = handshakeMessage(type, this.#outSeq++, body);
    this.#transcript.push(message);
    return message;
  }

  /** RFC 6347 §4.2.1: the hello without a cookie is not part of the handshake. */
  protected forget(): void {
    this.#transcript = [];
  }

  protected transcript(): Buffer {
    return Buffer.concat(this.#transcript);
  }

  /** Both have spoken their share of the key exchange: RFC 7627 §4, bound to all messages so far. */
  protected agree(peerValue: Buffer): void {
    const suite = this.suite!;
    const preMaster = this.kx!.shared(peerValue);
    this.kx = undefined;
    this.#master = extendedMasterSecret(suite, preMaster, digest(suite, this.transcript()));
  }

  /** From here on epoch 1 is read; what came too early is read now. */
  protected unlock(now: Millis): void {
    const ciphers = recordCiphers(this.suite!, this.#master!, this.randoms!);
    this.#reader = ciphers[this.peer];
    this.#flight.keys(ciphers[this.peer === 'client' ? 'server' : 'client']);
    for (const early of this.#early.splice(0)) this.#datagram(early, now);
  }

  protected fly(messages: readonly Buffer[], now: Millis): void {
    this.#flight.begin(messages.map(bytes => ({ type: CONTENT.handshake, epoch: 0, bytes })));
    this.#sendFlight(now);
  }

  /** A flight that ends with ChangeCipherSpec and Finished. */
  protected flyFinished(before: readonly Buffer[], now: Millis): void {
    const us = this.peer === 'client' ? 'server' : 'client';
    const finished = this.write(MESSAGE.finished, this.#verifyData(us));
    this.#flight.begin([
      ...before.map(bytes => ({ type: CONTENT.handshake, epoch: 0, bytes })),
      { type: CONTENT.changeCipherSpec, epoch: 0, bytes: Buffer.from([1]) },
      { type: CONTENT.handshake, epoch: 1, bytes: finished },
    ]);
    this.#sealing = true;
    this.#sendFlight(now);
  }

  /** RFC 5246 §7.4.9: the peer has seen the same handshake, and has the keys. */
  protected checkFinished(m: HandshakeMessage): void {
    const expected = this.#verifyData(this.peer);
    if (m.body.length !== expected.length || !timingSafeEqual(m.body, expected))
      throw new DtlsFault(
        ALERT.decryptError,
        `The Finished of the ${this.peer} does not fit what was said before.`,
      );
    this.remember(m);
  }

  protected connect(): void {
    this.#phase = 'connected';
    this.#outputs.push({
      type: 'connected',
      ...srtpKeys(this.suite!, this.#master!, this.randoms!, this.profile!),
    });
    this.#master = undefined;
    this.#transcript = [];
  }

  #verifyData(who: Who): Buffer {
    const suite = this.suite!;
    return verifyData(suite, this.#master!, who, digest(suite, this.transcript()));
  }

  #datagram(bytes: Buffer, now: Millis): void {
    const records = readRecords(bytes);
    let next = records.next();
    for (; !next.done && this.#open; next = records.next()) this.#record(next.value, now);
    if (next.done && next.value === 'junk') this.o.junk('dtls-record');
  }

  get #open(): boolean {
    return this.#phase !== 'closed';
  }

  #record(record: DtlsRecord, now: Millis): void {
    if (record.epoch === 0) return this.#epoch0(record, now);
    if (record.epoch !== 1) return this.o.junk('dtls-epoch');
    if (this.#reader === undefined) {
      const keep = this.#early.length < MAX_EARLY && record.bytes.length <= MAX_EARLY_BYTES;
      if (keep && this.#transcript.length > 0) this.#early.push(Buffer.from(record.bytes));
      else this.o.junk('dtls-early');
      return;
    }
    const plain = this.#reader.open(record);
    if (plain === undefined) return this.o.junk('dtls-forged');
    if (record.type === CONTENT.handshake) this.#handshake(plain, 1, now);
    else if (record.type === CONTENT.alert) this.#alert(plain);
    else this.o.junk('dtls-content'); // application data: no data channels here
  }

  /** Nothing in epoch 0 is authentic: it can start and feed a handshake, and end nothing (RFC 6347 §4.1.2.7). */
  #epoch0(record: DtlsRecord, now: Millis): void {
    if (this.#phase === 'connected') this.o.junk('dtls-plain');
    else if (record.type === CONTENT.handshake) this.#handshake(record.fragment, 0, now);
    else if (record.type === CONTENT.alert) {
      this.#ignoredAlert = record.fragment[1];
      this.o.junk('dtls-plain-alert');
    } else if (record.type !== CONTENT.changeCipherSpec) this.o.junk('dtls-content');
    // ChangeCipherSpec says nothing that the epoch number does not say.
  }

  #alert(plain: Buffer): void {
    const [level, code] = [plain[0], plain[1]];
    if (plain.length !== 2) return this.o.junk('dtls-alert');
    if (code === ALERT.closeNotify) this.#close('close-notify', 'The peer hung up.');
    else if (level === 2) this.#close('alert', `The peer ended DTLS with alert ${code}.`);
  }

  #handshake(bytes: Buffer, epoch: number, now: Millis): void {
    const fragments = readFragments(bytes);
    let next = fragments.next();
    for (; !next.done && this.#open; next = fragments.next()) {
      const dropped = this.#messages.add(next.value, epoch);
      if (dropped === 'past') this.#again(next.value.type, next.value.offset, epoch, now);
      else if (dropped !== undefined) this.o.junk(`dtls-fragment-${dropped}`);
      else this.#drainMessages(now);
    }
    if (next.done && next.value === 'junk') this.o.junk('dtls-fragment');
  }

  #drainMessages(now: Millis): void {
    try {
      for (let m = this.#messages.take(); m && this.#open; m = this.#messages.take()) this.message(m, now);
    } catch (error) {
      if (!(error instanceof DtlsFault)) throw error;
      this.#sendAlert(2, error.alert);
      this.#close('fault', error.message);
    }
  }

  #again(type: number, offset: number, epoch: number, now: Millis): void {
    if (offset === 0 && this.repeats(type, epoch) && this.#flight.mayRepeat(now)) this.#sendFlight(now);
    else this.o.junk('dtls-repeated');
  }

  #sendFlight(now: Millis): void {
    for (const bytes of this.#flight.send(now)) this.#outputs.push({ type: 'send', bytes });
  }

  /** Plain until our own ChangeCipherSpec is out: the peer could not read it otherwise. */
  #sendAlert(level: 1 | 2, code: number): void {
    this.#outputs.push({ type: 'send', bytes: this.#flight.alert(this.#sealing ? 1 : 0, level, code) });
  }

  #close(by: 'close-notify' | 'alert' | 'fault' | 'us', text: string): void {
    if (this.#phase === 'closed') return;
    this.#phase = 'closed';
    this.#master = undefined;
    this.kx = undefined;
    this.#transcript = [];
    this.#outputs.push({ type: 'closed', by, text });
  }
}
