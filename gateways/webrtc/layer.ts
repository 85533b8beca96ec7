import { h264Ingress } from '../../codecs/h264/ingress.ts';
import { vp8Ingress } from '../../codecs/vp8/ingress.ts';
import type { Format, MediaPacket, Millis, Sink } from '../../src/contract.ts';
import { RtpReceiver } from '../../src/proto/rtp/receiver.ts';
import type { RtpView } from '../../src/proto/rtp/rtp.ts';
import { Nacks } from '../../src/proto/webrtc/nacks.ts';
import type { OfferedFormat } from '../../src/proto/webrtc/offer.ts';
import { PictureMeter } from './picture-meter.ts';

export interface LayerOptions {
  /** Simulcast stream id; undefined: there is one stream only. */
  readonly rid: string | undefined;
  readonly formats: readonly OfferedFormat[];
  /** Marked packets, in the stream's own numbers. */
  readonly out: (layer: Layer, packet: MediaPacket, now: Millis) => void;
  readonly formatChanged: (layer: Layer) => void;
  readonly count: (reason: string) => void;
}

/** One stream of pictures as a browser sends it: RTP line ► holes asked for ► frame marks. */
export class Layer {
  readonly rid: string | undefined;
  readonly receiver = new RtpReceiver();
  readonly nacks = new Nacks();
  readonly meter = new PictureMeter();
  /** As its own headers tell it. */
  format: Format | undefined;
  heardAt: Millis = Number.NEGATIVE_INFINITY;
  /** A keyframe is to be asked for; and when one was asked for last. */
  keyWanted = false;
  keyAskedAt: Millis = Number.NEGATIVE_INFINITY;
  /** The last sender report: RTP time, and Unix ms of the same instant. */
  report: { readonly rtpTime: number; readonly unixMs: number } | undefined;
  readonly #o: LayerOptions;
  /** By payload type. */
  readonly #chains = new Map<number, Sink<MediaPacket>>();
  #repairs = true;
  #ssrc = -1;
  /** Empty packets (padding) so far: holes in the line that are none. */
  #skipped = 0;

  constructor(o: LayerOptions) {
    this.#o = o;
    this.rid = o.rid;
    this.receiver.expect(new Map(o.formats.map(f => [f.payloadType, f.format.clockRate])));
    for (const { payloadType, format } of o.formats) this.#chains.set(payloadType, this.#chain(format));
  }

  /** False: its holes do not matter to anyone now. */
  repair(on: boolean): void {
    if (on === this.#repairs) return;
    this.#repairs = on;
    this.nacks.reset();
  }

  /** A packet of this stream, `view` on it; or, `repaired`, one put together from a retransmission. */
  rtp(view: RtpView, repaired: boolean, now: Millis): void {
    const { receiver } = this;
    const junk = receiver.read(view.bytes, now);
    if (receiver.ssrc !== this.#ssrc) {
      this.#ssrc = receiver.ssrc;
      this.nacks.reset();
    }
    if (junk !== undefined) {
      if (!(repaired && junk === 'duplicate')) this.#o.count(junk); // the lost one came after all
      return;
    }
    if (this.#repairs) this.nacks.arrived(view.seq, now);
    this.heardAt = now;
    const { packet } = receiver;
    if (packet.payload.length === 0) {
      this.#skipped++;
      return;
    }
    packet.seq -= this.#skipped;
    this.#chains.get(receiver.payloadType)?.(packet, now);
  }

  #chain(offered: Format): Sink<MediaPacket> {
    const needs = {
      format: (f: Format): void => {
        this.format = f;
        this.#o.formatChanged(this);
      },
      drop: (reason: string): void => this.#o.count(reason),
    };
    const ingress = offered.codec === 'H264' ? h264Ingress(needs) : vp8Ingress(needs);
    return ingress((packet, now) => {
      this.meter.packet(packet, now);
      this.#o.out(this, packet, now);
    });
  }
}
