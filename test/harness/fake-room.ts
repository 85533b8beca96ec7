import type {
  Feedback,
  MediaPacket,
  NewTrack,
  Publication,
  RoomEvent,
  Sink,
  Termination,
} from '../../src/contract.ts';
import { type Refusal, refuse } from '../../src/kit/refusal.ts';
import type { ClockSink, Layout, Pull, SourceEvent, TrackState } from '../../src/media/room-source.ts';
import type { JoinAsk, Joined, LegNotice, RoomPort } from '../../src/room/port.ts';

/** Copies what a sink only lends. */
export const copyPacket = (p: MediaPacket): MediaPacket => ({
  ...p,
  payload: Buffer.from(p.payload),
  ...(p.frame && { frame: { ...p.frame } }),
});

/** JSON with its keys in order, so that equal things read alike. */
const text = (value: unknown): string =>
  JSON.stringify(value, (_, v: unknown) =>
    typeof v === 'object' && v !== null && !Array.isArray(v)
      ? Object.fromEntries(Object.entries(v).sort())
      : v,
  );

/** A room without rules: writes down every call in order, and lets the test act as the room. */
export class FakeRoom implements RoomPort {
  readonly room: string;
  /** `join l1`, `pause l1/0 true`, … in the order they came. */
  readonly calls: string[] = [];
  readonly packets = new Map<string, MediaPacket[]>();
  readonly notify = new Map<string, (n: LegNotice) => void>();
  readonly ask = new Map<string, (f: Feedback) => void>();
  readonly left = new Map<string, Termination>();
  readonly listeners = new Set<(e: SourceEvent) => void>();
  readonly watchers = new Set<(e: RoomEvent) => void>();
  /** By track: who hears of its capture clock. */
  readonly clocks = new Map<string, Set<ClockSink>>();
  look: Layout = 'speaker';
  /** By track: where its packets go. */
  readonly pulls = new Map<string, Set<Sink<MediaPacket>>>();
  readonly known = new Map<string, TrackState>();
  loudest: readonly string[] = [];
  refusal: Refusal | undefined;
  /** Thrown by the next `publish`. */
  bug: Error | undefined;
  /** What `join` waits for. */
  gate: Promise<void> = Promise.resolve();

  constructor(room: string) {
    this.room = room;
  }

  async join(ask: JoinAsk, on: (n: LegNotice) => void): Promise<Joined> {
    this.calls.push(`join ${ask.leg} ${text(ask)}`);
    this.notify.set(ask.leg, on);
    await this.gate;
    if (this.refusal) throw this.refusal;
    return {
      participant: ask.who.user,
      display: ask.who.display ?? ask.who.user,
      secret: `secret of ${ask.leg}`,
    };
  }

  publish(leg: string, id: string, track: NewTrack, on: (f: Feedback) => void): Publication {
    if (this.bug) throw this.bug;
    this.calls.push(`publish ${leg} ${id} ${text(track)}`);
    this.ask.set(id, on);
    const heard: MediaPacket[] = [];
    this.packets.set(id, heard);
    return {
      id,
      sink: p => void heard.push(copyPacket(p)),
      clock: (pts, captureMs) => void this.calls.push(`clock ${id} ${pts} ${captureMs}`),
      format: f => void this.calls.push(`format ${id} ${text(f)}`),
      pause: on => void this.calls.push(`pause ${id} ${on}`),
      close: () => void this.calls.push(`unpublish ${id}`),
    };
  }
  confirmed(leg: string): void {
    this.calls.push(`confirmed ${leg}`);
  }
  absent(leg: string, on: boolean): void {
    this.calls.push(`absent ${leg} ${on}`);
  }
  leave(leg: string, why: Termination): void {
    if (this.left.has(leg)) return;
    this.calls.push(`leave ${leg} ${why.blame} ${why.reason}`);
    this.left.set(leg, why);
  }

  tracks(): Iterable<TrackState> {
    return this.known.values();
  }
  speakers(): readonly string[] {
    return this.loudest;
  }
  layout(): Layout {
    return this.look;
  }
  on(listener: (e: SourceEvent) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }
  watch(on: (e: RoomEvent) => void): () => void {
    this.calls.push('watch');
    this.watchers.add(on);
    on({ type: 'roster', members: [] });
    return () => {
      this.calls.push('unwatch');
      this.watchers.delete(on);
    };
  }
  pull(track: string, sink: Sink<MediaPacket>, clock: ClockSink): Pull {
    this.calls.push(`pull ${track}`);
    const sinks = this.pulls.get(track) ?? new Set();
    this.pulls.set(track, sinks.add(sink));
    const clocks = this.clocks.get(track) ?? new Set();
    this.clocks.set(track, clocks.add(clock));
    return {
      feedback: f => void this.calls.push(`pull-feedback ${track} ${text(f)}`),
      close: () => {
        this.calls.push(`unpull ${track}`);
        sinks.delete(sink);
        clocks.delete(clock);
      },
    };
  }

  /** Adds or changes a track, as the room would. */
  track(state: TrackState): void {
    this.known.set(state.info.id, state);
    this.source({ type: 'track', track: state });
  }
  untrack(id: string): void {
    this.known.delete(id);
    this.source({ type: 'untrack', id });
  }
  source(e: SourceEvent): void {
    if (e.type === 'speakers') this.loudest = e.participants;
    if (e.type === 'layout') this.look = e.layout;
    for (const l of [...this.listeners]) l(e);
  }
  event(e: RoomEvent): void {
    for (const w of [...this.watchers]) w(e);
  }
  /** What the publisher of `track` says of its capture clock, to all who pull it. */
  clock(track: string, pts: number, captureMs: number): void {
    for (const tell of this.clocks.get(track) ?? []) tell(pts, captureMs);
  }
  /** A packet of `track`, to all who pull it. */
  play(track: string, p: MediaPacket): void {
    for (const sink of this.pulls.get(track) ?? []) sink(p, 0);
  }
}

export const roomLocked = (): Refusal =>
  refuse('client', 'room-locked', 'Room 1000 is locked; ask a member to open it.');
