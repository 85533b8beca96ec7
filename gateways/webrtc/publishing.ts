import type { Millis, StreamStats } from '../../src/contract.ts';
import { type Rtcp, writeRtcp } from '../../src/proto/rtp/rtcp.ts';
import { RtpView } from '../../src/proto/rtp/rtp.ts';
import type { AnsweredMedia } from '../../src/proto/webrtc/answer.ts';
import type { OfferedMedia } from '../../src/proto/webrtc/offer.ts';
import { Arrivals } from '../../src/proto/webrtc/twcc.ts';
import type { LegMedia, MediaEvents } from './leg-media.ts';

export interface PublishingOptions {
  readonly sound: LegMedia | undefined;
  readonly pictures: LegMedia;
  /** Payload types of pictures and of their retransmissions; all else is sound. */
  readonly picturePayloads: ReadonlySet<number>;
  /** Header extension id of the transport-wide number, where offered. */
  readonly transportCcId: number | undefined;
  /** Of our RTCP. */
  readonly ssrc: number;
  readonly events: MediaEvents;
}

/** Sound and pictures of one publisher, and the feedback about their common way here. */
export class Publishing implements LegMedia {
  readonly #o: PublishingOptions;
  readonly #parts: readonly LegMedia[];
  readonly #arrivals = new Arrivals();
  readonly #view = new RtpView();
  /** Some SSRC of the peer: feedback must name one. */
  #peerSsrc = 0;

  constructor(o: PublishingOptions) {
    this.#o = o;
    this.#parts = o.sound ? [o.sound, o.pictures] : [o.pictures];
  }

  answer(line: OfferedMedia): AnsweredMedia | undefined {
    for (const part of this.#parts) {
      const answer = part.answer(line);
      if (answer !== undefined) return answer;
    }
    return undefined;
  }

  start(now: Millis): void {
    for (const part of this.#parts) part.start(now);
  }

  rtp(bytes: Uint8Array, now: Millis): void {
    const view = this.#view;
    const junk = view.read(bytes);
    if (junk !== undefined) return this.#o.events.count(junk);
    const { transportCcId, picturePayloads, pictures, sound } = this.#o;
    if (transportCcId !== undefined) {
      const at = view.extension(transportCcId);
      if (at >= 0 && at + 1 < view.extensionEnd) {
        this.#peerSsrc = view.ssrc;
        this.#arrivals.arrived((bytes[at]! << 8) | bytes[at + 1]!, now);
      }
    }
    if (picturePayloads.has(view.payloadType)) return pictures.rtp(bytes, now);
    return sound ? sound.rtp(bytes, now) : this.#o.events.count('payload-type');
  }

  rtcp(packets: readonly Rtcp[], now: Millis): void {
    for (const part of this.#parts) part.rtcp(packets, now);
  }

  get deadline(): Millis {
    const parts = Math.min(this.#o.pictures.deadline, this.#o.sound?.deadline ?? Number.POSITIVE_INFINITY);
    return Math.min(parts, this.#arrivals.deadline);
  }

  tick(now: Millis): Buffer[] {
    const out = this.#parts.flatMap(part => (now >= part.deadline ? part.tick(now) : []));
    if (now >= this.#arrivals.deadline)
      for (const feedback of this.#arrivals.feedback(this.#o.ssrc, this.#peerSsrc))
        out.push(writeRtcp([feedback]));
    return out;
  }

  bye(now: Millis): Buffer[] {
    return this.#parts.flatMap(part => part.bye(now));
  }

  mute(media: 'audio' | 'video', on: boolean): void {
    for (const part of this.#parts) part.mute(media, on);
  }

  stats(): StreamStats[] {
    return this.#parts.flatMap(part => part.stats());
  }

  close(): void {
    for (const part of this.#parts) part.close();
  }
}

/** What a part of a leg says of its state, as the leg's: it is silent when all parts are. */
export function partEvents(events: MediaEvents, parts: number): MediaEvents[] {
  const up = new Array<boolean>(parts).fill(false);
  return up.map((_, part) => ({
    state(state) {
      const before = up.includes(true);
      up[part] = state === 'up';
      if (state === 'up' ? !before : before && !up.includes(true)) events.state(state);
    },
    note: text => events.note(text),
    count: reason => events.count(reason),
    slots: e => events.slots(e),
    due: () => events.due(),
    failed: error => events.failed(error),
  }));
}
