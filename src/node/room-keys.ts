import { type Refusal, refuse } from '../kit/refusal.ts';
import type { SavedMember } from '../room/saved.ts';
import type { Claim, RoomStore } from './room-store.ts';

/** Which process hosts a room, as one process asks, says and hands on. */
export class RoomKeys {
  readonly #process: string;
  readonly #store: RoomStore;

  constructor(process: string, store: RoomStore) {
    this.#process = process;
    this.#store = store;
  }

  /** That this process hosts the room. Rejects with the Refusal `room-elsewhere` when another does. */
  async claim(room: string): Promise<Claim> {
    const claim = await this.look(room);
    if (claim?.node !== this.#process) throw elsewhere(room);
    return claim;
  }

  /** Who hosts it: this process from now on, when nobody does. Undefined: it changed hands twice meanwhile. */
  async look(room: string): Promise<Claim | undefined> {
    const store = this.#store;
    return (await store.host(room)) ?? (await store.claim(room, this.#process)) ?? (await store.host(room));
  }

  /**
   * Hands the room on to `to`, with those who are in it then. True: its key names another process now, `to` unless
   * somebody was first. False: nobody can have it.
   */
  async give(room: string, to: string | undefined, members: () => readonly SavedMember[]): Promise<boolean> {
    const store = this.#store;
    const claim = await store.host(room);
    if (this.#isAnothers(claim)) return true;
    if (to === undefined) return false;
    await store.saveMembers(room, members()); // it must find them
    const given = await (claim === undefined ? store.claim(room, to) : store.take(claim, to));
    return given !== undefined || this.#isAnothers(await store.host(room));
  }

  #isAnothers(claim: Claim | undefined): boolean {
    return claim !== undefined && claim.node !== this.#process;
  }
}

export const elsewhere = (room: string): Refusal =>
  refuse('server', 'room-elsewhere', `Another process hosts room ${room}; join again.`);
