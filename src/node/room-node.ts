import { randomBytes } from 'node:crypto';
import type { Clock, Log, MemberInfo, RoomEvent, Termination } from '../contract.ts';
import { RateLimit, RateLimits } from '../kit/limits.ts';
import { refuse } from '../kit/refusal.ts';
import { Bans } from '../room/bans.ts';
import { PinTries } from '../room/pin-tries.ts';
import type { RoomInput } from '../room/room.ts';
import type { SavedMember } from '../room/saved.ts';
import type { RoomSettings, RoomTimes } from '../room/settings.ts';
import { LocalRoom } from './local-room.ts';
import type { Claim, RoomStore } from './room-store.ts';

/** What a room node tells of one of its rooms. */
export type RoomNews =
  | RoomEvent
  | { readonly type: 'created' }
  | { readonly type: 'ended' }
  /** It goes on here; `members` were in it where it was before. */
  | { readonly type: 'taken-over'; readonly members: readonly string[] }
  /** It goes on elsewhere. */
  | { readonly type: 'given-up' };

export interface RoomNodeOptions {
  readonly process: string;
  readonly store: RoomStore;
  readonly clock: Clock;
  readonly log: Log;
  readonly times: RoomTimes;
  readonly maxRooms: number;
  readonly maxParticipants: number;
  /** New rooms one address may make a minute. */
  readonly newRoomsPerMinute: number;
  readonly onEvent: (room: string, e: RoomNews) => void;
}

export interface RoomSummary {
  readonly room: string;
  readonly participants: number;
  readonly settings: RoomSettings;
}

interface Hosted {
  readonly room: LocalRoom;
  readonly bans: Bans;
  claim: Claim;
  /** What the store has of its members, as JSON. */
  saved: string;
  disarm: (() => void) | undefined;
}

/** Members are written down so long after a change: many come at once. */
const SAVE_AFTER_MS = 200;
/** A store that does not answer is asked again, so often. */
const AGAIN_AFTER_MS = 1000;
const MAX_AGAIN = 120;

const MOVED: Termination = {
  blame: 'server',
  reason: 'room-moved',
  text: 'This room goes on in another process; join again.',
};

/**
 * The rooms this process hosts: made by the first who joins, gone with the last. A room is hosted by the process that
 * its key in the store names, and by no other: it is opened under its key, and given up when that names another.
 */
export class RoomNode {
  readonly #o: RoomNodeOptions;
  readonly #hosted = new Map<string, Hosted>();
  /** Rooms by the word of their key. */
  readonly #words = new Map<string, string>();
  /** By word: what the store told meanwhile of a room that is being opened. */
  readonly #opening = new Map<string, Claim | undefined>();
  /** By room: what is read and written of it is done one after the other. */
  readonly #busy = new Map<string, Promise<unknown>>();
  readonly #tries = new PinTries();
  readonly #creation: RateLimits;
  readonly #undo: readonly (() => void)[];
  #closing:
    | { readonly why: Termination; readonly successor: (room: string) => string | undefined }
    | undefined;

  constructor(options: RoomNodeOptions) {
    this.#o = options;
    const perSecond = options.newRoomsPerMinute / 60;
    this.#creation = new RateLimits(() => new RateLimit(perSecond, options.newRoomsPerMinute));
    this.#undo = [
      options.store.watchHosts((word, claim) => this.#told(word, claim)),
      options.store.watchSettings((word, settings) => {
        const room = this.#words.get(word);
        if (room !== undefined) this.#apply(room, settings ?? this.#defaults());
      }),
    ];
  }

  get size(): number {
    return this.#hosted.size;
  }
  get names(): string[] {
    return [...this.#hosted.keys()];
  }
  /** No new rooms. */
  get draining(): boolean {
    return this.#closing !== undefined;
  }
  get(room: string): LocalRoom | undefined {
    return this.#hosted.get(room)?.room;
  }

  /**
   * The room, made if need be. Rejects with a Refusal when it may not be; `room-elsewhere`: another process hosts it.
   */
  open(room: string, address = ''): Promise<LocalRoom> {
    const there = this.get(room);
    return there ? Promise.resolve(there) : this.#alone(room, () => this.#open(room, address));
  }

  /** A room whose key names this process since its former host died: it goes on, though nobody has come back yet. */
  resume(room: string): Promise<void> {
    if (this.#hosted.has(room)) return Promise.resolve();
    return this.#alone(room, async () => {
      const { store, process } = this.#o;
      if (this.#hosted.has(room) || this.#closing !== undefined) return;
      const claim = await store.host(room);
      if (claim?.node !== process || ((await store.members(room)) ?? []).length === 0) return;
      await this.#open(room, '');
    });
  }

  /** Its key has named this process for a while, and nobody came: it goes on for those who may, or is nobody's again. */
  unopened(room: string): Promise<void> {
    return this.#alone(room, async () => {
      const { store, process } = this.#o;
      if (this.#hosted.has(room) || this.#closing !== undefined) return;
      const claim = await store.host(room);
      if (claim?.node !== process) return;
      if (((await store.members(room)) ?? []).length > 0) await this.#open(room, '');
      else await store.release(claim);
    });
  }

  async #open(room: string, address: string): Promise<LocalRoom> {
    const there = this.get(room);
    if (there !== undefined) return there;
    if (room.length === 0 || room.length > 128)
      throw refuse('client', 'bad-room', 'A room name has 1 to 128 characters.');
    const { store } = this.#o;
    const word = store.wordOf(room);
    this.#opening.set(word, undefined);
    try {
      const claim = await this.#claim(room);
      const [members, settings, left] = await Promise.all([
        store.members(room),
        this.settingsOf(room),
        store.bans(room),
      ]);
      await this.#admit(claim, members === undefined, address);
      const told = this.#opening.get(word);
      if (told !== undefined && told.revision > claim.revision) throw elsewhere(room);
      const bans = new Bans();
      bans.restore(left, this.#o.clock.now());
      return this.#host(claim, members, settings, bans);
    } finally {
      this.#opening.delete(word);
    }
  }

  /** That this process hosts the room, in the store. */
  async #claim(room: string): Promise<Claim> {
    const { store, process } = this.#o;
    const claim = (await store.host(room)) ?? (await store.claim(room, process)) ?? (await store.host(room));
    if (claim?.node !== process) throw elsewhere(room);
    return claim;
  }

  /** Throws the Refusal that keeps a room from being opened here; its key does not name this process then. */
  async #admit(claim: Claim, isNew: boolean, address: string): Promise<void> {
    const { store, maxRooms, clock } = this.#o;
    const to = this.#closing?.successor(claim.room);
    if (to !== undefined) {
      await store.take(claim, to);
      throw elsewhere(claim.room);
    }
    if (!isNew && this.#closing === undefined) return;
    const why =
      this.#closing !== undefined
        ? refuse('server', 'draining', 'This server is shutting down; try again in a moment.')
        : this.#hosted.size >= maxRooms
          ? refuse(
              'server',
              'too-many-rooms',
              `This server holds ${maxRooms} rooms at most (rooms.maxRooms).`,
            )
          : this.#creation.take(address, clock.now())
            ? undefined
            : refuse(
                'client',
                'too-many-new-rooms',
                'This address has made too many rooms; wait a minute (rooms.newRoomsPerMinute).',
              );
    if (why === undefined) return;
    await store.release(claim);
    throw why;
  }

  #host(
    claim: Claim,
    members: readonly SavedMember[] | undefined,
    settings: RoomSettings,
    bans: Bans,
  ): LocalRoom {
    const { room } = claim;
    const { clock, log, times, onEvent, store } = this.#o;
    const made = new LocalRoom({
      id: room,
      settings,
      times,
      bans,
      tries: this.#tries,
      ...(members && { members }),
      clock,
      secret: () => randomBytes(16).toString('base64url'),
      onEnded: () => this.#ended(room, made),
      onEvent: e => {
        if (e.type === 'member' || e.type === 'left') this.#changed(room);
        onEvent(room, e);
      },
    });
    const saved = members === undefined ? '[]' : JSON.stringify(members);
    this.#hosted.set(room, { room: made, bans, claim, saved, disarm: undefined });
    this.#words.set(store.wordOf(room), room);
    if (members === undefined) onEvent(room, { type: 'created' });
    else {
      log.info({ room, members: members.length }, 'room taken over');
      onEvent(room, { type: 'taken-over', members: members.map(m => m.id) });
    }
    return made;
  }

  /** Its last member is gone. */
  #ended(room: string, which: LocalRoom): void {
    const hosted = this.#hosted.get(room);
    if (hosted?.room !== which) return; // it has gone on elsewhere
    this.#forget(room);
    this.#o.onEvent(room, { type: 'ended' });
    void this.#alone(room, () => this.#persist(() => this.#o.store.release(hosted.claim)));
  }

  #forget(room: string): void {
    this.#hosted.get(room)?.disarm?.();
    this.#hosted.delete(room);
    this.#words.delete(this.#o.store.wordOf(room));
  }

  /** The store names another process: this copy ends, and its legs are told to go there. */
  #giveUp(room: string): void {
    const hosted = this.#hosted.get(room);
    if (hosted === undefined) return;
    this.#forget(room);
    this.#o.log.info({ room }, 'room given up: it goes on in another process');
    this.#o.onEvent(room, { type: 'given-up' });
    hosted.room.feed({ type: 'move', why: MOVED });
  }

  #told(word: string, claim: Claim | undefined): void {
    if (this.#opening.has(word)) this.#opening.set(word, claim?.node === this.#o.process ? undefined : claim);
    const room = this.#words.get(word);
    const hosted = room === undefined ? undefined : this.#hosted.get(room);
    if (hosted === undefined || room === undefined) return;
    if (claim?.node === this.#o.process) this.#claimed(hosted, claim);
    else void this.#verify(room); // by what the store says now, not by what it said then
  }

  #claimed(hosted: Hosted, claim: Claim): void {
    const isSame = hosted.claim.revision === claim.revision;
    hosted.claim = claim;
    if (!isSame) hosted.room.feed({ type: 'back' });
  }

  /** The store was away, and may have lost what it knew: every key is looked at again. */
  async verify(): Promise<void> {
    for (const room of this.names) {
      await this.#verify(room);
      const hosted = this.#hosted.get(room);
      if (hosted !== undefined) hosted.saved = '';
      this.#changed(room);
    }
  }

  #verify(room: string): Promise<void> {
    const { store, process, log } = this.#o;
    return this.#alone(room, async () => {
      if (!this.#hosted.has(room)) return;
      const claim =
        (await store.host(room)) ?? (await store.claim(room, process)) ?? (await store.host(room));
      const hosted = this.#hosted.get(room);
      if (hosted === undefined || claim === undefined) return;
      if (claim.node === process) this.#claimed(hosted, claim);
      else this.#giveUp(room);
    }).catch(error =>
      log.warn({ room, err: error }, 'the store does not answer: who hosts a room is not known'),
    );
  }

  #changed(room: string): void {
    const { clock, store } = this.#o;
    const hosted = this.#hosted.get(room);
    if (hosted === undefined) return;
    hosted.disarm ??= clock.at(clock.now() + SAVE_AFTER_MS, () => {
      hosted.disarm = undefined;
      void this.#alone(room, async () => {
        if (this.#hosted.get(room) !== hosted) return;
        const members = hosted.room.saved();
        const text = JSON.stringify(members);
        if (text === hosted.saved) return;
        await store.saveMembers(room, members);
        hosted.saved = text;
      }).catch(() => {}); // the store is away; `verify` writes it when that is back
    });
  }

  /** Runs when what was begun before for this room is done. */
  #alone<T>(room: string, run: () => Promise<T>): Promise<T> {
    const mine = (this.#busy.get(room) ?? Promise.resolve()).then(run);
    const settled = mine.then(
      () => {},
      () => {},
    );
    this.#busy.set(room, settled);
    void settled.then(() => {
      if (this.#busy.get(room) === settled) this.#busy.delete(room);
    });
    return mine;
  }

  /** Until the store has taken it, or for two minutes. */
  async #persist(write: () => Promise<void>): Promise<void> {
    const { clock, log } = this.#o;
    for (let tries = 1; ; tries++)
      try {
        return await write();
      } catch (error) {
        if (tries === MAX_AGAIN || this.#closing !== undefined)
          return log.warn({ err: error }, 'the store does not answer: a room that has ended is still in it');
        await new Promise<void>(resolve => clock.at(clock.now() + AGAIN_AFTER_MS, resolve));
      }
  }

  #defaults(): RoomSettings {
    return { maxParticipants: this.#o.maxParticipants, locked: false, layout: 'speaker' };
  }
  async settingsOf(room: string): Promise<RoomSettings> {
    return (await this.#o.store.settings(room)) ?? this.#defaults();
  }

  /** They outlive the room and this process. Absent keys stay as they are, null removes one. */
  set(
    room: string,
    patch: { readonly [K in keyof RoomSettings]?: RoomSettings[K] | null },
  ): Promise<RoomSettings> {
    const { store, maxRooms } = this.#o;
    return this.#alone(room, async () => {
      const before = await store.settings(room);
      const entries = Object.entries({ ...(before ?? this.#defaults()), ...patch }).filter(
        ([, value]) => value !== null,
      );
      const settings = Object.fromEntries(entries) as unknown as RoomSettings;
      if (before === undefined && (await store.countSettings()) >= maxRooms)
        throw refuse('server', 'too-many-rooms', `Settings are kept for ${maxRooms} rooms at most.`);
      await store.saveSettings(room, settings);
      this.#apply(room, settings);
      return settings;
    });
  }

  #apply(room: string, settings: RoomSettings): void {
    this.#hosted.get(room)?.room.feed({ type: 'settings', settings });
  }

  summaries(): RoomSummary[] {
    return [...this.#hosted.values()].map(({ room }) => summaryOf(room));
  }
  summary(room: string): RoomSummary | undefined {
    const there = this.get(room);
    return there && summaryOf(there);
  }
  members(room: string): readonly MemberInfo[] | undefined {
    const roster = this.get(room)?.roster();
    return roster?.type === 'roster' ? roster.members : undefined;
  }

  /** An admin's or a signalling member's input; false when there is no such room. */
  feed(room: string, input: RoomInput): boolean {
    const hosted = this.#hosted.get(room);
    if (hosted === undefined) return false;
    hosted.room.feed(input);
    const { store, clock } = this.#o;
    if (input.type === 'kick')
      void this.#alone(room, () => this.#persist(() => store.saveBans(room, hosted.bans.left(clock.now()))));
    return true;
  }

  /** No more rooms: each goes on where `successor` says, or ends, and its legs are told `why`. */
  async close(
    why: Termination,
    successor: (room: string) => string | undefined = () => undefined,
  ): Promise<void> {
    this.#closing = { why, successor };
    await Promise.all(this.names.map(room => this.#alone(room, () => this.#handOver(room)).catch(() => {})));
    await Promise.all(this.#busy.values());
    for (const undo of this.#undo) undo();
  }

  async #handOver(room: string): Promise<void> {
    const hosted = this.#hosted.get(room);
    if (hosted === undefined || this.#closing === undefined) return;
    const { why, successor } = this.#closing;
    const to = successor(room);
    const { store } = this.#o;
    try {
      if (to !== undefined) {
        await store.saveMembers(room, hosted.room.saved());
        if ((await store.take(hosted.claim, to)) !== undefined) return this.#giveUp(room);
      }
    } catch {
      // the store is away: it ends here
    }
    hosted.room.feed({ type: 'end', why });
  }
}

const elsewhere = (room: string) =>
  refuse('server', 'room-elsewhere', `Another process hosts room ${room}; join again.`);

const summaryOf = (r: LocalRoom): RoomSummary => {
  const roster = r.roster();
  return {
    room: r.room,
    participants: roster.type === 'roster' ? roster.members.length : 0,
    settings: r.settings,
  };
};
