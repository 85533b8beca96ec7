import type { MediaPacket, Millis, Publication, Seat, TrackSource } from '../../src/contract.ts';
import type { Layer } from './layer.ts';

export interface LayerCopiesOptions {
  readonly seat: Seat;
  readonly source: TrackSource;
  readonly syncGroup: string;
  /** A keyframe of this layer is wanted. */
  readonly keyframe: (layer: Layer) => void;
}

interface Copy {
  readonly publication: Publication;
  /** Someone is, or was, sent it. */
  watched: boolean;
  alive: boolean;
}

/**
 * The smaller streams of a simulcast, each a track of its own behind the one that is published: receivers whose line
 * takes less are given one, and nobody else notices.
 */
export class LayerCopies {
  readonly #o: LayerCopiesOptions;
  readonly #copies = new Map<Layer, Copy>();
  #muted = false;

  constructor(o: LayerCopiesOptions) {
    this.#o = o;
  }

  /** `main`: id of the track a copy begins of with this packet, which is the first of a keyframe. */
  packet(main: string | undefined, layer: Layer, p: MediaPacket, now: Millis): void {
    let copy = this.#copies.get(layer);
    if (copy === undefined && main !== undefined) copy = this.#publish(main, layer);
    if (copy !== undefined && !this.#muted) copy.publication.sink(p, now);
  }

  formatChanged(layer: Layer): void {
    this.#copies.get(layer)?.publication.format(layer.format!);
  }

  clock(layer: Layer): void {
    const { report, receiver } = layer;
    if (report !== undefined)
      this.#copies.get(layer)?.publication.clock(receiver.ptsOf(report.rtpTime), report.unixMs);
  }

  has(layer: Layer): boolean {
    return this.#copies.has(layer);
  }

  /** True when its losses matter to someone. */
  watched(layer: Layer): boolean {
    return this.#copies.get(layer)?.watched === true;
  }

  /** Browsers stop layers: then there is none to give. */
  alive(layer: Layer, on: boolean): void {
    const copy = this.#copies.get(layer);
    if (copy === undefined || copy.alive === on) return;
    copy.alive = on;
    copy.publication.pause(this.#muted || !on);
  }

  mute(on: boolean): void {
    this.#muted = on;
    for (const { publication, alive } of this.#copies.values()) publication.pause(on || !alive);
  }

  close(): void {
    for (const { publication } of this.#copies.values()) publication.close();
  }

  #publish(layerOf: string, layer: Layer): Copy {
    const { seat, source, syncGroup } = this.#o;
    const track = { source, format: layer.format!, canKeyframe: true, syncGroup, layerOf };
    const publication = seat.publish(track, f => {
      if (f.type !== 'keyframe') return; // what viewers take is told to the track itself
      copy.watched = true;
      layer.repair(true);
      this.#o.keyframe(layer);
    });
    const copy: Copy = { publication, watched: false, alive: true };
    this.#copies.set(layer, copy);
    if (this.#muted) publication.pause(true);
    this.clock(layer);
    return copy;
  }
}
