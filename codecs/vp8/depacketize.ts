import type { Depacketizer } from '../h264/depacketize.ts';
import { InOrder, type PictureLoss } from '../in-order.ts';
import { Vp8View } from './descriptor.ts';

export interface Vp8Picture {
  /** Of its packets. */
  readonly pts: number;
  readonly key: boolean;
  /** Borrowed for the call. */
  readonly bytes: Uint8Array;
}

const MAX_PICTURE_BYTES = 4 * 1024 * 1024;

/**
 * RTP payloads to VP8 pictures, RFC 7741. Packets out of order are put right within a small bound; after a gap
 * everything up to the next keyframe is dropped. `lost` as for H.264.
 */
export function vp8Depacketizer(
  on: (picture: Vp8Picture) => void,
  lost: (why: PictureLoss) => void = () => {},
): Depacketizer {
  const view = new Vp8View();
  let bytes = new Uint8Array(64 * 1024);
  let filled = 0;
  let pts: number | undefined;
  let key = false;
  let broken = false;
  let waitKey = true;

  const forget = (): void => {
    filled = 0;
    pts = undefined;
    key = broken = false;
  };
  const damage = (): void => {
    lost('malformed');
    broken = true;
  };
  const append = (b: Uint8Array): void => {
    const need = filled + b.length;
    if (need > MAX_PICTURE_BYTES) return damage();
    if (need > bytes.length) {
      const grown = new Uint8Array(Math.max(need, bytes.length * 2));
      grown.set(bytes.subarray(0, filled));
      bytes = grown;
    }
    bytes.set(b, filled);
    filled = need;
  };
  const finish = (): void => {
    if (pts === undefined) return;
    if (broken) waitKey = true;
    else if (waitKey && !key) lost('before-keyframe');
    else if (filled > 0) {
      waitKey = false;
      on({ pts, key, bytes: bytes.subarray(0, filled) });
    }
    forget();
  };
  const order = new InOrder({
    take(p) {
      if (pts !== undefined && p.pts !== pts) finish();
      const junk = view.read(p.payload);
      if (pts === undefined) {
        pts = p.pts;
        broken = junk === undefined && !view.first; // its beginning is missing
      }
      if (junk !== undefined) damage();
      else if (!broken) {
        key ||= view.key;
        append(view.data());
      }
      if (p.marker) finish();
    },
    gap() {
      lost('gap');
      broken = waitKey = true;
    },
    late: () => lost('reordered-late'),
    anew() {
      waitKey = true;
      forget();
    },
  });

  return {
    push: packet => order.push(packet),
    reset() {
      order.reset();
      waitKey = true;
      forget();
    },
  };
}
