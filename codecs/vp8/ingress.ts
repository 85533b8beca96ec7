import type { Format, FrameMark } from '../../src/contract.ts';
import { Pictures, type VideoIngress, type VideoIngressNeeds } from '../video-ingress.ts';
import { Vp8View } from './descriptor.ts';

export const vp8Format = (width: number, height: number): Format => ({
  codec: 'VP8',
  clockRate: 90_000,
  fmtp: { 'x-size': `${width}x${height}` },
});

/**
 * RTP payloads of VP8 as they come in (RFC 7741) get their frame marks; nothing is changed, reordered or repaired.
 * `temporal` is the temporal layer, or 1 for pictures nothing refers to, else 0. Keyframes carry their own config.
 */
export const vp8Ingress =
  (needs: VideoIngressNeeds): VideoIngress =>
  next => {
    const view = new Vp8View();
    const pictures = new Pictures();
    const mark: FrameMark = { start: false, end: false, key: false, config: false, temporal: 0 };
    let width = 0;
    let height = 0;

    return (p, now) => {
      const junk = view.read(p.payload);
      if (junk !== undefined) return needs.drop(junk);
      const picture = pictures.of(p.pts);
      if (view.key) {
        picture.key = true;
        if (view.width !== width || view.height !== height) {
          width = view.width;
          height = view.height;
          needs.format(vp8Format(width, height));
        }
      }
      mark.start = pictures.begins(picture, p.seq, p.marker, view.first);
      mark.end = p.marker;
      mark.key = picture.key;
      mark.temporal = view.temporal > 0 ? view.temporal : view.disposable ? 1 : 0;
      p.frame = mark;
      next(p, now);
    };
  };
