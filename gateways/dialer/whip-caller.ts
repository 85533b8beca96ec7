import { randomBytes } from 'node:crypto';
import { MediaStreamTrack } from 'werift';
import type { Format } from '../../src/contract.ts';
import { RtpReceiver } from '../../src/proto/rtp/receiver.ts';
import { RtpSender } from '../../src/proto/rtp/sender.ts';
import type { Ask } from './ask.ts';
import { Ear } from './ear.ts';
import { resolve } from './reach.ts';
import { talk } from './talk.ts';
import { isThisMachine, type WhipTarget } from './target.ts';
import { openTone } from './tone.ts';
import type { Trip } from './trip.ts';
import { OPUS_PAYLOAD_TYPE, WhipSession } from './whip-session.ts';

const OPUS: Format = { codec: 'opus', clockRate: 48000, channels: 2 };
const MAX_PACKET_BYTES = 1500;

/** Publishes by WHIP and plays the same room by WHEP, as the same member. Rejects with the hop that failed. */
export async function callWhip(target: WhipTarget, ask: Ask, trip: Trip): Promise<void> {
  const tone = await openTone(OPUS, ask.toneHz);
  const { clock } = trip;
  const ear = await Ear.open(new RtpReceiver(), [OPUS], ask.expectHz);
  ear.expect(new Map([[OPUS_PAYLOAD_TYPE, OPUS]]));
  trip.ear = ear;
  const closers: (() => unknown)[] = [() => ear.close()];
  try {
    trip.begin();
    const addresses = await resolve(target.host, trip);
    const local = addresses.every(a => isThisMachine(a.address));
    const shared = { addresses, local, insecure: ask.insecure, trip };
    const track = new MediaStreamTrack({ kind: 'audio' });
    const whip = new WhipSession(
      { ...shared, kind: 'WHIP', url: target.whip, bearer: ask.token },
      { send: track },
    );
    closers.push(() => whip.close());
    whip.listenToReports(() => trip.out.packets);
    await whip.open();
    const whep = new WhipSession(
      { ...shared, kind: 'WHEP', url: target.whep, bearer: ask.token ?? whip.secret },
      { hear: rtp => ear.rtp(rtp, clock.now()) },
    );
    closers.push(() => whep.close());
    await whep.open();
    const sender = new RtpSender(randomBytes, 0);
    sender.format(OPUS_PAYLOAD_TYPE, OPUS.clockRate);
    await talk(
      trip,
      ask,
      tone,
      (packet, now) => {
        const bytes = Buffer.allocUnsafe(MAX_PACKET_BYTES); // werift keeps packets for resending
        track.writeRtp(bytes.subarray(0, sender.write(packet, bytes, now)));
        trip.out.packets++;
      },
      Promise.race([whip.gone, whep.gone]),
    );
  } finally {
    for (const close of closers.reverse()) await close();
  }
}
