import { createHash } from 'node:crypto';
import type { KeyValue, KvEntry } from '../bus/kv.ts';
import { subjectWord } from '../bus/subject.ts';
import type { Json } from '../contract.ts';
import { refuse } from '../kit/refusal.ts';
import type { BanLeft } from '../room/bans.ts';
import type { SavedMember } from '../room/saved.ts';
import type { RoomSettings } from '../room/settings.ts';

/** Who hosts a room, at the revision at which that was read or written. */
export interface Claim {
  readonly room: string;
  /** The process. */
  readonly node: string;
  readonly revision: number;
}

/** As it is kept: time goes on while nobody has the room. */
interface KeptMember extends SavedMember {
  /** Unix ms. */
  readonly awayUntil?: number;
}

/** Longest word of a key: the kinds stand before it, and KV stores have their limits. */
const LONGEST_WORD = 200;

/** A room as one word. `%x` begins no escape of `subjectWord`, so a digest is nobody's name. */
function wordOf(room: string): string {
  const word = subjectWord(room);
  return word.length <= LONGEST_WORD ? word : `%x${createHash('sha256').update(room).digest('hex')}`;
}

/**
 * What all processes must know of rooms: `room.<room>` names the one that hosts it, `members.<room>` is what a successor
 * of that one needs, `settings.<room>` and `bans.<room>` outlive the room.
 */
export class RoomStore {
  readonly #kv: KeyValue;
  /** Unix ms: bans and absences are kept by it, since processes have clocks of their own. */
  readonly #unixNow: () => number;

  constructor(kv: KeyValue, unixNow: () => number) {
    this.#kv = kv;
    this.#unixNow = unixNow;
  }

  /** Undefined: nobody hosts it. */
  async host(room: string): Promise<Claim | undefined> {
    return claimOf(await this.#kv.get(`room.${wordOf(room)}`));
  }
  /** Names `node`, if nobody is. Undefined: somebody was first. */
  async claim(room: string, node: string): Promise<Claim | undefined> {
    const revision = await this.#kv.create(`room.${wordOf(room)}`, { room, node });
    return revision === undefined ? undefined : { room, node, revision };
  }
  /** Names `node` instead of the one of `claim`, if that is still the newest. Undefined: somebody was first. */
  async take(claim: Claim, node: string): Promise<Claim | undefined> {
    const { room } = claim;
    const revision = await this.#kv.update(`room.${wordOf(room)}`, { room, node }, claim.revision);
    return revision === undefined ? undefined : { room, node, revision };
  }
  /**
   * The room has ended at `node`: nobody hosts it any more, and its members are forgotten. False: somebody else has it, and
   * what is kept is that one's.
   */
  async release(room: string, node: string): Promise<boolean> {
    const members = await this.#kv.get(`members.${wordOf(room)}`);
    const claim = await this.host(room);
    if (claim !== undefined && claim.node !== node) return false;
    // Before the key: who finds that nobody hosts the room must not find members of it.
    if (members !== undefined) await this.#kv.delete(`members.${wordOf(room)}`, members.revision);
    if (claim === undefined || (await this.#kv.delete(`room.${wordOf(room)}`, claim.revision))) return true;
    return (await this.host(room)) === undefined;
  }
  /** All rooms that somebody hosts, or hosted when it died. */
  async *hosted(): AsyncIterable<Claim> {
    for (const key of await this.#kv.keys('room')) {
      const claim = claimOf(await this.#kv.get(key));
      if (claim !== undefined) yield claim;
    }
  }
  /** Told of every room's host, and of `room` undefined: a key vanished. */
  watchHosts(on: (word: string, claim: Claim | undefined) => void): () => void {
    return this.#kv.watch('room', (key, entry) => on(key.slice('room.'.length), claimOf(entry)));
  }
  /** The word `watchHosts` has for a room. */
  wordOf(room: string): string {
    return wordOf(room);
  }

  /** Undefined: it was never opened, or has ended. */
  async members(room: string): Promise<readonly SavedMember[] | undefined> {
    const kept = (await this.#kv.get(`members.${wordOf(room)}`))?.value as unknown as
      | KeptMember[]
      | undefined;
    const now = this.#unixNow();
    return kept?.map(({ awayUntil, ...m }) => {
      if (m.away === undefined || awayUntil === undefined) return m;
      return { ...m, away: { ...m.away, leftMs: Math.max(0, awayUntil - now) } };
    });
  }
  async saveMembers(room: string, members: readonly SavedMember[]): Promise<void> {
    const now = this.#unixNow();
    const kept = members.map((m): KeptMember => {
      if (m.away?.leftMs === undefined) return m;
      const { leftMs, ...away } = m.away;
      return { ...m, away, awayUntil: now + leftMs };
    });
    await this.#put(`members.${wordOf(room)}`, kept as unknown as Json);
  }

  /** Forgets the members of rooms that nobody hosts: what was written of them last is not so any more. */
  async sweepMembers(): Promise<void> {
    for (const key of await this.#kv.keys('members')) {
      const entry = await this.#kv.get(key);
      const host = await this.#kv.get(`room.${key.slice('members.'.length)}`);
      if (entry !== undefined && host === undefined) await this.#kv.delete(key, entry.revision);
    }
  }

  async settings(room: string): Promise<RoomSettings | undefined> {
    return (await this.#kv.get(`settings.${wordOf(room)}`))?.value as unknown as RoomSettings | undefined;
  }
  async saveSettings(room: string, settings: RoomSettings): Promise<void> {
    await this.#put(`settings.${wordOf(room)}`, settings as unknown as Json);
  }
  async countSettings(): Promise<number> {
    return (await this.#kv.keys('settings')).length;
  }
  watchSettings(on: (word: string, settings: RoomSettings | undefined) => void): () => void {
    return this.#kv.watch('settings', (key, entry) =>
      on(key.slice('settings.'.length), entry?.value as unknown as RoomSettings | undefined),
    );
  }

  async bans(room: string): Promise<readonly BanLeft[]> {
    const kept = (await this.#kv.get(`bans.${wordOf(room)}`))?.value as [string, number][] | undefined;
    const now = this.#unixNow();
    return (kept ?? []).flatMap(([key, until]) => (until > now ? [[key, until - now] as const] : []));
  }
  async saveBans(room: string, left: readonly BanLeft[]): Promise<void> {
    const key = `bans.${wordOf(room)}`;
    const now = this.#unixNow();
    if (left.length === 0) return void (await this.#kv.delete(key));
    await this.#put(
      key,
      left.map(([who, ms]) => [who, now + ms]),
    );
  }
  /** Forgets the bans that are over everywhere. */
  async sweepBans(): Promise<void> {
    for (const key of await this.#kv.keys('bans')) {
      const entry = await this.#kv.get(key);
      const until = (entry?.value ?? []) as [string, number][];
      if (entry !== undefined && until.every(([, ms]) => ms <= this.#unixNow()))
        await this.#kv.delete(key, entry.revision);
    }
  }

  /** The last one to write has the word. */
  async #put(key: string, value: Json): Promise<void> {
    for (let tries = 0; tries < 5; tries++) {
      const before = await this.#kv.get(key);
      const written =
        before === undefined
          ? await this.#kv.create(key, value)
          : await this.#kv.update(key, value, before.revision);
      if (written !== undefined) return;
    }
    throw refuse('server', 'busy', `Too many write ${key} at once; try again.`);
  }
}

function claimOf(entry: KvEntry | undefined): Claim | undefined {
  if (entry === undefined) return undefined;
  const { room, node } = entry.value as { room: string; node: string };
  return { room, node, revision: entry.revision };
}
