import { makeAacConfig } from '../../codecs/aac/config.ts';
import type { Format, MediaPacket, Millis } from '../../src/contract.ts';
import { aacConfigTag, aacFrameTag, type Parts } from '../../src/proto/rtmp/flv.ts';

/** The connection of a player, for one medium. */
export interface TagSink {
  /** False: nothing goes now, for the player lags behind; counted. To be asked before each picture or sound. */
  open(): boolean;
  /** When what has `pts` is heard or seen, on our clock; undefined: nobody knows. */
  timeOf(pts: number): Millis | undefined;
  /** One tag; `at` is on our clock, ms. */
  send(at: Millis, parts: Parts): void;
}

/** What a player hears: raw AAC access units to FLV tags. */
export class AudioOut {
  readonly #to: TagSink;
  #config: Uint8Array = new Uint8Array(0);
  #announced = false;
  #last = Number.NEGATIVE_INFINITY;
  packets = 0;
  bytes = 0;
  constructor(to: TagSink) {
    this.#to = to;
  }

  /** Another source, or another coding of it; the player is told at once, so that it knows there is sound. */
  serving(format: Format, now: Millis): void {
    const told = format.fmtp?.config;
    const config =
      told === undefined ? makeAacConfig(format.clockRate, format.channels ?? 1) : Buffer.from(told, 'hex');
    if (config === undefined || Buffer.compare(config, this.#config) === 0) return;
    this.#config = config;
    this.#announced = this.#to.open();
    if (this.#announced) this.#to.send(Math.max(this.#last, now), aacConfigTag(config));
  }

  packet(p: MediaPacket, now: Millis): void {
    if (this.#config.length === 0) return;
    const at = Math.max(this.#last, this.#to.timeOf(p.pts) ?? now);
    if (!this.#to.open()) return;
    if (!this.#announced) this.#to.send(at, aacConfigTag(this.#config));
    this.#announced = true;
    this.#to.send(at, aacFrameTag(p.payload));
    this.#last = at;
    this.packets++;
    this.bytes += p.payload.length;
  }
}
