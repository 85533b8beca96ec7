import type { MediaPacket, Millis, Sink } from '../../contract.ts';
import { type RtpJunk, RtpView } from '../rtp/rtp.ts';
import { packetCipher } from '../rtp/srtp/cipher.ts';
import type { PacketCipher } from '../rtp/srtp/packet-cipher.ts';
import type { SrtpKeys } from '../rtp/srtp/profile.ts';
import { ReplayWindow } from '../rtp/srtp/replay.ts';
import { PacketShapes } from './header.ts';
import { FIRST_SEQ, FIRST_TIMESTAMP, FLOW_WINDOW, type FlowStart, MAX_DATAGRAM } from './media-sender.ts';

export type ReceiveJunk =
  | RtpJunk
  | 'oversize'
  | 'replayed'
  | 'too-old'
  | 'forged'
  /** Of a flow that has ended or was renewed: packets that were under way. */
  | 'late'
  /** Waiting for its announcement, and too much waits already, or it has waited too long. */
  | 'hold-full'
  | 'hold-expired';

/** What may wait for the control stream to catch up with the datagrams; only authentic packets wait. */
export const HOLD = { packets: 512, bytes: 512 * 1024, ms: 1000 } as const;
const TAG_BYTES = 16;

interface Flow {
  readonly window: ReplayWindow;
  readonly seqOffset: number;
  readonly ptsOffset: number;
  readonly sink: Sink<MediaPacket>;
}

/** Packets of an SSRC not announced yet, sealed copies in order of arrival. */
interface Held {
  readonly window: ReplayWindow;
  readonly packets: Uint8Array[];
  readonly since: Millis;
}

/** Opens the media of one direction of a session and hands it to the sinks of its flows. */
export class MediaReceiver {
  readonly #cipher: PacketCipher;
  readonly #count: (reason: ReceiveJunk) => void;
  readonly #view = new RtpView();
  readonly #shapes = new PacketShapes();
  readonly #plain = new Uint8Array(MAX_DATAGRAM);
  readonly #flows = new Map<number, Flow>();
  readonly #held = new Map<number, Held>();
  #heldPackets = 0;
  #heldBytes = 0;
  /** SSRCs are announced in rising order: up to this one, what is not bound is over. */
  #highestSsrc = 0;

  constructor(keys: SrtpKeys, count: (reason: ReceiveJunk) => void) {
    this.#cipher = packetCipher(keys, 'rtp');
    this.#count = count;
  }

  /** A flow was announced. Packets of it that came before are delivered now. */
  bind(start: FlowStart, sink: Sink<MediaPacket>, now: Millis): void {
    if (start.ssrc <= this.#highestSsrc) return; // never announced twice by an honest sender
    this.#highestSsrc = start.ssrc;
    const held = this.#held.get(start.ssrc);
    const flow: Flow = {
      // The window of what was held already knows its packets: they are not checked again.
      window: held?.window ?? new ReplayWindow(FLOW_WINDOW),
      seqOffset: start.seq - FIRST_SEQ,
      ptsOffset: start.pts - FIRST_TIMESTAMP,
      sink,
    };
    this.#flows.set(start.ssrc, flow);
    if (held === undefined) return;
    this.#release(start.ssrc, held);
    for (const packet of held.packets) {
      this.#view.read(packet);
      if (this.#open(packet)) this.#hand(flow, packet.length, now);
    }
  }

  /** What still comes of it is `late`. */
  unbind(ssrc: number): void {
    this.#flows.delete(ssrc);
  }

  /** Forgets what has waited too long; call about once a second. */
  tick(now: Millis): void {
    for (const [ssrc, held] of this.#held)
      if (now - held.since > HOLD.ms) {
        this.#release(ssrc, held);
        for (const _ of held.packets) this.#count('hold-expired');
      }
  }

  /** One sealed packet, without trailer. Junk is counted, never thrown. */
  receive(packet: Uint8Array, now: Millis): void {
    const junk = this.#receive(packet, now);
    if (junk !== undefined) this.#count(junk);
  }

  #receive(packet: Uint8Array, now: Millis): ReceiveJunk | undefined {
    if (packet.length > MAX_DATAGRAM) return 'oversize';
    const view = this.#view;
    const junk = view.read(packet);
    if (junk !== undefined) return junk;
    // No padding, no CSRCs: ours never have them, and behind the seal a padding count could not be read here.
    if (((packet[0] as number) & 0x2f) !== 0) return 'padding';
    if (view.payloadStart + TAG_BYTES > packet.length) return 'short';
    const flow = this.#flows.get(view.ssrc);
    if (flow === undefined) return view.ssrc <= this.#highestSsrc ? 'late' : this.#hold(packet, now);
    const known = flow.window.check(view.seq);
    if (known !== 'new') return known;
    if (!this.#open(packet)) return 'forged';
    flow.window.accept(view.seq);
    this.#hand(flow, packet.length, now);
    return undefined;
  }

  /** Decrypts the packet in #view into #plain. A flow never wraps: its rollover counter is 0. */
  #open(packet: Uint8Array): boolean {
    const { payloadStart, ssrc, seq } = this.#view;
    return this.#cipher.open(packet, payloadStart, this.#plain, ssrc, 0, seq);
  }

  /** The opened packet stands in #plain, its header in #view. */
  #hand(flow: Flow, sealedBytes: number, now: Millis): void {
    const p = this.#shapes.of(this.#view);
    p.seq = flow.seqOffset + this.#view.seq;
    p.pts = flow.ptsOffset + this.#view.timestamp;
    p.payload = this.#plain.subarray(this.#view.payloadStart, sealedBytes - TAG_BYTES);
    flow.sink(p, now);
  }

  #hold(packet: Uint8Array, now: Millis): ReceiveJunk | undefined {
    const { ssrc, seq } = this.#view;
    const held = this.#held.get(ssrc);
    const known = held?.window.check(seq) ?? 'new';
    if (known !== 'new') return known;
    if (this.#heldPackets >= HOLD.packets || this.#heldBytes + packet.length > HOLD.bytes) return 'hold-full';
    if (!this.#open(packet)) return 'forged';
    const into = held ?? { window: new ReplayWindow(FLOW_WINDOW), packets: [], since: now };
    if (held === undefined) this.#held.set(ssrc, into);
    into.window.accept(seq);
    into.packets.push(packet.slice());
    this.#heldPackets++;
    this.#heldBytes += packet.length;
    return undefined;
  }

  #release(ssrc: number, held: Held): void {
    this.#held.delete(ssrc);
    this.#heldPackets -= held.packets.length;
    for (const p of held.packets) this.#heldBytes -= p.length;
  }
}
