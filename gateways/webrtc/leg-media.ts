import type { LegEvent, Millis, StreamStats } from '../../src/contract.ts';
import type { Rtcp } from '../../src/proto/rtp/rtcp.ts';
import type { AnsweredMedia } from '../../src/proto/webrtc/answer.ts';
import type { OfferedMedia } from '../../src/proto/webrtc/offer.ts';

/** The sealed way to the peer. */
export interface Wire {
  /** A buffer to write one RTP header into; sent before anything else is taken. */
  slot(): Buffer;
  /** Seals and sends header (in `slot`, whole words) and payload. Returns the length on the wire, 0 when it cannot go. */
  send(slot: Buffer, headerBytes: number, payload: Uint8Array): number;
  /** Sends what was sealed before. */
  resend(sealed: Uint8Array): void;
}

/** What happens to a leg's media beyond packets. */
export interface MediaEvents {
  state(state: 'up' | 'silent'): void;
  /** For the ladder. */
  note(text: string): void;
  count(reason: string): void;
  slots(e: Extract<LegEvent, { type: 'slots' }>): void;
  /** `deadline` has come nearer, not by a packet of the peer. */
  due(): void;
  /** A bug in a chain; the leg ends. */
  failed(error: unknown): void;
}

/** One direction of a leg: a publisher or a player, of sound, of pictures, or of both. */
export interface LegMedia {
  /** Said to this line of the offer; undefined rejects it. */
  answer(line: OfferedMedia): AnsweredMedia | undefined;
  /** DTLS is done: media may flow. */
  start(now: Millis): void;
  /** A plain RTP packet; borrowed. */
  rtp(packet: Uint8Array, now: Millis): void;
  rtcp(packets: readonly Rtcp[], now: Millis): void;
  /** When `tick` is due. */
  readonly deadline: Millis;
  /** Plain RTCP to send, if any. */
  tick(now: Millis): Buffer[];
  /** The last RTCP. */
  bye(now: Millis): Buffer[];
  mute(media: 'audio' | 'video', on: boolean): void;
  stats(): StreamStats[];
  close(): void;
}
