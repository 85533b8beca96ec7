import type { Feedback, MediaPacket, Sink, Subscription, TrackEvent, Want } from '../contract.ts';
import type { Millis } from '../kit/core.ts';
import { terminationOf } from '../kit/refusal.ts';
import type { Outlet } from './feed.ts';
import type { Route } from './room-view.ts';

/** One want of one leg, while it lasts. Whatever the leg's own code throws ends this want and nothing else. */
export class LiveWant implements Subscription, Outlet {
  readonly participant: string;
  readonly sink: Sink<MediaPacket>;
  #want: Want;
  readonly #on: (e: TrackEvent) => void;
  readonly #route: (want: Want, outlet: Outlet) => Route;
  readonly #bug: (error: unknown) => void;
  readonly #done: () => void;
  #open: Route | undefined;
  #paused = false;
  #closed = false;

  constructor(
    participant: string,
    want: Want,
    sink: Sink<MediaPacket>,
    on: (e: TrackEvent) => void,
    route: (want: Want, outlet: Outlet) => Route,
    bug: (error: unknown) => void,
    done: () => void,
  ) {
    this.participant = participant;
    this.#want = want;
    this.#on = on;
    this.#route = route;
    this.#bug = bug;
    this.#done = done;
    this.sink = (packet, now) => {
      if (this.#closed || this.#paused) return;
      try {
        sink(packet, now);
      } catch (error) {
        this.#fail(error);
      }
    };
  }

  open(): void {
    if (!this.#closed && this.#open === undefined) this.#open = this.#route(this.#want, this);
  }

  refresh(): void {
    this.#open?.refresh();
  }

  tell(e: TrackEvent): void {
    if (this.#closed) return;
    try {
      this.#on(e);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** The same want again (a phone refreshes its session) changes nothing. */
  update(want: Want): void {
    const same = JSON.stringify(want) === JSON.stringify(this.#want);
    this.#want = want;
    if (this.#open === undefined || same) return; // not begun: it begins with this
    this.#open.close();
    this.#open = undefined;
    this.open();
  }

  feedback(f: Feedback): void {
    if (f.type !== 'pause') return this.#open?.feedback(f);
    if (f.on === this.#paused) return;
    this.#paused = f.on;
    this.#open?.pause();
    if (!f.on) this.#open?.feedback({ type: 'keyframe' }); // what began meanwhile was not seen, either
  }

  timeOf(pts: number): Millis | undefined {
    return this.#closed ? undefined : this.#open?.timeOf(pts);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#open?.close();
    this.#done();
  }

  #fail(error: unknown): void {
    this.#bug(error);
    try {
      this.#on({ type: 'unserved', why: terminationOf(error) });
    } catch {
      // it is the listener itself that fails; it was told as well as could be
    }
    this.close();
  }
}
