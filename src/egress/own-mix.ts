import { Limiter } from '../media/mixer.ts';
import type { EncoderPool } from './encoder-pool.ts';
import { Lane } from './lane.ts';

/** What one speaker hears: the sum without its own voice. Its legs share it. */
export class OwnMix {
  /** The speaker's own share of the sum. */
  readonly voice: Int32Array;
  readonly pcm: Int16Array;
  readonly limiter = new Limiter();
  /** Every leg of the speaker has its lane. */
  complete = false;
  readonly #lanes = new Map<EncoderPool, Lane>();

  /** `gain`: that of the shared mix its owner leaves. */
  constructor(blockSamples: number, gain: number) {
    this.voice = new Int32Array(blockSamples);
    this.pcm = new Int16Array(blockSamples);
    this.limiter.gain = gain;
  }

  lanes(): Iterable<Lane> {
    return this.#lanes.values();
  }

  /** The lane of `pool`, begun at sample `at`; undefined while its encoder is being opened. */
  lane(pool: EncoderPool, at: number, past: Int16Array | undefined): Lane | undefined {
    let lane = this.#lanes.get(pool);
    if (lane !== undefined) return lane;
    const encoder = pool.take();
    if (encoder === undefined) return undefined;
    lane = new Lane(encoder);
    lane.begin(at, past);
    this.#lanes.set(pool, lane);
    return lane;
  }

  /** `pool` ends. */
  drop(pool: EncoderPool): void {
    this.#lanes.get(pool)?.encoder.close();
    this.#lanes.delete(pool);
  }

  /** Its encoders go back to their pools. */
  close(): void {
    for (const [pool, lane] of this.#lanes) pool.give(lane.encoder);
    this.#lanes.clear();
  }
}
