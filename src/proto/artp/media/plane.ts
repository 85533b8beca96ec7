import type { Feedback, MediaPacket, Millis, Sink } from '../../../contract.ts';
import type { Rtcp } from '../../rtp/rtcp.ts';
import type { MediaPolicy } from './policy-types.ts';
import { PlaneReceiver } from './receiver.ts';
import { PlaneSender } from './sender.ts';
import type { Announcement, InTrack, MediaKind, OutTrack, PlaneOptions, Verdict } from './types.ts';

/** What the sources of one kind send, payload only. */
export interface SourceRate {
  readonly bps: number;
  readonly packetsPerSecond: number;
  /** Audio: of a packet, ms. */
  readonly packetMs: number;
  /** Video: between two frames, ms; and how many temporal layers they are in, as far as it matters here. */
  readonly frameMs: number | undefined;
  readonly temporalLayers: 1 | 2;
}

/**
 * The media of a session, both ways: tracks become flows of sealed packets with as much redundancy as the policy says,
 * and flows become tracks again, every packet once, in order of arrival. No clock, no socket, no paths: a packet is
 * sealed once, and whoever owns the paths sends those bytes.
 */
export class MediaPlane {
  readonly #sender: PlaneSender;
  readonly #receiver: PlaneReceiver;

  constructor(options: PlaneOptions) {
    this.#sender = new PlaneSender(options);
    this.#receiver = new PlaneReceiver(options);
  }

  /** A track of ours; `on` is what its receivers want of its source, never called from inside a sink. */
  send(track: number, kind: MediaKind, clockRate: number, on: (f: Feedback) => void): OutTrack {
    return this.#sender.track(track, kind, clockRate, on);
  }

  /**
   * The other side's track of that number, announced already or not; packets that waited for this are handed on within
   * this call. Who heard it before is closed.
   */
  hear(track: number, sink: Sink<MediaPacket>): InTrack {
    return this.#receiver.hear(track, sink);
  }

  /** The other side announced a flow. Values are checked here. */
  announced(a: Announcement, now: Millis): void {
    this.#receiver.announced(a, now);
  }

  /** One sealed RTP packet, without trailer. Junk is counted, never thrown. */
  receive(packet: Uint8Array, now: Millis): Verdict {
    return this.#receiver.receive(packet, now);
  }

  /** Parts of an opened RTCP packet; what is not for the media is passed over. */
  rtcp(parts: readonly Rtcp[], now: Millis): void {
    for (const part of parts) this.#sender.rtcp(part, now);
  }

  /** For all packets from now on, of all tracks of its kind. Throws RangeError for a pattern that is not in RED_PATTERNS. */
  setPolicy(p: MediaPolicy): void {
    this.#sender.setPolicy(p);
  }

  /** Of the path that media takes. */
  setRtt(ms: number): void {
    this.#sender.rttMs = ms;
    this.#receiver.rttMs = ms;
  }

  source(kind: MediaKind, now: Millis): SourceRate {
    const meter = this.#sender.meters[kind];
    return {
      bps: meter.bps(now),
      packetsPerSecond: meter.packetsPerSecond(now),
      packetMs: this.#sender.packetMs,
      frameMs: meter.frameMs,
      temporalLayers: meter.isLayered ? 2 : 1,
    };
  }

  get deadline(): Millis {
    return Math.min(this.#sender.copies.deadline, this.#receiver.deadline);
  }

  tick(now: Millis): void {
    this.#sender.copies.tick(now);
    this.#receiver.tick(now);
  }
}
