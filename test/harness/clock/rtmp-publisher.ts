import { writeAvcc } from '../../../codecs/h264/avcc.ts';
import { isParameterSet, NalType, nalType } from '../../../codecs/h264/nal.ts';
import { openPattern } from '../../../codecs/video/pattern.ts';
import { systemClock } from '../../../src/io/clock.ts';
import { avcConfigTag, avcFrameTag } from '../../../src/proto/rtmp/flv.ts';
import { type RtmpClient, rtmpClient } from '../peers/rtmp-client.ts';

export interface RtmpClockOptions {
  readonly width?: number;
  readonly height?: number;
  readonly fps?: number;
  readonly bitrateBps?: number;
  /** Length of its groups of pictures. */
  readonly groupS?: number;
}

/** Publishes H.264 as a mini-program does, a keyframe every three seconds, with the time of this machine burned in. */
export class RtmpClock {
  readonly #client: RtmpClient;
  readonly #stop: () => void;

  private constructor(client: RtmpClient, stop: () => void) {
    this.#client = client;
    this.#stop = stop;
  }

  /** `path`: `room/1000/alice`. */
  static async start(port: number, path: string, o: RtmpClockOptions = {}): Promise<RtmpClock> {
    const { width = 640, height = 360, fps = 15, groupS = 3, bitrateBps = 500_000 } = o;
    const pattern = await openPattern({ codec: 'H264', width, height, fps, colour: 'blue', bitrateBps });
    const client = await rtmpClient(port, 'publish', path, systemClock);
    await client.until(e => e.type === 'ready');
    const began = Date.now();
    let number = 0;
    const timer = setInterval(() => {
      const at = Date.now();
      if (at - began < (number * 1000) / fps) return;
      if (number++ % (fps * groupS) === 0) pattern.requestKey();
      const { units, key } = pattern.next(at);
      const of = (type: number): Uint8Array[] => units.filter(u => nalType(u) === type);
      const timestampMs = at - began;
      const sps = of(NalType.sps);
      if (sps.length > 0)
        client.send({
          type: 'media',
          media: 'video',
          timestampMs,
          parts: avcConfigTag(writeAvcc(sps, of(NalType.pps))),
        });
      const pictures = units.filter(u => !isParameterSet(u));
      client.send({ type: 'media', media: 'video', timestampMs, parts: avcFrameTag(key, 0, pictures) });
    }, 5);
    return new RtmpClock(client, () => {
      clearInterval(timer);
      pattern.close();
    });
  }

  stop(): void {
    this.#stop();
    this.#client.kill();
  }
}
