/** Pictures of a dialled SIP call: a line of their own, our test pattern out, the server's into the eye. */

import type { Studio } from '../../codecs/video/studio/studio.ts';
import type { Format, MediaPacket, Millis } from '../../src/contract.ts';
import { sendAs, type VideoLocal, type VideoPlan } from '../../src/proto/sdp/video.ts';
import { Eye } from './eye.ts';
import { OwnPicture } from './own-picture.ts';
import { asksKeyframe, openSession, RtpLine } from './rtp-line.ts';
import { takeReports } from './sip-media.ts';
import type { Trip } from './trip.ts';

const MAX_BPS = 1_500_000;
/** Pictures may overtake the answer (RFC 3264 §5.1): so many packets are kept until it is read. */
const MAX_EARLY = 1000;
/** What the test pattern is. */
export const PATTERN_FORMAT: Format = {
  codec: 'H264',
  clockRate: 90_000,
  fmtp: { 'profile-level-id': '42e01e', 'packetization-mode': '1' },
};

export class CallPicture {
  readonly local: VideoLocal = { codecs: ['H264'], direction: 'sendrecv', maxBps: MAX_BPS };
  readonly #trip: Trip;
  readonly #eye: Eye;
  readonly #own: OwnPicture;
  #line!: RtpLine;
  #agreed = false;
  readonly #early: { readonly bytes: Uint8Array; readonly at: Millis }[] = [];

  /** Binds the ports. Rejects with a Refusal. */
  static async open(
    family: 4 | 6,
    signalling: string,
    o: { readonly trip: Trip; readonly studio: Studio; readonly user: string; readonly cname: string },
  ): Promise<CallPicture> {
    const { trip } = o;
    const session = openSession(trip.clock, o.cname);
    const eye: Eye = new Eye(
      {
        studio: o.studio,
        clock: trip.clock,
        needKey: () => picture.#line.requestKey(),
        note: text => trip.note(text),
      },
      session.receiver,
    );
    const own = new OwnPicture(o.studio, o.user, text => trip.note(text));
    const picture = new CallPicture(trip, eye, own);
    picture.#line = await RtpLine.open({
      clock: trip.clock,
      family,
      session,
      signalling,
      rtp: (bytes, now) => picture.#rtp(bytes, now),
      rtcp: packets => {
        takeReports(packets, session.sender, own);
        if (asksKeyframe(packets)) own.requestKey();
      },
    });
    return picture;
  }

  private constructor(trip: Trip, eye: Eye, own: OwnPicture) {
    this.#trip = trip;
    this.#eye = eye;
    this.#own = own;
  }

  get port(): number {
    return this.#line.port;
  }

  /** From the answer on; again when the server offers anew. Undefined: it takes no picture. */
  agreed(plan: VideoPlan | undefined): void {
    const payloadType = plan && sendAs(plan, PATTERN_FORMAT);
    if (plan === undefined || payloadType === undefined) {
      if (!this.#agreed) this.#trip.note('the server took the call without pictures');
      return;
    }
    this.#trip.eye = this.#eye;
    this.#eye.expect(plan.receive);
    this.#line.agreed(plan, payloadType, PATTERN_FORMAT.clockRate);
    this.#own.camera.requestKey();
    if (this.#agreed) return;
    this.#agreed = true;
    this.#trip.own = this.#own;
    for (const { bytes, at } of this.#early.splice(0)) this.#eye.rtp(bytes, at);
  }

  /** From now on our picture is sent, if the server takes it. */
  begin(): void {
    if (this.#agreed) this.#own.camera.send(this.#trip.clock, this.#send);
  }

  /** The server asks for a keyframe by signalling (RFC 5168). */
  requestKey(): void {
    this.#own.requestKey();
  }

  /** Says BYE and frees the ports. Idempotent. */
  close(): void {
    this.#own.camera.close();
    this.#eye.close();
    this.#line.close();
  }

  #rtp(bytes: Uint8Array, now: Millis): void {
    if (this.#agreed) this.#eye.rtp(bytes, now);
    else if (this.#early.length < MAX_EARLY) this.#early.push({ bytes: Uint8Array.from(bytes), at: now });
  }

  readonly #send = (packet: MediaPacket, now: Millis): void => {
    if (!this.#line.send(packet, now)) return;
    this.#own.packets++;
    if (packet.marker) this.#own.pictures++;
  };
}
