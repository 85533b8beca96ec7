/**
 * The VP8 payload descriptor, RFC 7741 §4.2, as a view over borrowed bytes.
 * ```
 *  0 1 2 3 4 5 6 7
 * |X|R|N|S|R| PID |   S: a partition begins here; PID 0 with S: a picture
 * |I|L|T|K|  RSV  |   if X
 * |M| PictureID   |   if I; 15 bits over two bytes when M
 * |   TL0PICIDX   |   if L
 * |TID|Y| KEYIDX  |   if T or K
 * ```
 */
export class Vp8View {
  bytes: Uint8Array = new Uint8Array(0);
  /** First packet of a picture. */
  first = false;
  /** Nothing refers to this picture (N). */
  disposable = false;
  /** -1 where absent. */
  pictureId = -1;
  pictureIdBits: 0 | 7 | 15 = 0;
  tl0PicIdx = -1;
  temporal = -1;
  /** Layer sync (Y). */
  sync = false;
  keyIdx = -1;
  /** Where the VP8 data begin. */
  dataStart = 0;
  /** Of the first packet of a keyframe; its size in pixels, 0 when cut short. */
  key = false;
  width = 0;
  height = 0;

  /** The reason when it is junk, else undefined. Never throws. */
  read(b: Uint8Array): Vp8Junk | undefined {
    this.bytes = b;
    if (b.length < 2) return 'vp8-short';
    const head = b[0] as number;
    this.first = (head & 0x17) === 0x10;
    this.disposable = (head & 0x20) !== 0;
    this.pictureId = this.tl0PicIdx = this.temporal = this.keyIdx = -1;
    this.pictureIdBits = 0;
    this.sync = this.key = false;
    this.width = this.height = 0;
    this.dataStart = head & 0x80 ? this.#extension(b) : 1;
    if (this.dataStart >= b.length) return 'vp8-descriptor';
    return this.first ? this.#header(b.subarray(this.dataStart)) : undefined;
  }

  data(): Uint8Array {
    return this.bytes.subarray(this.dataStart);
  }

  /** Bytes past the end read as undefined, which the caller notices by the length. */
  #extension(b: Uint8Array): number {
    const flags = b[1] as number;
    let at = 2;
    if (flags & 0x80) {
      const high = b[at] ?? 0;
      this.pictureIdBits = high & 0x80 ? 15 : 7;
      this.pictureId = high & 0x80 ? (high & 127) * 256 + (b[at + 1] ?? 0) : high;
      at += high & 0x80 ? 2 : 1;
    }
    if (flags & 0x40) this.tl0PicIdx = b[at++] ?? 0;
    if (flags & 0x30) {
      const byte = b[at++] ?? 0;
      if (flags & 0x20) {
        this.temporal = byte >> 6;
        this.sync = (byte & 0x20) !== 0;
      }
      if (flags & 0x10) this.keyIdx = byte & 31;
    }
    return at;
  }

  /** RFC 6386 §9.1: 3 bytes, then of a keyframe `9d 01 2a`, width and height with two bits of scaling each. */
  #header(data: Uint8Array): Vp8Junk | undefined {
    if ((data[0] as number) & 1) return;
    if (data.length < 10 || data[3] !== 0x9d || data[4] !== 0x01 || data[5] !== 0x2a) return 'vp8-keyframe';
    this.key = true;
    this.width = (((data[7] as number) & 0x3f) << 8) | (data[6] as number);
    this.height = (((data[9] as number) & 0x3f) << 8) | (data[8] as number);
    if (this.width === 0 || this.height === 0 || this.width * this.height > MAX_PIXELS) return 'vp8-size';
  }
}

export type Vp8Junk = 'vp8-short' | 'vp8-descriptor' | 'vp8-keyframe' | 'vp8-size';

/** As for H.264 level 5.2: 36864 blocks of 16×16. */
const MAX_PIXELS = 36_864 * 256;
