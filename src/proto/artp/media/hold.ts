import { type Millis, NEVER } from '../../../kit/core.ts';
import type { InFlow } from './in-track.ts';
import type { HoldLimits } from './types.ts';

export const HOLD: HoldLimits = { packets: 512, bytes: 512 * 1024, ms: 1000 };

/** Packets of flows nobody hears yet: authentic, sealed, bounded in number, bytes and time over all flows. */
export class Hold {
  readonly limits: HoldLimits;
  #packets = 0;
  #bytes = 0;
  readonly #flows = new Set<InFlow>();

  constructor(limits: HoldLimits) {
    this.limits = limits;
  }

  hasRoom(bytes: number): boolean {
    return this.#packets < this.limits.packets && this.#bytes + bytes <= this.limits.bytes;
  }

  add(flow: InFlow, packet: Uint8Array): void {
    this.#flows.add(flow);
    flow.held.push(packet.slice());
    this.#packets++;
    this.#bytes += packet.length;
  }

  /** What waited of a flow, in order of arrival; it waits no more. */
  take(flow: InFlow): readonly Uint8Array[] {
    if (!this.#flows.delete(flow)) return [];
    const { held } = flow;
    flow.held = [];
    this.#packets -= held.length;
    for (const p of held) this.#bytes -= p.length;
    return held;
  }

  /** A flow that has waited too long; call `take` for it. */
  expired(now: Millis): InFlow | undefined {
    for (const flow of this.#flows) if (now - flow.since > this.limits.ms) return flow;
    return undefined;
  }

  /** When the next one has. */
  get deadline(): Millis {
    let first: Millis = NEVER;
    for (const flow of this.#flows) first = Math.min(first, flow.since + this.limits.ms + 1);
    return first;
  }
}
