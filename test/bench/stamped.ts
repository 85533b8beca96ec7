import { NalType, nalType } from '../../codecs/h264/nal.ts';
import { openPattern } from '../../codecs/video/pattern.ts';

/** A coded picture whose last bytes say when it was sent. Its slices have true headers; nobody decodes the rest. */
export interface StampedPicture {
  readonly units: readonly Uint8Array[];
  readonly key: boolean;
}

const STAMP_BYTES = 16;
/** High nibble of each stamp byte: never part of a start code. */
const HIGH = 0xa0;

/** µs on a clock that all processes of the machine share. */
export const nowUs = (): number => Number(process.hrtime.bigint() / 1000n);

/** Pictures as an encoder sends them, H.264 of this size, each of `bytes` (keyframes `keyBytes`); the first is a keyframe. */
export async function stampedPictures(o: {
  readonly width: number;
  readonly height: number;
  readonly fps: number;
  readonly bytes: number;
  readonly keyBytes: number;
}): Promise<{ readonly key: StampedPicture; readonly between: StampedPicture }> {
  const pattern = await openPattern({ ...o, codec: 'H264', colour: 'blue' });
  const [first, second] = [pattern.next(0), pattern.next(33)];
  pattern.close();
  const sized = (units: readonly Uint8Array[], bytes: number): Uint8Array[] => {
    const slices = units.filter(u => nalType(u) === NalType.idr || nalType(u) === NalType.slice);
    const sets = units.filter(u => nalType(u) === NalType.sps || nalType(u) === NalType.pps);
    const slice = new Uint8Array(bytes).fill(0x5a);
    slice.set((slices[0] as Uint8Array).subarray(0, 24));
    return [...sets, slice];
  };
  return {
    key: { units: sized(first.units, o.keyBytes), key: true },
    between: { units: sized(second.units, o.bytes), key: false },
  };
}

export function stamp({ units }: StampedPicture, us: number): void {
  const last = units.at(-1) as Uint8Array;
  let rest = us;
  for (let i = 0; i < STAMP_BYTES; i++) {
    last[last.length - 1 - i] = HIGH | (rest % 16);
    rest = Math.floor(rest / 16);
  }
}

/** When the picture that ends with this payload was sent. */
export function readStamp(payload: Uint8Array): number {
  let us = 0;
  for (let i = STAMP_BYTES; i > 0; i--) us = us * 16 + ((payload[payload.length - i] as number) & 15);
  return us;
}

/** Annex B of real pictures, for decoders: `seconds` of the pattern. */
export async function realPictures(o: {
  readonly width: number;
  readonly height: number;
  readonly fps: number;
  readonly bitrateBps: number;
  readonly seconds: number;
  readonly keyEvery: number;
}): Promise<StampedPicture[]> {
  const pattern = await openPattern({ ...o, codec: 'H264', colour: 'green' });
  const pictures = Array.from({ length: o.seconds * o.fps }, (_, i) => {
    if (i % o.keyEvery === 0) pattern.requestKey();
    const { units, key } = pattern.next((i * 1000) / o.fps);
    return { units, key };
  });
  pattern.close();
  return pictures;
}
