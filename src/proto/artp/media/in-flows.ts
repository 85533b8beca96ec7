import { type Millis, NEVER } from '../../../kit/core.ts';
import { isAnnouncement } from './announcement.ts';
import { HOLD, Hold } from './hold.ts';
import { InFlow, type InTrackStage } from './in-track.ts';
import { flowKey, placeOf } from './ssrc.ts';
import type { Announcement, PlaneOptions } from './types.ts';

/** Flows that were announced for tracks nobody hears: more than any honest side has at once. */
const MAX_UNHEARD = 4096;

/** Which flows there are, which track each carries, and what waits for that to be known. */
export class Flows {
  readonly #count: (reason: string) => void;
  readonly #keys: PlaneOptions['keys'];
  readonly #flows = new Map<number, InFlow>();
  readonly #tracks = new Map<number, InTrackStage>();
  /** Announced, not heard; at most two of a track, MAX_UNHEARD in all. */
  readonly #unheard = new Map<number, InFlow[]>();
  #unheardFlows = 0;
  readonly #hold: Hold;
  /** Flows are announced in rising order: up to this place, what is not here is over. */
  #highest = -1;
  #checkAt: Millis = NEVER;

  constructor({ count, keys, hold = HOLD }: Pick<PlaneOptions, 'count' | 'keys' | 'hold'>) {
    this.#count = count;
    this.#keys = keys;
    this.#hold = new Hold(hold);
  }

  get deadline(): Millis {
    return this.#checkAt;
  }

  /** By any SSRC of it. What was announced before one that is still to come was so 256 epochs ago: another flow. */
  get(ssrc: number): InFlow | undefined {
    const flow = this.#flows.get(flowKey(ssrc));
    return flow?.announcement === undefined || this.isOver(ssrc) ? flow : undefined;
  }
  track(track: number): InTrackStage | undefined {
    return this.#tracks.get(track);
  }

  /** Its announcement has come, and it ended since. */
  isOver(ssrc: number): boolean {
    return placeOf(ssrc, this.#keys.receiveEpoch) <= this.#highest;
  }

  /** From now on `track` is heard; returns its flows that were announced before. */
  hear(track: InTrackStage): readonly InFlow[] {
    this.#tracks.get(track.track)?.close();
    this.#tracks.set(track.track, track);
    const flows = this.#unheard.get(track.track) ?? [];
    this.#unheard.delete(track.track);
    this.#unheardFlows -= flows.length;
    for (const flow of flows) this.#begin(flow, track);
    return flows;
  }

  /** The flow, if the announcement is good. */
  announced(a: Announcement, now: Millis): InFlow | undefined {
    if (!isAnnouncement(a) || this.isOver(a.ssrc)) {
      this.#count('bad-announcement');
      return undefined;
    }
    const flow = this.get(a.ssrc) ?? this.make(a.ssrc, now);
    this.#highest = placeOf(a.ssrc, this.#keys.receiveEpoch);
    flow.announcement = a;
    const track = this.#tracks.get(a.track);
    if (track === undefined) this.#wait(a.track, flow);
    else this.#begin(flow, track);
    return flow;
  }

  make(ssrc: number, now: Millis): InFlow {
    const flow = new InFlow(ssrc, now);
    this.#flows.set(flow.key, flow);
    return flow;
  }

  hasRoom(bytes: number): boolean {
    return this.#hold.hasRoom(bytes);
  }
  hold(flow: InFlow, packet: Uint8Array): void {
    this.#hold.add(flow, packet);
    this.#checkAt = Math.min(this.#checkAt, flow.since + this.#hold.limits.ms + 1);
  }
  take(flow: InFlow): readonly Uint8Array[] {
    return this.#hold.take(flow);
  }

  forget(flow: InFlow): void {
    this.#hold.take(flow);
    if (this.#flows.get(flow.key) === flow) this.#flows.delete(flow.key);
  }

  close(track: InTrackStage): void {
    if (this.#tracks.get(track.track) === track) this.#tracks.delete(track.track);
  }

  /** Forgets what has waited too long. */
  tick(now: Millis): void {
    if (now < this.#checkAt) return;
    for (let flow = this.#hold.expired(now); flow !== undefined; flow = this.#hold.expired(now)) {
      for (const _ of this.#hold.take(flow)) this.#count('hold-expired');
      if (flow.announcement === undefined) this.#flows.delete(flow.key);
      else flow.deaf = true;
    }
    this.#checkAt = this.#hold.deadline;
  }

  #begin(flow: InFlow, track: InTrackStage): void {
    if (flow.announcement !== undefined) track.begin(flow, flow.announcement.kind);
  }

  #wait(track: number, flow: InFlow): void {
    const flows = this.#unheard.get(track) ?? [];
    if (flows.length === 2) this.#drop(flows);
    if (this.#unheardFlows >= MAX_UNHEARD) {
      // The track that waits longest gives way.
      const [oldest, waiting] = this.#unheard.entries().next().value as [number, InFlow[]];
      this.#drop(waiting);
      if (waiting.length === 0) this.#unheard.delete(oldest);
    }
    flows.push(flow);
    this.#unheardFlows++;
    this.#unheard.set(track, flows);
  }

  #drop(flows: InFlow[]): void {
    const flow = flows.shift();
    if (flow === undefined) return;
    this.#unheardFlows--;
    this.forget(flow);
  }
}
