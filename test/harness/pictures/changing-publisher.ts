import { writeAvcc } from '../../../codecs/h264/avcc.ts';
import { isParameterSet, NalType, nalType } from '../../../codecs/h264/nal.ts';
import { openPattern, type Pattern, type PatternPicture } from '../../../codecs/video/pattern.ts';
import type { PatternColour } from '../../../codecs/video/pattern-code.ts';
import { systemClock } from '../../../src/io/clock.ts';
import { avcConfigTag, avcFrameTag } from '../../../src/proto/rtmp/flv.ts';
import { type RtmpClient, rtmpClient } from '../peers/rtmp-client.ts';
import { FPS } from './clips.ts';

export interface Look {
  readonly colour: PatternColour;
  readonly width: number;
  readonly height: number;
}

/** A live-pusher whose picture changes its size while it is seen: another AVC header in mid-stream. No sound. */
export class ChangingPublisher {
  readonly #client: RtmpClient;
  readonly #began = Date.now();
  readonly #timer: NodeJS.Timeout;
  #pattern: Pattern | undefined;
  #told: ((at: number) => void) | undefined;

  private constructor(client: RtmpClient) {
    this.#client = client;
    this.#timer = setInterval(() => this.#send(), 1000 / FPS);
  }

  static async start(port: number, room: string, user: string): Promise<ChangingPublisher> {
    const client = await rtmpClient(port, 'publish', `room/${room}/${user}`, systemClock);
    await client.until(e => e.type === 'ready');
    return new ChangingPublisher(client);
  }

  /** Resolves with the time its first picture went out, ms of the wall clock. */
  async show(look: Look): Promise<number> {
    const pattern = await openPattern({ ...look, codec: 'H264', fps: FPS });
    this.#pattern?.close();
    this.#pattern = pattern;
    return new Promise(resolve => (this.#told = resolve));
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#pattern?.close();
    this.#client.send({ type: 'stop' });
    await this.#client.closed;
  }

  #send(): void {
    const picture = this.#pattern?.next(Date.now());
    if (picture === undefined) return;
    const timestampMs = Date.now() - this.#began;
    if (this.#told) this.#video(timestampMs, avcConfigTag(headerOf(picture)));
    const units = picture.units.filter(unit => !isParameterSet(unit));
    this.#video(timestampMs, avcFrameTag(picture.key, 0, units));
    this.#told?.(Date.now());
    this.#told = undefined;
  }

  #video(timestampMs: number, parts: readonly Uint8Array[]): void {
    this.#client.send({ type: 'media', media: 'video', timestampMs, parts });
  }
}

const headerOf = ({ units }: PatternPicture): Uint8Array => {
  const of = (type: number): Uint8Array[] => units.filter(unit => nalType(unit) === type);
  return writeAvcc(of(NalType.sps), of(NalType.pps));
};
