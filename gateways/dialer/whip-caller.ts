import { randomBytes } from 'node:crypto';
import { MediaStreamTrack } from 'werift';
import type { Format, MediaPacket, Millis, Sink } from '../../src/contract.ts';
import { RtpReceiver } from '../../src/proto/rtp/receiver.ts';
import { RtpSender } from '../../src/proto/rtp/sender.ts';
import { type Ask, callerOf } from './ask.ts';
import { Ear } from './ear.ts';
import { Eye } from './eye.ts';
import { OwnPicture } from './own-picture.ts';
import { resolve } from './reach.ts';
import { into, talk } from './talk.ts';
import { isThisMachine, type WhipTarget } from './target.ts';
import { openTone } from './tone.ts';
import type { Trip } from './trip.ts';
import { H264_PAYLOAD_TYPE, OPUS_PAYLOAD_TYPE, VP8_PAYLOAD_TYPE, WhipSession } from './whip-session.ts';

const OPUS: Format = { codec: 'opus', clockRate: 48000, channels: 2 };
const PICTURES: ReadonlyMap<number, Format> = new Map([
  [H264_PAYLOAD_TYPE, { codec: 'H264', clockRate: 90_000 }],
  [VP8_PAYLOAD_TYPE, { codec: 'VP8', clockRate: 90_000 }],
]);
const MAX_PACKET_BYTES = 1500;

/** Publishes by WHIP and plays the same room by WHEP, as the same member. Rejects with the hop that failed. */
export async function callWhip(target: WhipTarget, ask: Ask, trip: Trip): Promise<void> {
  const tone = await openTone(OPUS, ask.toneHz);
  const { clock, studio } = trip;
  const ear = await Ear.open(new RtpReceiver(), [OPUS], ask.expectHz);
  ear.expect(new Map([[OPUS_PAYLOAD_TYPE, OPUS]]));
  trip.ear = ear;
  const closers: (() => unknown)[] = [() => ear.close()];
  try {
    const note = (text: string): void => trip.note(text);
    const own = studio && new OwnPicture(studio, target.whip.searchParams.get('user') ?? callerOf(ask), note);
    if (own) closers.push(() => own.camera.close());
    const eye = studio && new Eye({ studio, clock, note, needKey: () => whep.requestKey() });
    eye?.expect(PICTURES);
    if (eye) closers.push(() => eye.close());
    trip.begin();
    const addresses = await resolve(target.host, trip);
    const local = addresses.every(a => isThisMachine(a.address));
    const shared = { addresses, local, insecure: ask.insecure, trip };
    const [sound, picture] = [
      new MediaStreamTrack({ kind: 'audio' }),
      own && new MediaStreamTrack({ kind: 'video' }),
    ];
    const whip = new WhipSession(
      { ...shared, kind: 'WHIP', url: target.whip, bearer: ask.token },
      { send: sound, show: picture },
    );
    closers.push(() => whip.close());
    whip.listenToReports(trip.out, own);
    whip.onKeyframe(() => own?.requestKey());
    await whip.open();
    const whep: WhipSession = new WhipSession(
      { ...shared, kind: 'WHEP', url: target.whep, bearer: ask.token ?? whip.secret },
      {
        hear: rtp => ear.rtp(rtp, clock.now()),
        see: eye && (rtp => eye.rtp(rtp, clock.now())),
      },
    );
    closers.push(() => whep.close());
    await whep.open();
    if (whep.hasPicture) trip.eye = eye;
    if (own && picture && whip.hasPicture) {
      trip.own = own;
      const send = writer(picture, H264_PAYLOAD_TYPE, 90_000);
      own.camera.send(clock, (packet, now) => {
        send(packet, now);
        own.packets++;
        if (packet.marker) own.pictures++;
      });
    }
    if (studio && !(whip.hasPicture && whep.hasPicture))
      trip.note('the server took the call without pictures');
    const speak = writer(sound, OPUS_PAYLOAD_TYPE, OPUS.clockRate);
    const out = (packet: MediaPacket, now: Millis): void => {
      speak(packet, now);
      trip.out.packets++;
    };
    await talk(trip, ask, OPUS.codec, into(tone, out), Promise.race([whip.gone, whep.gone]));
  } finally {
    for (const close of closers.reverse()) await close();
  }
}

/** Packets as werift sends them: it numbers nothing itself and keeps them for resending. */
export function writer(track: MediaStreamTrack, payloadType: number, clockRate: number): Sink<MediaPacket> {
  const sender = new RtpSender(randomBytes, 0);
  sender.format(payloadType, clockRate);
  return (packet, now) => {
    const bytes = Buffer.allocUnsafe(MAX_PACKET_BYTES);
    track.writeRtp(bytes.subarray(0, sender.write(packet, bytes, now)));
  };
}
