import { h264Packetizer } from '../../codecs/h264/packetize.ts';
import type { Easel, Studio } from '../../codecs/video/studio/studio.ts';
import type { PatternColour, PatternPicture } from '../../codecs/video/studio/wire.ts';
import type { Clock, FrameMark, MediaPacket, Millis, Sink } from '../../src/contract.ts';

const CAMERA_FPS = 15;
const BITRATE_BPS = 400_000;
/** Further behind than this (a stalled process), pictures are left out. */
const MAX_BEHIND_MS = 1000;

export interface CameraOptions {
  /** Even. */
  readonly width: number;
  readonly height: number;
  readonly colour: PatternColour;
}

/** A moving test pattern in H.264 with the time of day burned in. */
export class Camera {
  readonly #easel: Easel;
  #key = false;
  #disarm = (): void => {};

  /** `failed` hears why no more pictures come. */
  constructor(studio: Studio, o: CameraOptions, failed: (text: string) => void) {
    this.#easel = studio.easel({ ...o, codec: 'H264', fps: CAMERA_FPS, bitrateBps: BITRATE_BPS }, failed);
  }

  /** As RTP payloads into `sink`, until `close`. */
  send(clock: Clock, sink: Sink<MediaPacket>): void {
    const pack = h264Packetizer();
    const packet: MediaPacket = { seq: 0, pts: 0, marker: false, payload: new Uint8Array(0) };
    this.show(clock, picture => {
      const now = clock.now();
      packet.pts = picture.pts;
      pack(picture.units, picture.key, (payload: Uint8Array, mark: FrameMark) => {
        packet.seq++;
        packet.payload = payload;
        packet.marker = mark.end;
        packet.frame = mark;
        sink(packet, now);
      });
    });
  }

  /** As NAL units, until `close`; `pts` as time goes by. */
  show(clock: Clock, sink: (picture: PatternPicture) => void): void {
    const from = clock.now();
    let dueAt = from;
    const tick = (): void => {
      const now = clock.now();
      if (now - dueAt > MAX_BEHIND_MS) dueAt = now;
      while (dueAt <= now) {
        const pts = Math.round((dueAt - from) * 90);
        const key = this.#key;
        const asked = this.#easel.next(timeOfDay(), key, picture => sink({ ...picture, pts }));
        if (asked && key) this.#key = false;
        dueAt += 1000 / CAMERA_FPS;
      }
      this.#disarm = clock.at(dueAt, tick);
    };
    tick();
  }

  requestKey(): void {
    this.#key = true;
  }

  /** Idempotent. */
  close(): void {
    this.#disarm();
    this.#disarm = () => {};
    this.#easel.close();
  }
}

/** Ms since midnight: what is burned into our pictures. */
export function timeOfDay(): Millis {
  const now = new Date();
  return now.getTime() - new Date(now.getFullYear(), now.getMonth(), now.getDate()).getTime();
}
