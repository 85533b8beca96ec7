import type { Format } from '../../src/contract.ts';
import type { SliceType } from './slice.ts';
import { readSps, type Sps } from './sps.ts';

/** The room's format of a stream with these parameters; `reorder`: what is known of its depth. */
const h264Format = (sps: Sps, reorder = sps.reorderFrames ?? 0): Format => ({
  codec: 'H264',
  clockRate: 90_000,
  fmtp: {
    'profile-level-id': sps.profileLevelId,
    'packetization-mode': '1',
    'x-size': `${sps.width}x${sps.height}`,
    'x-reorder': `${reorder}`,
  },
});

/**
 * Follows a stream's parameter sets and slices and tells its format when it changes. An encoder that does not say
 * how deep it reorders is believed not to, until its first B slice.
 */
export class H264FormatWatch {
  readonly #tell: (f: Format) => void;
  #sps: Sps | undefined;
  #told = '';
  #sawB = false;
  constructor(tell: (f: Format) => void) {
    this.#tell = tell;
  }

  /** The parameters in force. */
  get current(): Sps | undefined {
    return this.#sps;
  }

  /** False: unreadable, or of a size that nobody sends; do not pass it on. */
  sps(unit: Uint8Array): boolean {
    const sps = readSps(unit);
    if (sps === undefined) return false;
    const same = sps.width === this.#sps?.width && sps.profileLevelId === this.#sps.profileLevelId;
    if (!same) this.#sawB = false;
    this.#sps = sps;
    this.#changed();
    return true;
  }

  slice(type: SliceType): void {
    if (type !== 'B' || this.#sawB) return;
    this.#sawB = true;
    this.#changed();
  }

  #changed(): void {
    const sps = this.#sps;
    if (sps === undefined) return;
    const format = h264Format(sps, sps.reorderFrames ?? (this.#sawB ? 1 : 0));
    const key = JSON.stringify(format.fmtp);
    if (key === this.#told) return;
    this.#told = key;
    this.#tell(format);
  }
}
