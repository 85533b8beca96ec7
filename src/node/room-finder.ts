import type { ProcessAdvert } from '../agents/advert.ts';
import { pickRoomNode } from '../agents/room-node.ts';
import type { Bus } from '../bus/port.ts';
import type { Json } from '../contract.ts';
import { Refusal, refuse } from '../kit/refusal.ts';
import type { RoomPort } from '../room/port.ts';
import type { Mesh } from './mesh.ts';
import type { RoomNode } from './room-node.ts';
import type { RoomQuestion } from './room-service.ts';
import type { Claim, RoomStore } from './room-store.ts';
import { subjects } from './subjects.ts';

/** Ways to rooms of other processes. */
export interface RemoteRooms {
  /** The same object for the same room of the same process, as long as the link lives. */
  port(to: ProcessAdvert, room: string): Promise<RoomPort>;
}

export interface RoomFinderOptions {
  readonly process: string;
  readonly region: string;
  readonly mesh: Mesh;
  readonly bus: Bus;
  readonly store: RoomStore;
  /** Absent: this process hosts no rooms. */
  readonly own: RoomNode | undefined;
  readonly remote: RemoteRooms;
}

/** How long a room node may take to say that it lives. */
const ALIVE_MS = 1000;
const ANSWER_MS = 3000;
/** Others may name a host at the same moment, and a host may die meanwhile. */
const TRIES = 5;

/** Finds the process that hosts a room, or names one in the store, and the way there. */
export class RoomFinder {
  readonly #o: RoomFinderOptions;

  constructor(options: RoomFinderOptions) {
    this.#o = options;
  }

  /** `suspect`: its host did not answer a moment ago, and is asked whether it lives before it is named again. */
  async find(room: string, address?: string, suspect = false): Promise<RoomPort> {
    const { own, process, remote } = this.#o;
    const here = own?.get(room);
    if (here !== undefined) return here;
    const host = await this.#hostOf(room, { suspect, silentIsDead: true });
    if (host.process === process && own !== undefined) return own.open(room, address);
    return remote.port(host, room);
  }

  /** Asks the node that hosts the room of `question`, or any when there is no such room. */
  async ask<T>(question: RoomQuestion & { room: string }): Promise<T> {
    const { room } = question;
    try {
      return await this.#request<T>(await this.#answererOf(room, false), question);
    } catch (error) {
      if (!(error instanceof Refusal) || error.why.reason !== 'no-responder') throw error;
      return this.#request<T>(await this.#answererOf(room, true), question);
    }
  }

  /** Asks every room node. */
  async askAll<T>(question: RoomQuestion): Promise<T[]> {
    const hosts = [...this.#o.mesh.table.processes()].filter(p => p.roomNode !== undefined);
    const settled = await Promise.allSettled(hosts.map(p => this.#request<T>(p, question)));
    return settled.flatMap(s => (s.status === 'fulfilled' ? [s.value] : [])); // one that has died hosts nothing
  }

  /** Who is to host `room` instead of this process; undefined: nobody else can. */
  successor(room: string): string | undefined {
    return this.#pick(room, this.#o.process)?.process;
  }

  /** The legs of a room whose host is dead have ended: it is over, and does not wait for them where rooms are next hosted. */
  async abandon(room: string): Promise<void> {
    const claim = await this.#o.store.host(room);
    if (claim !== undefined && this.#advertOf(claim.node) === undefined)
      await this.#o.store.release(room, claim.node);
  }

  /**
   * Rooms whose host has died and to which nobody came back: another host is named, and lets their members' time run out.
   * One room node of the system does it, for hosts that are `dead`, and sweeps the store. False: for some it is not known
   * yet who is to have them.
   */
  async adopt(dead: (node: string) => boolean): Promise<boolean> {
    const { mesh, process, store } = this.#o;
    const nodes = [...mesh.table.processes()].filter(p => p.roomNode !== undefined).map(p => p.process);
    if (nodes.sort()[0] !== process) return true;
    let isDone = true;
    for await (const { room, node } of store.hosted())
      if (this.#advertOf(node) === undefined && dead(node))
        await this.ask({ type: 'resume', room }).catch(error => {
          if (!(error instanceof Refusal)) throw error;
          isDone = false; // somebody else found it meanwhile, or somebody did not answer
        });
    await store.sweepMembers();
    await store.sweepBans();
    return isDone;
  }

  async #answererOf(room: string, suspect: boolean): Promise<ProcessAdvert> {
    const { own, process, store } = this.#o;
    const here = own?.get(room) && this.#advertOf(process);
    if (here) return here;
    const claim = await store.host(room);
    if (claim !== undefined) return this.#hostOf(room, { suspect, silentIsDead: false }, claim);
    return this.#pick(room) ?? nobody();
  }

  /** The living process that hosts `room`: the one the store names, or one that is named there now. */
  async #hostOf(
    room: string,
    how: { readonly suspect: boolean; readonly silentIsDead: boolean },
    known?: Claim,
  ): Promise<ProcessAdvert> {
    const { store } = this.#o;
    let before = known ?? (await store.host(room));
    for (let tries = 0; tries < TRIES; tries++) {
      if (before !== undefined && (await this.#lives(before.node, how))) {
        const advert = this.#advertOf(before.node);
        if (advert !== undefined) return advert;
        throw refuse(
          'server',
          'room-unreachable',
          `The process that hosts room ${room} is not known here yet.`,
        );
      }
      const best = this.#pick(room, before?.node) ?? nobody();
      const now = await (before === undefined
        ? store.claim(room, best.process)
        : store.take(before, best.process));
      if (now !== undefined) return best;
      before = await store.host(room); // somebody was first
    }
    throw refuse('server', 'room-contested', `Room ${room} changes hands too fast; join again.`);
  }

  /** A node that is heard lives, unless it is suspected; else it is asked, and is dead when nobody is there to answer. */
  async #lives(node: string, how: { suspect: boolean; silentIsDead: boolean }): Promise<boolean> {
    const { process, bus, mesh } = this.#o;
    if (node === process) return true;
    const heard = this.#advertOf(node) !== undefined;
    if (heard && !how.suspect) return true;
    try {
      await bus.request(subjects.room(node), { type: 'alive' }, { timeoutMs: ALIVE_MS });
      return true;
    } catch (error) {
      const reason = error instanceof Refusal ? error.why.reason : undefined;
      const dead = reason === 'no-responder' || (reason === 'timeout' && !heard && how.silentIsDead);
      if (!dead) throw error;
      mesh.giveUp(node);
      return false;
    }
  }

  #pick(room: string, but?: string): ProcessAdvert | undefined {
    const others = [...this.#o.mesh.table.processes()].filter(p => p.process !== but);
    return pickRoomNode(room, others, this.#o.region);
  }

  #advertOf(process: string): ProcessAdvert | undefined {
    return this.#o.mesh.table.get(process);
  }

  async #request<T>(host: ProcessAdvert, question: RoomQuestion): Promise<T> {
    const data = question as unknown as Json;
    return (await this.#o.bus.request(subjects.room(host.process), data, { timeoutMs: ANSWER_MS })) as T;
  }
}

function nobody(): never {
  throw refuse(
    'server',
    'no-room-node',
    'No process that hosts rooms is alive; start one with --roles room.',
  );
}
