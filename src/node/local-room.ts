import type {
  Clock,
  Feedback,
  Format,
  MediaPacket,
  NewTrack,
  Publication,
  RoomEvent,
  Sink,
  Termination,
} from '../contract.ts';
import { type Drive, drive } from '../io/drive.ts';
import { Refusal, refuse } from '../kit/refusal.ts';
import type { ClockSink, Layout, Pull, SourceEvent, TrackState } from '../media/room-source.ts';
import type { Bans } from '../room/bans.ts';
import { TrackFlow } from '../room/flow.ts';
import type { RoomInput, RoomOutput } from '../room/messages.ts';
import { isAudio } from '../room/participant.ts';
import type { PinTries } from '../room/pin-tries.ts';
import type { JoinAsk, Joined, LegNotice, RoomPort } from '../room/port.ts';
import { Room } from '../room/room.ts';
import type { SavedMember } from '../room/saved.ts';
import type { RoomSettings, RoomTimes } from '../room/settings.ts';

export interface LocalRoomOptions {
  readonly id: string;
  readonly settings: RoomSettings;
  readonly times: RoomTimes;
  readonly bans: Bans;
  readonly tries?: PinTries;
  /** Who was here while the room was in another process; an empty list: it ends when nobody joins in a moment. */
  readonly members?: readonly SavedMember[];
  readonly clock: Clock;
  /** A fresh resume secret. */
  readonly secret: () => string;
  readonly onEnded: () => void;
  /** Everything watchers see, for logs, webhooks and metrics. */
  readonly onEvent: (e: RoomEvent) => void;
}

const LINKED_AGAIN: Termination = { blame: 'none', reason: 'linked-again' };
const PLACED_ELSEWHERE: Termination = {
  blame: 'none',
  reason: 'placed-elsewhere',
  text: 'This leg was placed with another agent, because word of this one did not get through; it goes on there.',
};

interface Waiting {
  resolve(joined: Joined): void;
  reject(error: Refusal): void;
}

/** A room of this process: drives the `Room` core and owns the media flows beside it. */
export class LocalRoom implements RoomPort {
  readonly room: string;
  readonly #core: Room;
  readonly #drive: Drive<RoomInput>;
  readonly #options: LocalRoomOptions;
  readonly #waiting = new Map<string, Waiting>();
  readonly #notices = new Map<string, (n: LegNotice) => void>();
  readonly #flows = new Map<string, TrackFlow>();
  readonly #sources = new Set<(e: SourceEvent) => void>();
  readonly #watchers = new Set<(e: RoomEvent) => void>();
  #ended = false;

  constructor(options: LocalRoomOptions) {
    this.room = options.id;
    this.#options = options;
    this.#core = new Room(options.id, options.settings, options.times, options.bans, options.tries);
    this.#drive = drive(this.#core, options.clock, out => this.#act(out));
    if (options.members !== undefined) this.#drive.feed({ type: 'restore', members: options.members });
  }

  get settings(): RoomSettings {
    return this.#core.settings;
  }
  /** A control input that is not a seat's: mute, kick, settings, end. */
  feed(input: RoomInput): void {
    this.#drive.feed(input);
  }
  roster(): RoomEvent {
    return this.#core.roster();
  }

  /** What a successor needs of its members. */
  saved(): SavedMember[] {
    return this.#core.saved(this.#options.clock.now());
  }

  join(ask: JoinAsk, on: (n: LegNotice) => void): Promise<Joined> {
    if (this.#ended) return Promise.reject(roomEnded(this.room));
    const attempt = ask.attempt ?? 1;
    const before = this.#core.attemptOf(ask.leg) ?? attempt;
    // Its front has given that agent up, which may not know it yet: the leg that works must not hear of it.
    if (attempt < before) return Promise.reject(new Refusal(PLACED_ELSEWHERE));
    return new Promise((resolve, reject) => {
      // The same leg, by another link: the old one is dead, and must not make it leave when that is noticed.
      const why = attempt > before ? PLACED_ELSEWHERE : LINKED_AGAIN;
      this.#notices.get(ask.leg)?.({ type: 'close', why });
      this.#waiting.set(ask.leg, { resolve, reject });
      this.#notices.set(ask.leg, on);
      this.#drive.feed({ type: 'join', ask, secret: this.#options.secret() });
    });
  }

  publish(leg: string, id: string, track: NewTrack, on: (f: Feedback) => void): Publication {
    const participant = this.#core.participantOf(leg);
    const flow = new TrackFlow(participant ?? '', isAudio(track) ? this.#core.detector : undefined, on);
    if (participant === undefined)
      flow.open = false; // the leg has left meanwhile: its packets go nowhere
    else {
      this.#flows.set(id, flow); // before the core tells of the track: listeners pull at once
      this.#drive.feed({ type: 'track', leg, id, track });
    }
    let { clockRate } = track.format;
    return {
      id,
      sink: flow.sink,
      clock: (pts, captureMs) => flow.clock(pts, captureMs, this.#options.clock.now()),
      format: (format: Format) => {
        if (format.clockRate !== clockRate) flow.forgetClock();
        clockRate = format.clockRate;
        this.#drive.feed({ type: 'format', id, format });
      },
      pause: (on: boolean) => this.#drive.feed({ type: 'pause', id, on }),
      close: () => this.#drive.feed({ type: 'untrack', id }),
    };
  }

  confirmed(leg: string): void {
    this.#drive.feed({ type: 'confirmed', leg });
  }

  absent(leg: string, on: boolean): void {
    this.#drive.feed({ type: 'absent', leg, on });
  }

  leave(leg: string, why: Termination): void {
    this.#drive.feed({ type: 'leave', leg, why });
    this.#notices.delete(leg);
  }

  tracks(): Iterable<TrackState> {
    return this.#core.tracks();
  }
  speakers(): readonly string[] {
    return this.#core.speakers();
  }
  layout(): Layout {
    return this.#core.settings.layout;
  }

  on(listener: (e: SourceEvent) => void): () => void {
    this.#sources.add(listener);
    return () => this.#sources.delete(listener);
  }

  watch(on: (e: RoomEvent) => void): () => void {
    this.#watchers.add(on);
    on(this.#core.roster());
    return () => this.#watchers.delete(on);
  }

  pull(track: string, sink: Sink<MediaPacket>, clock: ClockSink): Pull {
    return this.#flows.get(track)?.pull(sink, clock) ?? { feedback() {}, close() {} };
  }

  #act(out: RoomOutput): void {
    switch (out.type) {
      case 'joined':
        this.#waiting.get(out.leg)?.resolve(out.joined);
        this.#waiting.delete(out.leg);
        return;
      case 'refused':
        this.#waiting.get(out.leg)?.reject(new Refusal(out.why));
        this.#waiting.delete(out.leg);
        this.#notices.delete(out.leg);
        return;
      case 'notice': {
        const notify = this.#notices.get(out.leg);
        if (out.notice.type === 'close') this.#notices.delete(out.leg);
        return notify?.(out.notice);
      }
      case 'source':
        this.#gate(out.event);
        for (const listener of this.#sources) listener(out.event);
        return;
      case 'event':
        for (const watcher of this.#watchers) watcher(out.event);
        return this.#options.onEvent(out.event);
      case 'ended':
        this.#ended = true;
        this.#drive.stop();
        this.#options.onEnded();
        return;
    }
  }

  /** Keeps the flows in step with the tracks: muted tracks close, ended ones go. */
  #gate(e: SourceEvent): void {
    if (e.type === 'untrack') this.#flows.delete(e.id);
    if (e.type !== 'track') return;
    const flow = this.#flows.get(e.track.info.id);
    if (flow !== undefined) flow.open = !e.track.paused;
  }
}

/** Told to a leg that came between the last one's leaving and the room's end: whoever asks tries once more. */
const roomEnded = (room: string): Refusal =>
  refuse('server', 'room-ended', `Room ${room} ended just now; join again.`);
