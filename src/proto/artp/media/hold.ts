import { type Millis, NEVER } from '../../../kit/core.ts';
import { HOLD } from '../media-receiver.ts';
import type { InFlow } from './in-track.ts';

/** Packets of flows nobody hears yet: authentic, sealed, bounded in number, bytes and time over all flows (HOLD). */
export class Hold {
  #packets = 0;
  #bytes = 0;
  readonly #flows = new Set<InFlow>();

  hasRoom(bytes: number): boolean {
    return this.#packets < HOLD.packets && this.#bytes + bytes <= HOLD.bytes;
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
    for (const flow of this.#flows) if (now - flow.since > HOLD.ms) return flow;
    return undefined;
  }

  /** When the next one has. */
  get deadline(): Millis {
    let first: Millis = NEVER;
    for (const flow of this.#flows) first = Math.min(first, flow.since + HOLD.ms + 1);
    return first;
  }
}
