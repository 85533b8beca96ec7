import type {
  Host,
  Leg,
  LegCommand,
  LegDrill,
  LegEvent,
  LegRequest,
  Millis,
  StreamStats,
} from '../../src/contract.ts';
import { type Drive, drive } from '../../src/io/drive.ts';
import { DrillLine } from '../../src/io/impaired.ts';
import type { SendSlots, UdpSocket } from '../../src/io/udp.ts';
import { refuse, type Termination, terminationOf } from '../../src/kit/refusal.ts';
import type { Fingerprint, Identity } from '../../src/proto/dtls/proof.ts';
import { readRtcp } from '../../src/proto/rtp/rtcp.ts';
import { isRtcp } from '../../src/proto/rtp/rtp.ts';
import { SrtpReceiver } from '../../src/proto/rtp/srtp/receiver.ts';
import { SrtpSender } from '../../src/proto/rtp/srtp/sender.ts';
import { writeAnswer, writeFragment } from '../../src/proto/webrtc/answer.ts';
import { type IceCredentials, iceCredentials, type PeerAddress } from '../../src/proto/webrtc/ice-lite.ts';
import type { WebRtcOffer } from '../../src/proto/webrtc/offer.ts';
import { type PeerInput, type PeerOutput, WebRtcPeer } from '../../src/proto/webrtc/peer.ts';
import type { SharedPort } from '../../src/proto/webrtc/port.ts';
import type { StunMessage } from '../../src/proto/webrtc/stun.ts';
import type { LegMedia, MediaEvents, Wire } from './leg-media.ts';
import { isRestart } from './native.ts';

/** The port all legs of an agent share, and who this end is. */
interface Ground {
  readonly host: Host;
  readonly socket: UdpSocket;
  readonly port: SharedPort<WebRtcLeg>;
  readonly slots: SendSlots;
  readonly identity: Identity;
  readonly fingerprint: Fingerprint;
  readonly random: (bytes: number) => Buffer;
}

export interface WebRtcLegOptions extends Ground {
  readonly request: LegRequest;
  readonly offer: WebRtcOffer;
  readonly candidates: readonly PeerAddress[];
  readonly confirmed: () => void;
  /** The browser's network is gone for now, or back. */
  readonly absent: (on: boolean) => void;
  readonly emit: (e: LegEvent) => void;
  /** Told once, when everything is released. */
  readonly gone: () => void;
}

/** Room for one packet with header, extensions, tag and some to spare. */
export const SLOT_BYTES = 1600;

/** One peer connection: the peer core, its seals, and the media of one direction. */
export class WebRtcLeg implements Leg, Wire, MediaEvents {
  readonly #o: WebRtcLegOptions;
  readonly #peer: WebRtcPeer;
  readonly #drive: Drive<PeerInput>;
  /** Media and reports; STUN and DTLS keep their own ways. */
  readonly #line: DrillLine<PeerAddress, undefined>;
  #media: LegMedia | undefined;
  #in: SrtpReceiver | undefined;
  #out: SrtpSender | undefined;
  #open = true;
  #disarm: () => void = () => {};
  /** When the timer will go off. */
  #armedFor: Millis = Number.POSITIVE_INFINITY;

  constructor(o: WebRtcLegOptions) {
    this.#o = o;
    const { clock } = o.host;
    this.#peer = new WebRtcPeer({
      ice: iceCredentials(o.random),
      fingerprints: o.offer.fingerprints,
      identity: o.identity,
      // The fast path first; both are as good for players (docs: webrtc README).
      profiles: ['AES_CM_128_HMAC_SHA1_80', 'AEAD_AES_128_GCM'],
      listening: `UDP port ${o.socket.port}`,
      random: o.random,
      junk: reason => this.count(reason),
      now: clock.now(),
    });
    this.#drive = drive(this.#peer, clock, out => this.#act(out));
    this.#line = new DrillLine<PeerAddress, undefined>({
      clock,
      send: (bytes, length, to) => o.socket.send(bytes, length, to.port, to.address),
      receive: (bytes, _from, now) => this.#arrived(bytes, now),
    });
    o.port.enter(this, this.#peer.ufrags);
  }

  /** The answer; from now on the peer may come. Takes `media` over. Throws a Refusal when the leg was closed meanwhile. */
  answer(media: LegMedia): string {
    const { offer, fingerprint, candidates, random } = this.#o;
    if (!this.#open) {
      media.close();
      throw refuse('server', 'shutting-down', 'This server is going down.');
    }
    this.#media = media;
    this.#drive.feed({ type: 'answered' });
    this.#arm();
    return writeAnswer({
      sessionId: `${random(6).readUIntBE(0, 6)}`,
      ice: this.#peer.ice,
      fingerprint,
      candidates,
      offered: offer.media,
      answered: offer.media.map(line => media.answer(line)),
    });
  }

  // From the socket.

  stun(message: StunMessage, from: PeerAddress): void {
    this.#guard(() => this.#drive.feed({ type: 'stun', message, from }));
  }

  dtls(bytes: Buffer, from: PeerAddress): void {
    this.#guard(() => this.#drive.feed({ type: 'dtls', bytes, from }));
  }

  datagram(bytes: Buffer, now: Millis): void {
    this.#line.receive(bytes, undefined, now);
  }

  /** In: open ► RTP to the media │ RTCP read. */
  #arrived(bytes: Buffer, now: Millis): void {
    const receiver = this.#in;
    if (receiver === undefined) return this.count('early-media');
    try {
      if (isRtcp(bytes)) return this.#rtcp(receiver, bytes, now);
      const plain = receiver.open(bytes);
      if (typeof plain === 'string') return this.count(`srtp-${plain}`);
      const media = this.#media;
      if (media === undefined) return;
      media.rtp(plain, now);
      if (media.deadline < this.#armedFor) this.#tick(now); // a hole: it is asked for at once
    } catch (error) {
      this.failed(error);
    }
  }

  #rtcp(receiver: SrtpReceiver, bytes: Buffer, now: Millis): void {
    const plain = receiver.openRtcp(bytes);
    if (typeof plain === 'string') return this.count(`srtcp-${plain}`);
    const packets = readRtcp(plain);
    if (typeof packets === 'string') return this.count(`rtcp-${packets}`);
    this.#media?.rtcp(packets, now);
  }

  // Wire: to the socket.

  slot(): Buffer {
    return this.#o.slots.take(this.#o.socket.queued());
  }

  send(slot: Buffer, headerBytes: number, payload: Uint8Array): number {
    const to = this.#peer.target;
    if (this.#out === undefined || to === undefined || !this.#open) return 0;
    const length = this.#out.seal(slot, headerBytes, payload);
    this.#line.send(slot, length, to);
    return length;
  }

  resend(sealed: Uint8Array): void {
    const to = this.#peer.target;
    // A copy: history may be overwritten while the system still reads it.
    if (to && this.#open) this.#line.send(Buffer.from(sealed), sealed.length, to);
  }

  #sendRtcp(plain: Buffer): void {
    const to = this.#peer.target;
    if (this.#out === undefined || to === undefined) return;
    const sealed = this.#out.sealRtcp(plain);
    this.#line.send(sealed, sealed.length, to);
  }

  // MediaEvents.

  state(state: 'up' | 'silent'): void {
    if (state === 'up') this.#o.confirmed();
    this.#o.emit({ type: 'media', state });
  }

  note(text: string): void {
    this.#ladder(text);
  }

  count(reason: string): void {
    this.#o.host.count('junk', reason);
  }

  slots(e: Extract<LegEvent, { type: 'slots' }>): void {
    if (this.#open) this.#o.emit(e);
  }

  due(): void {
    if (this.#media !== undefined && this.#media.deadline < this.#armedFor) this.#arm();
  }

  failed(error: unknown): void {
    this.#o.host.log.error({ leg: this.#o.request.leg, err: error }, 'bug in a WebRTC leg: it is closed');
    this.#end(terminationOf(error));
  }

  // Leg.

  handle(c: LegCommand): void {
    if (!this.#open) return;
    switch (c.type) {
      case 'offer':
        return isRestart(c.native) ? this.#restart(c.id) : this.#o.emit(notRenegotiable(c.id));
      case 'make-offer':
        return this.#o.emit(notRenegotiable(c.id));
      case 'mute':
        return this.#media?.mute(c.media, c.on);
      case 'close':
        return this.#end(c.why);
      default: // candidates: a lite agent needs none of the peer's; the rest is not for this protocol
    }
  }

  stats(): readonly StreamStats[] {
    return this.#media?.stats() ?? [];
  }

  drill(d: LegDrill | null): void {
    this.#line.drill(d);
  }

  /** RFC 9725 §4.3.3: new credentials, the same DTLS session and media. */
  #restart(id: number): void {
    const credentials: IceCredentials = iceCredentials(this.#o.random);
    this.#drive.feed({ type: 'restart', credentials });
    this.#o.port.enter(this, this.#peer.ufrags);
    this.#ladder('ICE restart');
    const lines = this.#o.offer.media.filter(line => this.#media?.answer(line));
    const fragment = writeFragment(credentials, this.#o.candidates, lines);
    this.#o.emit({ type: 'description', id, native: { fragment } });
  }

  #act(out: PeerOutput): void {
    switch (out.type) {
      case 'send':
        return this.#o.socket.send(out.bytes, out.bytes.length, out.to.port, out.to.address);
      case 'path':
        if (!this.#o.port.path(this, out.from, this.#o.host.clock.now())) this.count('path-taken');
        return;
      case 'connected':
        this.#in = new SrtpReceiver(out.receive);
        this.#out = new SrtpSender(out.send);
        this.#ladder(`DTLS connected, ${out.send.profile}, with ${at(this.#peer.target)}`);
        this.#media?.start(this.#o.host.clock.now());
        return this.#arm();
      case 'absent':
        this.#ladder(out.on ? 'the browser is silent' : 'the browser is back');
        return this.#o.absent(out.on);
      case 'closed':
        return this.#end(out.why);
    }
  }

  /** One timer for everything the media does by itself. */
  #arm(): void {
    this.#disarm();
    if (!this.#open || this.#media === undefined) return;
    const { clock } = this.#o.host;
    this.#armedFor = this.#media.deadline;
    this.#disarm = clock.at(this.#armedFor, () => this.#guard(() => this.#tick(clock.now())));
  }

  #tick(now: Millis): void {
    const media = this.#media;
    if (media === undefined) return;
    if (now >= media.deadline) for (const plain of media.tick(now)) this.#sendRtcp(plain);
    this.#arm();
  }

  #end(why: Termination): void {
    if (!this.#open) return;
    if (this.#media === undefined) return this.abandon(); // still being taken: `answer` will say so
    const now = this.#o.host.clock.now();
    for (const plain of this.#media?.bye(now) ?? []) this.#sendRtcp(plain);
    this.abandon();
    this.#ladder(`closed: ${why.reason}`);
    this.#o.emit({ type: 'closed', why });
  }

  /** Releases everything without a word to the front: the leg never began. Idempotent. */
  abandon(): void {
    if (!this.#open) return;
    this.#drive.feed({ type: 'close' });
    this.#open = false;
    this.#drive.stop();
    this.#line.close();
    this.#disarm();
    this.#o.port.leave(this);
    this.#media?.close();
    this.#o.gone();
  }

  #ladder(summary: string): void {
    this.#o.host.ladder(this.#o.request.leg, { at: Date.now(), dir: 'note', transport: 'udp', summary });
  }

  /** A bug ends this leg and nothing else. */
  #guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.failed(error);
    }
  }
}

const notRenegotiable = (id: number): LegEvent => ({
  type: 'refused',
  id,
  why: {
    blame: 'client',
    reason: 'not-renegotiable',
    text: 'WHIP and WHEP sessions are not renegotiated: end this one and open another.',
  },
});

const at = (a: PeerAddress | undefined): string => (a ? `${a.address}:${a.port}` : 'nobody');
