import type {
  Feedback,
  Format,
  Host,
  LegEvent,
  Log,
  MediaPacket,
  NewTrack,
  PlacedLeg,
  Publication,
  RoomEvent,
  Seat,
  Sink,
  Subscription,
  Termination,
  TrackEvent,
  Want,
} from '../../src/contract.ts';
import { systemClock } from '../../src/io/clock.ts';
import { refuse } from '../../src/kit/refusal.ts';

/** A publication that keeps copies of what was said into it. */
export interface FakePublication extends Publication {
  readonly track: NewTrack;
  readonly heard: MediaPacket[];
  readonly clocks: { pts: number; captureMs: number }[];
  current: Format;
  paused: boolean;
  closed: boolean;
  ask(f: Feedback): void;
}

/** A want whose sink the test pushes into. */
export interface FakeSubscription extends Subscription {
  want: Want;
  readonly sink: Sink<MediaPacket>;
  readonly on: (e: TrackEvent) => void;
  readonly asked: Feedback[];
  closed: boolean;
  /** As the test sets it; undefined: nobody knows. */
  time: (pts: number) => number | undefined;
}

/** A seat without a room: records what the gateway publishes, lets the test play into what it wants. */
export class FakeSeat implements Seat {
  readonly room: string;
  readonly participant: string;
  readonly publications: FakePublication[] = [];
  readonly subscriptions: FakeSubscription[] = [];
  readonly watchers = new Set<(e: RoomEvent) => void>();
  isConfirmed = false;
  isAbsent = false;
  left: Termination | undefined;
  constructor(room = '1000', participant = 'alice') {
    this.room = room;
    this.participant = participant;
  }
  publish(track: NewTrack, on: (f: Feedback) => void): FakePublication {
    const p: FakePublication = {
      id: `${this.participant}:${this.publications.length}`,
      track,
      heard: [],
      clocks: [],
      current: track.format,
      paused: false,
      closed: false,
      ask: on,
      sink: m =>
        void p.heard.push({ ...m, payload: m.payload.slice(), ...(m.frame && { frame: { ...m.frame } }) }),
      clock: (pts, captureMs) => void p.clocks.push({ pts, captureMs }),
      format: f => void (p.current = f),
      pause: onOff => void (p.paused = onOff),
      close: () => void (p.closed = true),
    };
    this.publications.push(p);
    return p;
  }
  want(want: Want, sink: Sink<MediaPacket>, on: (e: TrackEvent) => void): FakeSubscription {
    const s: FakeSubscription = {
      want,
      sink,
      on,
      asked: [],
      closed: false,
      update: w => void (s.want = w),
      time: () => undefined,
      timeOf: pts => s.time(pts),
      feedback: f => void s.asked.push(f),
      close: () => void (s.closed = true),
    };
    this.subscriptions.push(s);
    return s;
  }
  watch(on: (e: RoomEvent) => void): () => void {
    this.watchers.add(on);
    on({ type: 'roster', members: [] });
    return () => this.watchers.delete(on);
  }
  confirmed(): void {
    this.isConfirmed = true;
  }
  absent(on: boolean): void {
    this.isAbsent = on;
  }
  leave(why: Termination): void {
    this.left ??= why;
  }
}

export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} };

/** A host that places nothing unless `overrides.place` does. */
export function fakeHost(overrides: Partial<Host> = {}): Host & { readonly counts: string[] } {
  const counts: string[] = [];
  return {
    process: 'test',
    log: silentLog,
    clock: systemClock,
    advertisedAddress: () => '127.0.0.1',
    place: async (): Promise<PlacedLeg> => {
      throw refuse('server', 'no-agent', 'This fake host places nothing.');
    },
    ticket: async () => ({ url: 'rtmp://127.0.0.1/room/1000/alice', token: 't', expiresAt: 0 }),
    room: { async mute() {}, async text() {} },
    tell() {},
    digestPasswords: () => undefined,
    secret: async name => Buffer.alloc(32, name),
    relay: { serve() {}, offers: () => [] },
    siblings: () => [],
    sessionKeepMs: 120_000,
    authRequired: false,
    ladder() {},
    count: (name, reason) => void counts.push(`${name}/${reason}`),
    counts,
    ...overrides,
  };
}

/** Collects leg events and waits for one kind. */
export class Events {
  readonly all: LegEvent[] = [];
  readonly #waiting: { type: LegEvent['type']; done: (e: LegEvent) => void }[] = [];
  readonly emit = (e: LegEvent): void => {
    this.all.push(e);
    for (const w of this.#waiting.splice(0)) w.type === e.type ? w.done(e) : this.#waiting.push(w);
  };
  next<T extends LegEvent['type']>(type: T): Promise<Extract<LegEvent, { type: T }>> {
    const seen = this.all.find(e => e.type === type);
    if (seen) return Promise.resolve(seen as Extract<LegEvent, { type: T }>);
    return new Promise(done => this.#waiting.push({ type, done: done as (e: LegEvent) => void }));
  }
}
