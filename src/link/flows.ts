import type { MediaPacket, Sink } from '../contract.ts';
import type { FlowStart, MediaPath } from './media-path.ts';

/** The flows one incoming track has come by so far: the one that is, and the one before, whose last packets may still be under way. */
export class IncomingFlows {
  readonly #path: MediaPath;
  readonly #sink: Sink<MediaPacket>;
  #ssrcs: number[] = [];
  constructor(path: MediaPath, sink: Sink<MediaPacket>) {
    this.#path = path;
    this.#sink = sink;
  }

  /** The other side announced the next flow of this track. */
  begin(start: FlowStart): void {
    for (const old of this.#ssrcs.slice(0, -1)) this.#path.unbind(old);
    this.#ssrcs = [...this.#ssrcs.slice(-1), start.ssrc];
    this.#path.bind(start, this.#sink);
  }

  /** Nothing sent before now is wanted any more: another format begins, or the track ended. */
  end(): void {
    for (const ssrc of this.#ssrcs) this.#path.unbind(ssrc);
    this.#ssrcs = [];
  }
}
