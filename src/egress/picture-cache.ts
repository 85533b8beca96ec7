import type { MediaPacket, Sink } from '../contract.ts';
import type { Millis } from '../kit/core.ts';
import { type OutPacket, PictureGroup } from './picture-group.ts';
import type { Tap } from './tap.ts';

/** Parameter sets are some dozens of bytes; there are a few. */
const MAX_CONFIG_BYTES = 4096;
const MAX_CONFIGS = 8;

/**
 * What a new viewer of a flow needs: its parameter sets always, and for publishers that cannot be asked for a
 * keyframe (RTMP) the group of pictures since the last one. Sees every packet before the viewers do.
 */
export class PictureCache {
  readonly tap: Tap;
  /** Kept where keyframes cannot be asked for. */
  readonly group: PictureGroup | undefined;
  /** The packet at hand is the first of a keyframe: a viewer may begin here. */
  atKeyframe = false;
  readonly #done: () => void;
  readonly #untap: () => void;
  readonly #configs: { pts: number; payload: Uint8Array }[] = [];
  #lastPts: number | undefined;
  /** The picture at hand was seen from its first packet. */
  #fromStart = false;
  /** Of the last keyframe: packets of another picture may come late, between its own. */
  #keyPts: number | undefined;
  /** Reused for every packet made here. */
  readonly #packet: OutPacket = emptyPacket();

  /** `done` gives the tap back. */
  constructor(tap: Tap, keepGroup: boolean, done: () => void) {
    this.tap = tap;
    this.group = keepGroup ? new PictureGroup() : undefined;
    this.#done = done;
    this.#untap = tap.add(packet => this.#see(packet));
  }

  /** The parameter sets in force, as the beginning of the picture whose first packet has `seq` and `pts`. */
  sendConfig(sink: Sink<MediaPacket>, seq: number, pts: number, now: Millis): void {
    const packet = this.#packet;
    packet.pts = pts;
    for (const [i, config] of this.#configs.entries()) {
      packet.seq = seq - this.#configs.length + i;
      packet.payload = config.payload;
      Object.assign(packet.frame, { start: i === 0, end: false, key: true, config: true, temporal: 0 });
      sink(packet, now);
    }
  }

  /** The stream was interrupted or changed: what is kept belongs to another picture. */
  reset(): void {
    this.#configs.length = 0;
    this.group?.clear();
  }

  close(): void {
    this.#untap();
    this.#done();
  }

  #see(p: MediaPacket): void {
    const frame = p.frame;
    this.atKeyframe = false;
    if (frame === undefined) return;
    const newPicture = p.pts !== this.#lastPts;
    if (newPicture) {
      this.#fromStart = frame.start || this.#lastPts !== undefined;
      this.#lastPts = p.pts;
    }
    if (frame.config) this.#keepConfig(p);
    if (frame.key && p.pts !== this.#keyPts && (this.#fromStart || frame.start)) {
      this.#keyPts = p.pts;
      this.atKeyframe = true;
      this.group?.begin(p.pts);
    }
    this.group?.add(p, frame, newPicture);
  }

  #keepConfig(p: MediaPacket): void {
    if (p.payload.length > MAX_CONFIG_BYTES) return; // aggregated with the picture itself
    if (this.#configs[0]?.pts !== p.pts) this.#configs.length = 0;
    if (this.#configs.length < MAX_CONFIGS) this.#configs.push({ pts: p.pts, payload: p.payload.slice() });
  }
}

export const emptyPacket = (): OutPacket => ({
  seq: 0,
  pts: 0,
  marker: false,
  payload: new Uint8Array(0),
  frame: { start: false, end: false, key: false, config: false, temporal: 0 },
});
