/** A WHEP player of werift, a stack that shares no code with ours: when flashes and beeps are, by sender reports alone. */
import { RTCPeerConnection, type RtpPacket, useH264, useOPUS } from 'werift';
import { openDecoder } from '../../../codecs/audio.ts';
import { unixOf } from '../../../src/proto/rtp/rtcp.ts';

const LOUD = 3000;
const APART_MS = 1000;
/** What was kept for those who come later is played in a burst, whose times are not those of its capture. */
const BURST_MS = 3000;

interface Heard {
  readonly packets: { readonly timestamp: number; readonly payload: Buffer; readonly at: number }[];
  report: { readonly unixMs: number; readonly rtpTime: number } | undefined;
}

/** Flashes must be keyframes, and no other picture one. */
export class WhepListener {
  readonly #pc: RTCPeerConnection;
  readonly #heard: Record<string, Heard> = {
    audio: { packets: [], report: undefined },
    video: { packets: [], report: undefined },
  };

  private constructor(pc: RTCPeerConnection) {
    this.#pc = pc;
  }

  static async open(url: string): Promise<WhepListener> {
    const pc = new RTCPeerConnection({
      iceServers: [],
      iceUseIpv6: false,
      iceAdditionalHostAddresses: ['127.0.0.1'],
      codecs: {
        audio: [useOPUS()],
        video: [useH264({ rtcpFeedback: [{ type: 'nack', parameter: 'pli' }] })],
      },
      bundlePolicy: 'max-bundle',
    });
    const listener = new WhepListener(pc);
    pc.onTrack.subscribe(track => {
      const heard = listener.#heard[track.kind] as Heard;
      track.onReceiveRtp.subscribe(({ header, payload }: RtpPacket) => {
        heard.packets.push({ timestamp: header.timestamp, payload: Buffer.from(payload), at: Date.now() });
      });
      track.onReceiveRtcp.subscribe(p => {
        if (p.type !== 200) return;
        const { ntpTimestamp, rtpTimestamp } = p.senderInfo;
        heard.report = { unixMs: unixOf(BigInt(ntpTimestamp)), rtpTime: rtpTimestamp };
      });
    });
    pc.addTransceiver('audio', { direction: 'recvonly' });
    pc.addTransceiver('video', { direction: 'recvonly' });
    await pc.setLocalDescription(await pc.createOffer());
    const answer = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/sdp', connection: 'close' },
      body: pc.localDescription?.sdp ?? '',
    });
    if (answer.status !== 201) throw new Error(`${url}: ${answer.status} ${await answer.text()}`);
    await pc.setRemoteDescription({ type: 'answer', sdp: await answer.text() });
    return listener;
  }

  close(): Promise<void> {
    return this.#pc.close();
  }

  /** By how much each flash is to be seen later than its beep is to be heard, ms. */
  async apart(): Promise<number[]> {
    const beeps = await this.#beeps();
    return this.#flashes().flatMap(flash => {
      const [nearest] = beeps.map(beep => flash - beep).sort((a, b) => Math.abs(a) - Math.abs(b));
      return nearest !== undefined && Math.abs(nearest) < APART_MS ? [Math.round(nearest)] : [];
    });
  }

  #flashes(): number[] {
    const heard = this.#heard.video as Heard;
    const from = (heard.packets[0]?.at ?? 0) + BURST_MS;
    const keys = heard.packets.filter(p => p.at > from && isKeyframe(p.payload));
    return beginnings(keys.map(p => timeOf(heard, p.timestamp, 90_000)));
  }

  async #beeps(): Promise<number[]> {
    const heard = this.#heard.audio as Heard;
    const decoder = await openDecoder({ codec: 'opus', clockRate: 48_000 }, 48_000);
    const loud: number[] = [];
    for (const { payload, timestamp } of heard.packets) {
      const at = decoder.decode(payload).findIndex(sample => Math.abs(sample) > LOUD);
      if (at >= 0) loud.push(timeOf(heard, timestamp + at, 48_000));
    }
    decoder.close();
    return beginnings(loud);
  }
}

/** Unix time that the last sender report gives to an RTP timestamp (RFC 3550 §6.4.1). */
function timeOf({ report }: Heard, timestamp: number, clockRate: number): number {
  if (report === undefined) throw new Error('there was no sender report');
  return report.unixMs + (((timestamp - report.rtpTime) | 0) * 1000) / clockRate;
}

/** An IDR slice begins: alone, or in the first fragment (RFC 6184 §5.8). */
const isKeyframe = (payload: Buffer): boolean => {
  const type = payload[0]! & 31;
  return type === 5 || (type === 28 && payload[1]! & 0x80 ? (payload[1]! & 31) === 5 : false);
};

const beginnings = (times: readonly number[]): number[] =>
  times.filter((at, i) => i === 0 || at - (times[i - 1] as number) > APART_MS);
