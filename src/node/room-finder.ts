import type { ProcessAdvert } from '../agents/advert.ts';
import { pickRoomNode } from '../agents/room-node.ts';
import type { Bus } from '../bus/port.ts';
import type { Json } from '../contract.ts';
import { Refusal, refuse } from '../kit/refusal.ts';
import type { RoomPort } from '../room/port.ts';
import type { Mesh } from './mesh.ts';
import type { RoomNode } from './room-node.ts';
import type { RoomQuestion } from './room-service.ts';
import { subjects } from './subjects.ts';

/** Ways to rooms of other processes. */
export interface RemoteRooms {
  /** The same object for the same room of the same process, as long as the link lives. */
  port(to: ProcessAdvert, room: string): Promise<RoomPort>;
}

/** Finds the process that hosts a room, and the way there. */
export class RoomFinder {
  readonly #process: string;
  readonly #mesh: Mesh;
  readonly #bus: Bus;
  readonly #own: RoomNode | undefined;
  readonly #remote: RemoteRooms;

  constructor(process: string, mesh: Mesh, bus: Bus, own: RoomNode | undefined, remote: RemoteRooms) {
    this.#process = process;
    this.#mesh = mesh;
    this.#bus = bus;
    this.#own = own;
    this.#remote = remote;
  }

  async find(room: string, address?: string): Promise<RoomPort> {
    const host = this.#hostOf(room);
    if (host.process === this.#process && this.#own !== undefined) return this.#own.open(room, address);
    return this.#remote.port(host, room);
  }

  /** The node of `room` does not answer: it is forgotten until it is heard again. */
  unreachable(room: string): void {
    const host = pickRoomNode(room, this.#mesh.table.processes());
    if (host !== undefined && host.process !== this.#process) this.#mesh.table.forget(host.process);
  }

  /** Asks the node that hosts, or would host, the room of `question`; when it has died, whoever takes its place. */
  async ask<T>(question: RoomQuestion & { room: string }): Promise<T> {
    const { room } = question;
    try {
      return await this.#request<T>(this.#hostOf(room), question);
    } catch (error) {
      if (!(error instanceof Refusal) || error.why.reason !== 'no-responder') throw error;
      this.unreachable(room);
      return this.#request<T>(this.#hostOf(room), question);
    }
  }

  /** Asks every room node. */
  async askAll<T>(question: RoomQuestion): Promise<T[]> {
    const hosts = [...this.#mesh.table.processes()].filter(p => p.roomNode !== undefined);
    const settled = await Promise.allSettled(hosts.map(p => this.#request<T>(p, question)));
    return settled.flatMap(s => (s.status === 'fulfilled' ? [s.value] : [])); // one that has died hosts nothing
  }

  async #request<T>(host: ProcessAdvert, question: RoomQuestion): Promise<T> {
    const data = question as unknown as Json;
    return (await this.#bus.request(subjects.room(host.process), data, { timeoutMs: 3000 })) as T;
  }

  #hostOf(room: string): ProcessAdvert {
    const host = pickRoomNode(room, this.#mesh.table.processes());
    if (host === undefined)
      throw refuse(
        'server',
        'no-room-node',
        'No process that hosts rooms is alive; start one with --roles room.',
      );
    return host;
  }
}
