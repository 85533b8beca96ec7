import { RtpView } from '../../src/proto/rtp/rtp.ts';
import { MID, REPAIRED_RID, RID } from '../../src/proto/webrtc/extensions.ts';
import type { OfferedFormat, OfferedMedia } from '../../src/proto/webrtc/offer.ts';
import { restoreRtx } from '../../src/proto/webrtc/rtx.ts';
import type { Layer } from './layer.ts';

const MOST_BYTES = 2048;

/** One SSRC of a publisher: a layer's own, or that of its retransmissions. */
class Stream {
  readonly layer: Layer;
  readonly repairs: boolean;
  readonly #originals: ReadonlyMap<number, number>;
  constructor(layer: Layer, repairs: boolean, originals: ReadonlyMap<number, number>) {
    this.layer = layer;
    this.repairs = repairs;
    this.#originals = originals;
  }

  /** The packet of the layer that `view` is, or is the retransmission of; undefined: there is none in it. */
  original(view: RtpView): RtpView | undefined {
    if (!this.repairs) return view;
    const payloadType = this.#originals.get(view.payloadType);
    const { ssrc } = this.layer.receiver;
    if (payloadType === undefined || ssrc < 0) return undefined;
    const length = restoreRtx(view, payloadType, ssrc, scratch);
    if (length === 0) return undefined;
    restored.read(scratch.subarray(0, length));
    return restored;
  }
}

/** Where a retransmission is put together; read before the next one comes. */
const scratch = new Uint8Array(MOST_BYTES);
const restored = new RtpView();
const latin1 = new TextDecoder('latin1');

/**
 * Which layer an SSRC carries: told by header extensions (RFC 8852) in its first packets, remembered from then on. With
 * one layer, what has its payload types is its.
 */
export class Streams {
  /** Those of the line to use. */
  readonly extensions: readonly string[];
  readonly #layers: readonly Layer[];
  readonly #bySsrc = new Map<number, Stream>();
  /** Payload type of retransmissions → of what they carry. */
  readonly #originals: ReadonlyMap<number, number>;
  readonly #rid: number | undefined;
  readonly #repairedRid: number | undefined;

  constructor(layers: readonly Layer[], line: OfferedMedia, formats: readonly OfferedFormat[]) {
    this.#layers = layers;
    this.#originals = new Map(formats.flatMap(f => (f.rtx === undefined ? [] : [[f.rtx, f.payloadType]])));
    this.extensions = layers.length > 1 ? [MID, RID, REPAIRED_RID] : [];
    this.#rid = line.extensions.get(RID);
    this.#repairedRid = line.extensions.get(REPAIRED_RID);
  }

  /** Or why it is none: a reason for the counter. */
  of(view: RtpView): Stream | string {
    const known = this.#bySsrc.get(view.ssrc);
    if (known !== undefined) return known;
    const repairs = this.#originals.has(view.payloadType);
    const layer = this.#layers.length === 1 ? this.#layers[0] : this.#named(view, repairs);
    if (layer === undefined) return 'no-layer';
    // A layer has one SSRC, and one for its retransmissions: a newer one takes its place.
    for (const [ssrc, s] of this.#bySsrc)
      if (s.layer === layer && s.repairs === repairs) this.#bySsrc.delete(ssrc);
    const stream = new Stream(layer, repairs, this.#originals);
    this.#bySsrc.set(view.ssrc, stream);
    return stream;
  }

  #named(view: RtpView, repairs: boolean): Layer | undefined {
    const id = repairs ? this.#repairedRid : this.#rid;
    const at = id === undefined ? -1 : view.extension(id);
    if (at < 0) return undefined;
    // RFC 8285: the length stands before the value, less one in the one-byte form.
    const before = view.bytes[at - 1]!;
    const length = view.extensionProfile === 0xbede ? (before & 15) + 1 : before;
    const rid = latin1.decode(view.bytes.subarray(at, at + length));
    return this.#layers.find(l => l.rid === rid);
  }
}
