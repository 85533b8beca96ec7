/** Sound of a dialled SIP call: what the voice speaks and hears, on one line. */
import type { MediaPacket, Millis } from '../../src/contract.ts';
import type { Rtcp } from '../../src/proto/rtp/rtcp.ts';
import type { RtpSender } from '../../src/proto/rtp/sender.ts';
import type { AudioPlan } from '../../src/proto/sdp/audio.ts';
import type { Outward } from './facts.ts';
import { RtpLine } from './rtp-line.ts';
import type { Trip } from './trip.ts';
import type { Voice } from './voice.ts';

export class CallMedia {
  readonly #trip: Trip;
  readonly #voice: Voice;
  #line!: RtpLine;

  /** Binds the ports; `signalling` is the server's address. Rejects with a Refusal. */
  static async open(family: 4 | 6, signalling: string, voice: Voice, trip: Trip): Promise<CallMedia> {
    const media = new CallMedia(voice, trip);
    const { ear, session } = voice;
    media.#line = await RtpLine.open({
      clock: trip.clock,
      family,
      session,
      signalling,
      rtp: (bytes, now) => ear.rtp(bytes, now),
      rtcp: packets => takeReports(packets, session.sender, trip.out),
    });
    return media;
  }

  private constructor(voice: Voice, trip: Trip) {
    this.#voice = voice;
    this.#trip = trip;
  }

  get port(): number {
    return this.#line.port;
  }

  /** From the answer on; again when the server offers anew. */
  agreed(plan: AudioPlan): void {
    this.#voice.ear.expect(plan.receive, new Set(plan.events.keys()));
    this.#line.agreed(plan, plan.send.payloadType, plan.send.format.clockRate);
    if (plan.remote !== undefined) this.#trip.mediaTo = `${plan.remote.address}:${plan.remote.port}`;
  }

  readonly send = (packet: MediaPacket, now: Millis): void => {
    if (this.#line.send(packet, now)) this.#trip.out.packets++;
  };

  /** Says BYE and frees the ports. Idempotent. */
  close(): void {
    this.#line.close();
  }
}

/** What reports of the server say of a stream of ours. */
export function takeReports(
  packets: readonly Rtcp[],
  sender: RtpSender,
  out: Omit<Outward, 'packets'>,
): void {
  for (const p of packets) {
    if (p.type !== 'sr' && p.type !== 'rr') continue;
    out.reports++;
    if (!p.reports.some(r => r.ssrc === sender.ssrc)) continue;
    const { sent } = sender;
    out.reported = true;
    out.lossPercent = (100 * Math.max(0, sent.lost ?? 0)) / Math.max(1, sent.packets);
    if (sent.jitterMs !== undefined) out.jitterMs = sent.jitterMs;
    if (sent.rttMs !== undefined) out.rttMs = sent.rttMs;
  }
}
