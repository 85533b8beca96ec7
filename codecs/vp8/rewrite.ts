import type { MediaPacket } from '../../src/contract.ts';
import { Vp8View } from './descriptor.ts';

const MAX_PAYLOAD_BYTES = 2048;
const REMEMBERED = 8;

/**
 * One continuous line of picture ids and TL0PICIDX out of one VP8 source after another, as a decoder wants them
 * (RFC 7741 §4.2: a picture id goes up by one a picture). Within a source, gaps stay as they are. Every payload leaves
 * with a picture id of 15 bits, also where the source has 7 bits or none.
 */
export class Vp8Rewrite {
  readonly #view = new Vp8View();
  readonly #out = new Uint8Array(MAX_PAYLOAD_BYTES);
  #fresh = true;
  #tl0Fresh = true;
  #idOffset = 0;
  #lastIdIn = 0;
  /** Of the newest picture sent. */
  #lastId: number;
  #tl0Offset = 0;
  #lastTl0: number;
  /** Pictures without an id of their own are counted: the newest ones, by pts. */
  readonly #pts = new Float64Array(REMEMBERED).fill(Number.NaN);
  #counted = 0;

  /** `pictureId` (15 bits) and `tl0PicIdx` (8 bits) of the first packet; random ones are usual. */
  constructor(first: { pictureId: number; tl0PicIdx: number }) {
    this.#lastId = (first.pictureId + 0x7fff) & 0x7fff;
    this.#lastTl0 = (first.tl0PicIdx + 255) & 255;
  }

  /** The next packet comes from another source. */
  restart(): void {
    this.#fresh = this.#tl0Fresh = true;
  }

  /** The payload to send instead of `p.payload`, borrowed until the next call; undefined when it is junk. */
  map(p: MediaPacket): Uint8Array | undefined {
    const view = this.#view;
    if (view.read(p.payload) !== undefined || p.payload.length > MAX_PAYLOAD_BYTES - 4) return undefined;
    const fresh = this.#fresh;
    if (fresh) this.#pts.fill(Number.NaN);
    const idIn = this.#idIn(p.pts, fresh);
    const tl0 = view.tl0PicIdx;
    if (fresh) this.#idOffset = this.#lastId + 1 - idIn;
    if (this.#tl0Fresh && tl0 >= 0) {
      this.#tl0Fresh = false;
      this.#tl0Offset = this.#lastTl0 + 1 - tl0;
    }
    this.#fresh = false;
    const id = (idIn + this.#idOffset) & 0x7fff;
    if (((id - this.#lastId) & 0x7fff) < 0x4000) this.#lastId = id;
    const tl0Out = (tl0 + this.#tl0Offset) & 255;
    if (tl0 >= 0 && ((tl0Out - this.#lastTl0) & 255) < 128) this.#lastTl0 = tl0Out;
    return this.#write(id, tl0Out);
  }

  /** The source's picture id, without wraps as far as it has come. */
  #idIn(pts: number, fresh: boolean): number {
    const { pictureId, pictureIdBits } = this.#view;
    let id: number;
    if (pictureIdBits === 0) id = this.#count(pts);
    else if (fresh) id = pictureId;
    else {
      const range = 1 << pictureIdBits;
      let step = (pictureId - this.#lastIdIn) & (range - 1);
      if (step >= range / 2) step -= range;
      id = this.#lastIdIn + step;
    }
    if (fresh || id > this.#lastIdIn) this.#lastIdIn = id;
    return id;
  }

  #count(pts: number): number {
    for (let back = 0; back < REMEMBERED; back++)
      if (this.#pts[(this.#counted - back + REMEMBERED) % REMEMBERED] === pts) return this.#counted - back;
    this.#counted++;
    this.#pts[this.#counted % REMEMBERED] = pts;
    return this.#counted;
  }

  #write(id: number, tl0: number): Uint8Array {
    const { bytes, dataStart, tl0PicIdx, temporal, keyIdx, sync } = this.#view;
    const out = this.#out;
    const layered = temporal >= 0 || keyIdx >= 0;
    out[0] = (bytes[0] as number) | 0x80;
    out[1] = 0x80 | (tl0PicIdx >= 0 ? 0x40 : 0) | (temporal >= 0 ? 0x20 : 0) | (keyIdx >= 0 ? 0x10 : 0);
    out[2] = 0x80 | (id >> 8);
    out[3] = id & 255;
    let at = 4;
    if (tl0PicIdx >= 0) out[at++] = tl0;
    if (layered) out[at++] = (Math.max(0, temporal) << 6) | (sync ? 0x20 : 0) | Math.max(0, keyIdx);
    out.set(bytes.subarray(dataStart), at);
    return out.subarray(0, at + bytes.length - dataStart);
  }
}
