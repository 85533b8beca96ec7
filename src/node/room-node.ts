import { randomBytes } from 'node:crypto';
import type { Clock, Log, MemberInfo, RoomEvent, Termination } from '../contract.ts';
import { RateLimit, RateLimits } from '../kit/limits.ts';
import { refuse } from '../kit/refusal.ts';
import { Bans } from '../room/bans.ts';
import { PinTries } from '../room/pin-tries.ts';
import type { RoomInput } from '../room/room.ts';
import type { RoomSettings, RoomTimes } from '../room/settings.ts';
import { LocalRoom } from './local-room.ts';

export interface RoomNodeOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly times: RoomTimes;
  readonly maxRooms: number;
  readonly maxParticipants: number;
  /** New rooms one address may make a minute. */
  readonly newRoomsPerMinute: number;
  readonly onEvent: (room: string, e: RoomEvent | { type: 'created' | 'ended' }) => void;
}

export interface RoomSummary {
  readonly room: string;
  readonly participants: number;
  readonly settings: RoomSettings;
}

/** The rooms this process hosts: made by the first who joins, gone with the last. */
export class RoomNode {
  readonly #options: RoomNodeOptions;
  readonly #rooms = new Map<string, LocalRoom>();
  /** Settings outlive the room: an admin may set a PIN before anyone comes. */
  readonly #settings = new Map<string, RoomSettings>();
  readonly #bans = new Map<string, Bans>();
  readonly #tries = new PinTries();
  readonly #creation: RateLimits;
  #draining: Termination | undefined;

  constructor(options: RoomNodeOptions) {
    this.#options = options;
    const perSecond = options.newRoomsPerMinute / 60;
    this.#creation = new RateLimits(() => new RateLimit(perSecond, options.newRoomsPerMinute));
  }

  get size(): number {
    return this.#rooms.size;
  }
  get names(): string[] {
    return [...this.#rooms.keys()];
  }

  /** The room, made if need be. Throws a Refusal when it may not be. */
  open(room: string, address = ''): LocalRoom {
    const there = this.#rooms.get(room);
    if (there !== undefined) return there;
    if (this.#draining !== undefined)
      throw refuse('server', 'draining', 'This server is shutting down; try again in a moment.');
    if (room.length === 0 || room.length > 128)
      throw refuse('client', 'bad-room', 'A room name has 1 to 128 characters.');
    if (this.#rooms.size >= this.#options.maxRooms)
      throw refuse(
        'server',
        'too-many-rooms',
        `This server holds ${this.#options.maxRooms} rooms at most (rooms.maxRooms).`,
      );
    if (!this.#creation.take(address, this.#options.clock.now()))
      throw refuse(
        'client',
        'too-many-new-rooms',
        'This address has made too many rooms; wait a minute (rooms.newRoomsPerMinute).',
      );
    const made = new LocalRoom({
      id: room,
      settings: this.settingsOf(room),
      times: this.#options.times,
      bans: this.#bansOf(room),
      tries: this.#tries,
      clock: this.#options.clock,
      secret: () => randomBytes(16).toString('base64url'),
      onEnded: () => {
        if (this.#rooms.get(room) !== made) return;
        this.#rooms.delete(room);
        this.#options.onEvent(room, { type: 'ended' });
      },
      onEvent: e => this.#options.onEvent(room, e),
    });
    this.#rooms.set(room, made);
    this.#options.onEvent(room, { type: 'created' });
    return made;
  }

  /** Kept while anyone is banned; swept when another room is made. */
  #bansOf(room: string): Bans {
    const now = this.#options.clock.now();
    for (const [other, bans] of this.#bans)
      if (!this.#rooms.has(other) && bans.isOver(now)) this.#bans.delete(other);
    let bans = this.#bans.get(room);
    if (bans === undefined) {
      bans = new Bans();
      this.#bans.set(room, bans);
    }
    return bans;
  }

  settingsOf(room: string): RoomSettings {
    return (
      this.#settings.get(room) ?? {
        maxParticipants: this.#options.maxParticipants,
        locked: false,
        layout: 'speaker',
      }
    );
  }

  /** Absent keys stay as they are, null removes one. */
  set(room: string, patch: { readonly [K in keyof RoomSettings]?: RoomSettings[K] | null }): RoomSettings {
    const entries = Object.entries({ ...this.settingsOf(room), ...patch }).filter(
      ([, value]) => value !== null,
    );
    const settings = Object.fromEntries(entries) as unknown as RoomSettings;
    if (!this.#settings.has(room) && this.#settings.size >= this.#options.maxRooms)
      throw refuse(
        'server',
        'too-many-rooms',
        `Settings are kept for ${this.#options.maxRooms} rooms at most.`,
      );
    this.#settings.set(room, settings);
    this.#rooms.get(room)?.feed({ type: 'settings', settings });
    return settings;
  }

  summaries(): RoomSummary[] {
    return [...this.#rooms.values()].map(r => this.#summary(r));
  }
  summary(room: string): RoomSummary | undefined {
    const there = this.#rooms.get(room);
    return there && this.#summary(there);
  }
  members(room: string): readonly MemberInfo[] | undefined {
    const roster = this.#rooms.get(room)?.roster();
    return roster?.type === 'roster' ? roster.members : undefined;
  }

  /** An admin's or a signalling member's input; false when there is no such room. */
  feed(room: string, input: RoomInput): boolean {
    const there = this.#rooms.get(room);
    there?.feed(input);
    return there !== undefined;
  }

  /** Ends every room; its legs are told `why`. */
  close(why: Termination): void {
    this.#draining = why;
    for (const room of [...this.#rooms.values()]) room.feed({ type: 'end', why });
  }

  #summary(r: LocalRoom): RoomSummary {
    const roster = r.roster();
    return {
      room: r.room,
      participants: roster.type === 'roster' ? roster.members.length : 0,
      settings: r.settings,
    };
  }
}
