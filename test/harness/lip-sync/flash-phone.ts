/** A video telephone whose picture turns white exactly when it beeps. */
import dgram from 'node:dgram';
import { once } from 'node:events';
import { openEncoder } from '../../../codecs/audio.ts';
import { readAnnexB } from '../../../codecs/h264/annexb.ts';
import { h264Packetizer } from '../../../codecs/h264/packetize.ts';
import { loadVideoAv } from '../../../codecs/video/av.ts';
import { openEncoderWith } from '../../../codecs/video/picture-encoder.ts';
import { blankFrame } from '../../../codecs/video/scaler.ts';
import { openUserAgent } from '../../../gateways/dialer/user-agent.ts';
import { systemClock } from '../../../src/io/clock.ts';
import { ntpOf, writeRtcp } from '../../../src/proto/rtp/rtcp.ts';
import { writeRtpHeader } from '../../../src/proto/rtp/rtp.ts';
import { parseSdp } from '../../../src/proto/sdp/sdp.ts';
import { flowTo } from '../../../src/proto/sip/flow.ts';

const EVERY_MS = 2000;
const FLASH_MS = 120;
const BEEP_HZ = 1000;
const FRAME_MS = 20;
const PICTURE_MS = 40;
const SIZE = { width: 320, height: 240 };

export interface FlashPhoneOptions {
  /** UDP port of the server on 127.0.0.1. */
  readonly port: number;
  readonly room: string;
  readonly user: string;
  /** Timestamps of the picture are those of the sound, less so much. */
  readonly apartMs: number;
  /** The picture leaves so much later than the sound. */
  readonly pictureLateMs: number;
  /** It takes the room's picture, too. */
  readonly receives?: boolean;
}

class Line {
  readonly rtp = dgram.createSocket('udp4');
  readonly rtcp = dgram.createSocket('udp4');
  readonly #ssrc: number;
  #seq = 100;
  #packets = 0;
  #octets = 0;
  #to = 0;
  constructor(ssrc: number) {
    this.#ssrc = ssrc;
  }
  async open(): Promise<this> {
    for (const socket of [this.rtp, this.rtcp]) {
      socket.bind(0, '127.0.0.1');
      await once(socket, 'listening');
    }
    return this;
  }
  agreed(port: number): void {
    this.#to = port;
  }
  get ports(): [rtp: number, rtcp: number] {
    return [this.rtp.address().port, this.rtcp.address().port];
  }
  send(payloadType: number, timestamp: number, payload: Uint8Array, marker: boolean): void {
    const b = Buffer.alloc(12 + payload.length);
    writeRtpHeader(b, payloadType, marker, this.#seq++ & 0xffff, timestamp >>> 0, this.#ssrc);
    b.set(payload, 12);
    this.#packets++;
    this.#octets += payload.length;
    this.rtp.send(b, this.#to, '127.0.0.1');
  }
  /** `timestamp` is that of Unix time `unixMs`. */
  report(timestamp: number, unixMs: number): void {
    const ssrc = this.#ssrc;
    const info = {
      ntp: ntpOf(unixMs),
      rtpTime: timestamp >>> 0,
      packets: this.#packets,
      octets: this.#octets,
    };
    const bytes = writeRtcp([
      { type: 'sr', ssrc, ...info, reports: [] },
      { type: 'sdes', chunks: [{ ssrc, cname: 'flash' }] },
    ]);
    this.rtcp.send(bytes, this.#to + 1, '127.0.0.1');
  }
  close(): void {
    this.rtp.close();
    this.rtcp.close();
  }
}

/** Calls the room and flashes until it is closed. */
export async function flashPhone(o: FlashPhoneOptions): Promise<{ close(): Promise<void> }> {
  const sound = await new Line(0x51).open();
  const picture = await new Line(0x52).open();
  const agent = await openUserAgent({
    address: '127.0.0.1',
    tcp: false,
    clock: systemClock,
    message() {},
    bug: error => console.error(error),
  });
  const sdp = await new Promise<string>((answered, failed) => {
    agent.signalling.dial(
      {
        to: `sip:${o.room}@127.0.0.1:${o.port}`,
        user: o.user,
        sdp: offer(sound.ports, picture.ports, o.receives === true),
        flow: flowTo('udp', '127.0.0.1', o.port),
        headers: [],
      },
      e => {
        if (e.type === 'answered') answered(e.sdp ?? '');
        else if (e.type === 'failed') failed(new Error(`the call failed with ${e.status}`));
      },
    );
  });
  const answer = parseSdp(sdp);
  if (typeof answer === 'string') throw new Error(answer);
  sound.agreed(answer.sections[0]!.port);
  picture.agreed(answer.sections[1]!.port);
  const stop = await play(o, sound, picture);
  return {
    async close() {
      stop();
      sound.close();
      picture.close();
      await agent.close();
    },
  };
}

/** Sends what is captured from now on: beeps and flashes begin at whole multiples of `EVERY_MS`. */
async function play(o: FlashPhoneOptions, sound: Line, picture: Line): Promise<() => void> {
  const encoder = await openEncoder({ codec: 'PCMU', clockRate: 8000 }, 8000);
  const camera = await openCamera();
  const began = performance.now();
  const unixAtBegin = Date.now() + 123_456; // the phone's clock is not the server's
  const soundAt = (ms: number): number => 0x10000000 + ms * 8;
  const pictureAt = (ms: number): number => 0xfff00000 + (ms - o.apartMs) * 90;
  const pcm = new Int16Array((8000 * FRAME_MS) / 1000);
  let heard = 0;
  let seen = 0;
  let reported = 500;
  const run = setInterval(() => {
    const now = performance.now() - began;
    for (; heard + FRAME_MS <= now; heard += FRAME_MS) {
      for (let i = 0; i < pcm.length; i++) {
        const ms = heard + i / 8;
        pcm[i] = ms % EVERY_MS < FLASH_MS ? 12_000 * Math.sin((2 * Math.PI * BEEP_HZ * ms) / 1000) : 0;
      }
      encoder.encode(pcm, payload => sound.send(0, soundAt(heard), payload, false));
    }
    for (; seen + o.pictureLateMs <= now; seen += PICTURE_MS)
      camera.shoot(seen % EVERY_MS < FLASH_MS, seen, (payload, marker) =>
        picture.send(97, pictureAt(seen), payload, marker),
      );
    for (; reported <= now; reported += 1000) {
      sound.report(soundAt(reported), unixAtBegin + reported);
      picture.report(pictureAt(reported), unixAtBegin + reported);
    }
  }, 5);
  return () => {
    clearInterval(run);
    encoder.close();
    camera.close();
  };
}

async function openCamera() {
  const lib = await loadVideoAv();
  const encoder = openEncoderWith(lib, { codec: 'H264', ...SIZE, fps: 25, bitrateBps: 400_000 });
  const frame = blankFrame(lib, SIZE.width, SIZE.height);
  const pack = h264Packetizer();
  return {
    shoot(white: boolean, ms: number, send: (payload: Uint8Array, marker: boolean) => void): void {
      if (!frame.isWritable) frame.makeWritable();
      for (const [i, plane] of (frame.data ?? []).entries()) plane.fill(i > 0 ? 128 : white ? 235 : 16);
      encoder.encode(frame, ms * 90, ms % 1000 === 0, (bytes, _, key) =>
        pack(readAnnexB(Uint8Array.from(bytes)), key, (payload, mark) => send(payload, mark.end)),
      );
    },
    close: () => encoder.close(),
  };
}

const offer = (
  [sound, soundRtcp]: [number, number],
  [picture, pictureRtcp]: [number, number],
  receives: boolean,
): string =>
  [
    ...['v=0', 'o=- 1 1 IN IP4 127.0.0.1', 's=-', 'c=IN IP4 127.0.0.1', 't=0 0'],
    ...[`m=audio ${sound} RTP/AVP 0`, `a=rtcp:${soundRtcp}`],
    ...[`m=video ${picture} RTP/AVP 97`, `a=rtcp:${pictureRtcp}`, 'a=rtpmap:97 H264/90000'],
    ...['a=fmtp:97 profile-level-id=42e01f;packetization-mode=1', receives ? 'a=sendrecv' : 'a=sendonly', ''],
  ].join('\r\n');
