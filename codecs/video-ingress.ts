/** What the ingress stages of H.264 and VP8 share: which packets belong to one picture, and which one begins it. */
import type { Format, MediaPacket, Sink } from '../src/contract.ts';

export interface VideoIngressNeeds {
  /** The stream's format as its own headers tell it; called before the packet that shows it goes on. */
  format(f: Format): void;
  /** A packet was dropped; `reason` is a metric label. */
  drop(reason: string): void;
}

/** Sets `packet.frame` (its own, reused object) on every packet it lets through. */
export type VideoIngress = (next: Sink<MediaPacket>) => Sink<MediaPacket>;

export interface Picture {
  pts: number;
  key: boolean;
  /** Sequence number of the packet taken for its first. */
  first: number | undefined;
}

/** Retransmitted packets come some pictures late. */
const REMEMBERED = 8;

/** All packets of one picture share its pts; packets may come out of order, late, or not at all. */
export class Pictures {
  readonly #ring: Picture[] = Array.from({ length: REMEMBERED }, () => ({
    pts: Number.NaN,
    key: false,
    first: undefined,
  }));
  #next = 0;
  #lastSeq = Number.NaN;
  #lastEnded = false;
  #lastPts = Number.NaN;

  of(pts: number): Picture {
    for (const picture of this.#ring) if (picture.pts === pts) return picture;
    const picture = this.#ring[this.#next] as Picture;
    this.#next = (this.#next + 1) % REMEMBERED;
    picture.pts = pts;
    picture.key = false;
    picture.first = undefined;
    return picture;
  }

  /**
   * True when this packet begins its picture: it follows the picture before without a hole, or `looksFirst` (its
   * content says so) and none before it is known.
   */
  begins(picture: Picture, seq: number, marker: boolean, looksFirst: boolean): boolean {
    const follows = seq === this.#lastSeq + 1 && (this.#lastEnded || this.#lastPts !== picture.pts);
    if (!(seq <= this.#lastSeq)) {
      this.#lastSeq = seq;
      this.#lastEnded = marker;
      this.#lastPts = picture.pts;
    }
    const known = picture.first;
    const begins = known === undefined ? follows || looksFirst : looksFirst && seq < known;
    if (begins) picture.first = seq;
    return begins;
  }
}

/** What is wrong with a peer's pictures, in a sentence, the first time each reason of dropping is met. */
export class PictureComplaints {
  readonly #told = new Set<string>();

  /** Undefined: told before, or nothing that concerns pictures. */
  of(reason: string): string | undefined {
    const wrong = WRONG[reason];
    if (wrong === undefined || this.#told.has(reason)) return undefined;
    this.#told.add(reason);
    return `Pictures are dropped (${reason}): ${wrong}; sound goes on.`;
  }
}

const WRONG: Readonly<Record<string, string>> = {
  'payload-type': 'their payload type was not negotiated',
  'h264-no-sps': 'a keyframe came, but no SPS that can be read, neither in the stream nor in the description',
  'h264-sps': 'the SPS cannot be read, or its pictures are larger than level 5.2 (36864 macroblocks)',
  'h264-slice': 'a slice header cannot be read',
  'h264-aggregate': 'a STAP-A tells wrong lengths',
  'h264-fragment': 'a FU-A is too short or holds what cannot be fragmented',
  'h264-payload-type': 'NAL units of packetization-mode 2, which was not negotiated',
  'h264-forbidden-bit': 'NAL units with bit errors',
  'h264-short': 'empty NAL units',
  'vp8-size': 'pictures of no size, or larger than 36864 macroblocks',
  'vp8-keyframe': 'a keyframe without its start code',
  'vp8-descriptor': 'the payload descriptor is cut short',
  'vp8-short': 'empty payloads',
};
