import { randomBytes } from 'node:crypto';
import type { Clock, Log, MemberInfo, RoomEvent, Termination } from '../contract.ts';
import { refuse } from '../kit/refusal.ts';
import { Bans } from '../room/bans.ts';
import type { RoomInput } from '../room/messages.ts';
import { PinTries } from '../room/pin-tries.ts';
import type { SavedMember } from '../room/saved.ts';
import type { RoomSettings, RoomTimes } from '../room/settings.ts';
import { LocalRoom } from './local-room.ts';
import { MemberKeeper } from './member-keeper.ts';
import { NewRooms } from './new-rooms.ts';
import { OneByOne } from './one-by-one.ts';
import { elsewhere, RoomKeys } from './room-keys.ts';
import { KeptSettings, type SettingsPatch } from './room-settings.ts';
import type { Claim, RoomStore } from './room-store.ts';
import { untilWritten } from './until-written.ts';

/** What a room node tells of one of its rooms. */
export type RoomNews =
  | RoomEvent
  | { readonly type: 'created' }
  | { readonly type: 'ended' }
  /** It goes on here; `members` were in it where it was before. */
  | {
      readonly type: 'taken-over';
      readonly members: readonly { readonly id: string; readonly state: MemberInfo['state'] }[];
    }
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
  readonly keeper: MemberKeeper;
  claim: Claim;
}

/** What the store told of a room's key while the room was being opened. */
interface Opening {
  /** It names another process. */
  other: Claim | undefined;
  isGone: boolean;
}

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
  /** By word. */
  readonly #opening = new Map<string, Opening>();
  /** By room: what is read and written of it. */
  readonly #queue = new OneByOne();
  readonly #settings: KeptSettings;
  readonly #tries = new PinTries();
  readonly #keys: RoomKeys;
  readonly #limits: NewRooms;
  readonly #undo: readonly (() => void)[];
  #closing:
    | { readonly why: Termination; readonly successor: (room: string) => string | undefined }
    | undefined;

  constructor(options: RoomNodeOptions) {
    this.#o = options;
    this.#settings = new KeptSettings(options.store, options);
    this.#keys = new RoomKeys(options.process, options.store);
    this.#limits = new NewRooms(options);
    this.#undo = [
      options.store.watchHosts((word, claim) => this.#told(word, claim)),
      options.store.watchSettings((word, settings) => {
        const room = this.#words.get(word);
        if (room !== undefined) this.#apply(room, settings ?? this.#settings.defaults);
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
    return there ? Promise.resolve(there) : this.#queue.run(room, () => this.#open(room, address));
  }

  /** A room whose key names this process since its former host died: it goes on, though nobody has come back yet. */
  resume(room: string): Promise<void> {
    if (this.#hosted.has(room)) return Promise.resolve();
    return this.#queue.run(room, async () => {
      const { store, process } = this.#o;
      if (this.#hosted.has(room) || this.#closing !== undefined) return;
      const claim = await store.host(room);
      if (claim?.node !== process || ((await store.members(room)) ?? []).length === 0) return;
      await this.#open(room, '');
    });
  }

  /** Its key has named this process for a while, and nobody came: it goes on for those who may, or is nobody's again. */
  unopened(room: string): Promise<void> {
    return this.#queue.run(room, async () => {
      const { store, process } = this.#o;
      if (this.#hosted.has(room) || this.#closing !== undefined) return;
      const claim = await store.host(room);
      if (claim?.node !== process) return;
      if (((await store.members(room)) ?? []).length > 0) await this.#open(room, '');
      else await store.release(room, process);
    });
  }

  async #open(room: string, address: string): Promise<LocalRoom> {
    const there = this.get(room);
    if (there !== undefined) return there;
    if (room.length === 0 || room.length > 128)
      throw refuse('client', 'bad-room', 'A room name has 1 to 128 characters.');
    const { store } = this.#o;
    const word = store.wordOf(room);
    const opening: Opening = { other: undefined, isGone: false };
    this.#opening.set(word, opening);
    try {
      const claim = await this.#keys.claim(room);
      const [members, settings, left] = await Promise.all([
        store.members(room),
        this.#settings.of(room),
        store.bans(room),
      ]);
      await this.#admit(claim, members === undefined, address);
      const { other } = opening;
      if (other !== undefined && other.revision > claim.revision) throw elsewhere(room);
      const bans = new Bans();
      bans.restore(left, this.#o.clock.now());
      const made = this.#host(claim, members, settings, bans);
      if (opening.isGone) void this.#verify(room);
      return made;
    } finally {
      this.#opening.delete(word);
    }
  }

  /** Throws the Refusal that keeps a room from being opened here; its key does not name this process then. */
  async #admit(claim: Claim, isNew: boolean, address: string): Promise<void> {
    const { store } = this.#o;
    const to = this.#closing?.successor(claim.room);
    if (to !== undefined) {
      await store.take(claim, to);
      throw elsewhere(claim.room);
    }
    if (!isNew && this.#closing === undefined) return;
    const why =
      this.#closing === undefined
        ? this.#limits.refusal(this.#hosted.size, address)
        : refuse('server', 'draining', 'This server is shutting down; try again in a moment.');
    if (why === undefined) return;
    await store.release(claim.room, claim.node);
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
      members: members ?? [],
      clock,
      secret: () => randomBytes(16).toString('base64url'),
      onEnded: () => this.#ended(room, made),
      onEvent: e => {
        if (e.type === 'member' || e.type === 'left') keeper.changed();
        onEvent(room, e);
      },
    });
    const keeper = new MemberKeeper({
      clock,
      members: () => made.saved(),
      save: saved => store.saveMembers(room, saved),
      alone: run => this.#queue.run(room, run),
      isNew: members === undefined,
    });
    this.#hosted.set(room, { room: made, bans, keeper, claim });
    this.#words.set(store.wordOf(room), room);
    if (members === undefined) onEvent(room, { type: 'created' });
    else {
      log.info({ room, members: members.length }, 'room taken over');
      onEvent(room, {
        type: 'taken-over',
        members: members.map(({ id, away }) => ({ id, state: away === undefined ? 'here' : 'away' })),
      });
    }
    return made;
  }

  /** Its last member is gone. The store knows whether the room has ended, or only this copy, which was another's before it knew. */
  #ended(room: string, which: LocalRoom): void {
    if (this.#hosted.get(room)?.room !== which) return; // it has gone on elsewhere
    this.#forget(room);
    const { store, process, onEvent } = this.#o;
    void this.#queue.run(room, async () => {
      const isElsewhere = (await this.#persist(() => store.release(room, process))) === false;
      onEvent(room, { type: isElsewhere ? 'given-up' : 'ended' });
    });
  }

  #forget(room: string): void {
    this.#hosted.get(room)?.keeper.stop();
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
    const opening = this.#opening.get(word);
    if (opening !== undefined) {
      opening.other = claim?.node === this.#o.process ? undefined : claim;
      opening.isGone = claim === undefined;
    }
    const room = this.#words.get(word);
    const hosted = room === undefined ? undefined : this.#hosted.get(room);
    if (hosted === undefined || room === undefined) return;
    if (claim?.node === this.#o.process) this.#claimed(hosted, claim);
    else void this.#verify(room); // by what the store says now, not by what it said then
  }

  #claimed(hosted: Hosted, claim: Claim): void {
    const isSame = hosted.claim.revision === claim.revision;
    hosted.claim = claim;
    if (isSame) return;
    hosted.room.feed({ type: 'back' });
    hosted.keeper.again(); // another may have had the room meanwhile
  }

  /** The store was away, and may have lost what it knew: every key is looked at again. */
  async verify(): Promise<void> {
    for (const room of this.names) {
      await this.#verify(room);
      this.#hosted.get(room)?.keeper.again();
    }
  }

  #verify(room: string): Promise<void> {
    const { process, log } = this.#o;
    return this.#queue
      .run(room, async () => {
        if (!this.#hosted.has(room)) return;
        const claim = await this.#keys.look(room);
        const hosted = this.#hosted.get(room);
        if (hosted === undefined || claim === undefined) return;
        if (claim.node === process) this.#claimed(hosted, claim);
        else this.#giveUp(room);
      })
      .catch(error =>
        log.warn({ room, err: error }, 'the store does not answer: who hosts a room is not known'),
      );
  }

  #persist<T>(write: () => Promise<T>): Promise<T | undefined> {
    const { clock, log } = this.#o;
    return untilWritten(write, { clock, log, isOver: () => this.#closing !== undefined });
  }

  settingsOf(room: string): Promise<RoomSettings> {
    return this.#settings.of(room);
  }
  /** They outlive the room and this process. */
  set(room: string, patch: SettingsPatch): Promise<RoomSettings> {
    return this.#queue.run(room, async () => {
      const settings = await this.#settings.patch(room, patch);
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
      void this.#queue.run(room, () =>
        this.#persist(() => store.saveBans(room, hosted.bans.left(clock.now()))),
      );
    return true;
  }

  /** No more rooms: each goes on where `successor` says, or ends, and its legs are told `why`. */
  async close(
    why: Termination,
    successor: (room: string) => string | undefined = () => undefined,
  ): Promise<void> {
    this.#closing = { why, successor };
    // Also those that are being opened just now.
    const rooms = new Set([...this.names, ...this.#queue.keys]);
    await Promise.all([...rooms].map(room => this.#queue.run(room, () => this.#handOver(room))));
    await this.#queue.idle();
    for (const undo of this.#undo) undo();
  }

  async #handOver(room: string): Promise<void> {
    const hosted = this.#hosted.get(room);
    if (hosted === undefined || this.#closing === undefined) return;
    const { why, successor } = this.#closing;
    const isGiven = this.#keys.give(room, successor(room), () => hosted.room.saved());
    if (await isGiven.catch(() => false)) this.#giveUp(room);
    else hosted.room.feed({ type: 'end', why }); // nobody can have it, or the store is away
  }
}

const summaryOf = (r: LocalRoom): RoomSummary => {
  const roster = r.roster();
  return {
    room: r.room,
    participants: roster.type === 'roster' ? roster.members.length : 0,
    settings: r.settings,
  };
};
