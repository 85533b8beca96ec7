import type { Millis } from '../../src/contract.ts';
import type { Rtcp } from '../../src/proto/rtp/rtcp.ts';
import type { OfferedFormat } from '../../src/proto/webrtc/offer.ts';
import type { Layer } from './layer.ts';

/** Keyframes of one stream are asked for at most this often, whoever wants them. */
export const KEYFRAME_EVERY_MS = 300;

/** The RTCP a publisher of pictures is sent about its layers. */
export class LayerFeedback {
  readonly #ssrc: number;
  readonly #cname: string;
  readonly #nack: boolean;
  readonly #pli: boolean;
  readonly #remb: boolean;
  /** RFC 5104 §4.3.1.2: each request has its number. */
  #firSeq = 0;

  /** `ssrc`: of our RTCP. `formats`: those in use, with the feedback they were offered with. */
  constructor(o: { ssrc: number; cname: string; formats: readonly OfferedFormat[] }) {
    this.#ssrc = o.ssrc;
    this.#cname = o.cname;
    this.#nack = o.formats.some(f => f.feedback.includes('nack'));
    this.#pli = o.formats.some(f => f.feedback.includes('nack pli'));
    this.#remb = o.formats.some(f => f.feedback.includes('goog-remb'));
  }

  /** Lost packets to send again, and a keyframe, as far as they are due. */
  ask(layer: Layer, now: Millis): Rtcp[] {
    const asked: Rtcp[] = [];
    const { ssrc: media } = layer.receiver;
    const sender = this.#ssrc;
    const lost = layer.nacks.due(now);
    if (layer.nacks.takeGaveUp()) layer.keyWanted = true;
    if (lost.length > 0 && this.#nack) asked.push({ type: 'nack', sender, media, lost });
    if (!layer.keyWanted || media < 0 || now < layer.keyAskedAt + KEYFRAME_EVERY_MS) return asked;
    layer.keyWanted = false;
    layer.keyAskedAt = now;
    layer.meter.keyframesAsked++;
    if (this.#pli) asked.push({ type: 'pli', sender, media });
    else asked.push({ type: 'fir', sender, entries: [{ ssrc: media, seq: this.#firSeq++ & 0xff }] });
    return asked;
  }

  /** What its receivers can take at most, bits a second, where the browser heeds that. */
  limit(media: number, bps: number): Rtcp | undefined {
    return this.#remb ? { type: 'remb', sender: this.#ssrc, bps, ssrcs: [media] } : undefined;
  }

  /** The regular report on all that is heard. */
  reports(layers: readonly Layer[], now: Millis): Rtcp[] {
    const reports = layers
      .filter(l => l.receiver.ssrc >= 0)
      .map(l => l.receiver.reception.report(l.receiver.ssrc, now));
    return [
      { type: 'rr', ssrc: this.#ssrc, reports },
      { type: 'sdes', chunks: [{ ssrc: this.#ssrc, cname: this.#cname }] },
    ];
  }
}
