import type { ProcessAdvert } from '../../../src/agents/advert.ts';
import type { Clock, Termination } from '../../../src/contract.ts';
import type { Random } from '../../../src/kit/random.ts';
import { type Refusal, refuse } from '../../../src/kit/refusal.ts';
import { ClientSession } from '../../../src/link/client-session.ts';
import type { MediaPath } from '../../../src/link/media-path.ts';
import { type Ask, readAsk, readTell, type Tell } from '../../../src/link/messages.ts';
import { RemoteRoom } from '../../../src/link/remote-room.ts';
import { ServedSession } from '../../../src/link/served-session.ts';
import type { RemoteRooms } from '../../../src/node/room-finder.ts';
import type { RoomNode } from '../../../src/node/room-node.ts';
import type { RoomPort } from '../../../src/room/port.ts';

/** As `link/stream.ts` and `link/client.ts` have them. */
const SILENT_MS = [3000, 4000] as const;
const HELLO_MS = 5000;
const BACKOFF_MIN_MS = 250;
const BACKOFF_MAX_MS = 8000;
const UNUSED_MS = 10_000;
/** When TCP tries again to connect (RFC 6298 §2: 1 s, doubled). */
const SYN_AFTER_MS = [0, 1000, 3000];

/** A process, as its links see it. */
export interface LinkHost {
  readonly name: string;
  readonly clock: Clock;
  readonly dead: boolean;
  readonly rooms: RoomNode | undefined;
  /** Something behind a link threw. */
  readonly onBug: (error: unknown) => void;
}

/** The network between the processes of a simulation: what is on its way, what is cut, and the links that stand. */
export class SimNet {
  readonly clock: Clock;
  readonly #random: Random;
  /** Of one way, ms. */
  delayMs: readonly [number, number] = [0.2, 2];
  readonly #cuts = new Set<string>();
  readonly #links = new Set<SimLink>();
  readonly host: (name: string) => LinkHost | undefined;

  constructor(clock: Clock, random: Random, host: (name: string) => LinkHost | undefined) {
    this.clock = clock;
    this.#random = random;
    this.host = host;
  }

  delay(): number {
    const [least, most] = this.delayMs;
    return least + this.#random() * (most - least);
  }
  /** How long silence is borne. */
  silence(): number {
    return SILENT_MS[0] + this.#random() * (SILENT_MS[1] - SILENT_MS[0]);
  }
  isCut(a: string, b: string): boolean {
    return this.#cuts.has(pair(a, b));
  }
  /** Nothing passes between two processes. */
  cut(a: string, b: string): void {
    this.#cuts.add(pair(a, b));
    for (const link of this.#links) if (link.isOf(a, b)) link.cut();
  }
  heal(a: string, b: string): void {
    this.#cuts.delete(pair(a, b));
    for (const link of [...this.#links]) if (link.isOf(a, b)) link.heal();
  }
  /** The connections of a process end: those of two, when `b` is given. `silent`: nobody tells the other side. */
  break(a: string, b?: string, silent = false): void {
    for (const link of [...this.#links])
      if (b === undefined ? link.isOf(a) : link.isOf(a, b))
        link.break(b === undefined ? a : undefined, silent);
  }
  /** Processes that have a link with the rooms of `name`, as `name` has it. */
  servedBy(name: string): string[] {
    return [...this.#links].flatMap(link => (link.isServed(name) ? [link.from] : []));
  }
  add(link: SimLink): void {
    this.#links.add(link);
  }
  remove(link: SimLink): void {
    this.#links.delete(link);
  }
  get size(): number {
    return this.#links.size;
  }
}

const pair = (a: string, b: string): string => [a, b].sort().join(' ');

/** No media is sent in these simulations. */
const noMedia = {
  flow: () => ({ ssrc: 0, renew() {}, close() {} }),
  send() {},
  bind() {},
  unbind() {},
} as unknown as MediaPath;

const LOST: Termination = { blame: 'server', reason: 'room-lost', text: 'The link broke.' };
const ENDED: Termination = { blame: 'server', reason: 'connection-lost', text: 'The link broke.' };

/** One connection to a room node, both ends. Each way is in order; each end finds out for itself that it is over. */
class SimLink {
  readonly client: ClientSession;
  readonly #served: ServedSession;
  readonly #net: SimNet;
  readonly #from: LinkHost;
  readonly #to: LinkHost;
  readonly #onClosed: () => void;
  readonly #last = { there: 0, back: 0 };
  #held: (() => void)[] = [];
  #isCut = false;
  readonly #over = { client: false, served: false };
  #disarm: () => void = () => {};

  constructor(net: SimNet, from: LinkHost, to: LinkHost, onClosed: () => void) {
    this.#net = net;
    this.#from = from;
    this.#to = to;
    this.#onClosed = onClosed;
    const rooms = (room: string, address?: string) =>
      (to.rooms as RoomNode).get(room) ?? (to.rooms as RoomNode).open(room, address);
    this.#served = new ServedSession({
      path: noMedia,
      tell: t => {
        const text = JSON.stringify(t);
        this.#pass('back', () => this.client.handle(checked(readTell(JSON.parse(text))) as Tell));
      },
      rooms,
      onBug: to.onBug,
    });
    this.client = new ClientSession(
      noMedia,
      a => {
        const text = JSON.stringify(a);
        this.#pass('there', () => this.#served.handle(checked(readAsk(JSON.parse(text))) as Ask));
      },
      from.onBug,
    );
    net.add(this);
  }

  get from(): string {
    return this.#from.name;
  }
  isServed(by: string): boolean {
    return this.#to.name === by && !this.#over.served;
  }
  isOf(a: string, b?: string): boolean {
    const ends = [this.#from.name, this.#to.name];
    return ends.includes(a) && (b === undefined || ends.includes(b));
  }

  #pass(way: 'there' | 'back', arrive: () => void): void {
    const mine = way === 'there' ? 'client' : 'served';
    const theirs = way === 'there' ? 'served' : 'client';
    if (this.#over[mine] || this.#hostOf(mine).dead) return;
    this.#last[way] = Math.max(this.#last[way], this.#net.clock.now() + this.#net.delay());
    const run = (): void => {
      if (!this.#over[theirs] && !this.#hostOf(theirs).dead) arrive();
    };
    this.#net.clock.at(this.#last[way], () => (this.#isCut ? void this.#held.push(run) : run()));
  }

  #hostOf(end: 'client' | 'served'): LinkHost {
    return end === 'client' ? this.#from : this.#to;
  }

  cut(): void {
    if (this.#isCut) return;
    this.#isCut = true;
    const ends = (['client', 'served'] as const).map(end =>
      this.#hostOf(end).clock.at(this.#net.clock.now() + this.#net.silence(), () => this.#end(end)),
    );
    this.#disarm = () => {
      for (const disarm of ends) disarm();
    };
  }

  heal(): void {
    if (!this.#isCut) return;
    this.#disarm();
    this.#isCut = false;
    if (this.#over.client || this.#over.served) return this.break(undefined, false);
    for (const run of this.#held.splice(0)) run();
  }

  /** `dead`: of which process nothing can be told any more. */
  break(dead: string | undefined, silent: boolean): void {
    for (const end of ['client', 'served'] as const)
      if (this.#hostOf(end).name === dead) this.#over[end] = true;
      else {
        const inMs = silent || this.#isCut ? this.#net.silence() : this.#net.delay();
        this.#hostOf(end).clock.at(this.#net.clock.now() + inMs, () => this.#end(end));
      }
    this.#forgetIfOver();
  }

  #end(end: 'client' | 'served'): void {
    if (this.#over[end]) return;
    this.#over[end] = true;
    if (end === 'client') {
      this.client.end(LOST);
      this.#onClosed();
    } else this.#served.end(ENDED);
    this.#forgetIfOver();
  }

  #forgetIfOver(): void {
    if (this.#over.client && this.#over.served) this.#net.remove(this);
    else if (this.#over.client || this.#over.served) {
      // The other end finds out by a reset; while nothing passes, by the silence.
      const left = this.#over.client ? 'served' : 'client';
      if (this.#isCut || this.#hostOf(left === 'client' ? 'served' : 'client').dead) return;
      this.#hostOf(left).clock.at(this.#net.clock.now() + this.#net.delay(), () => this.#end(left));
    }
  }

  /** The process at this end closes it. */
  close(): void {
    this.#end('client');
  }
}

/** The links of one process to room nodes, with the times and refusals of `LinkClient`. */
export class SimLinks implements RemoteRooms {
  readonly #net: SimNet;
  readonly #me: LinkHost;
  readonly #clients = new Map<string, Client>();

  constructor(net: SimNet, me: LinkHost) {
    this.#net = net;
    this.#me = me;
  }

  async port(to: ProcessAdvert, room: string): Promise<RoomPort> {
    return this.#client(to).port(room);
  }

  /** See `RoomLinks.stand`. */
  stand(to: ProcessAdvert): void {
    this.#client(to).stand();
  }

  /** See `RoomLinks.linked`. */
  get linked(): ReadonlySet<string> {
    const linked = new Set(this.#net.servedBy(this.#me.name));
    for (const [process, client] of this.#clients) if (client.stands) linked.add(process);
    return linked;
  }

  #client(to: ProcessAdvert): Client {
    let client = this.#clients.get(to.process);
    if (client === undefined) {
      client = new Client(this.#net, this.#me, to.process);
      this.#clients.set(to.process, client);
    }
    return client;
  }

  /** See `RoomLinks.forget`. */
  forget(process: string): void {
    const client = this.#clients.get(process);
    if (client === undefined || client.connected) return;
    this.#clients.delete(process);
  }

  close(): void {
    for (const client of this.#clients.values()) client.close();
  }

  /** Ways to rooms that are kept open. */
  get rooms(): string[] {
    return [...this.#clients.values()].flatMap(c => [...c.rooms.keys()]);
  }
}

class Client {
  readonly #net: SimNet;
  readonly #me: LinkHost;
  readonly #to: string;
  readonly rooms = new Map<string, RemoteRoom>();
  #link: Promise<SimLink> | undefined;
  #standing: SimLink | undefined;
  #failures = 0;
  #notBefore = 0;
  #why: Refusal | undefined;

  constructor(net: SimNet, me: LinkHost, to: string) {
    this.#net = net;
    this.#me = me;
    this.#to = to;
  }

  get connected(): boolean {
    return this.#link !== undefined;
  }
  get stands(): boolean {
    return this.#standing !== undefined;
  }
  stand(): void {
    void this.#connected().catch(() => {});
  }

  port(room: string): RoomPort {
    const there = this.rooms.get(room);
    if (there !== undefined) return there;
    const made: RemoteRoom = new RemoteRoom(
      room,
      async () => (await this.#connected()).client,
      () => this.rooms.get(room) === made && this.rooms.delete(room),
    );
    this.rooms.set(room, made);
    const { clock } = this.#me;
    clock.at(clock.now() + UNUSED_MS, () => made.endIfUnused());
    return made;
  }

  #connected(): Promise<SimLink> {
    const { clock } = this.#me;
    if (this.#link === undefined) {
      if (clock.now() < this.#notBefore) return Promise.reject(this.#why);
      this.#link = this.#connect();
      this.#link.then(
        link => {
          this.#failures = 0;
          this.#standing = link;
        },
        error => {
          this.#link = undefined;
          this.#notBefore = clock.now() + Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** this.#failures++);
          this.#why = error;
        },
      );
    }
    return this.#link;
  }

  /** Four ways there and back: TCP, TLS, HELLO, a datagram. */
  #connect(): Promise<SimLink> {
    const { clock } = this.#me;
    return new Promise((resolve, reject) => {
      const undo: (() => void)[] = [];
      const fail = (why: string): void => {
        for (const disarm of undo) disarm();
        reject(refuse('server', 'room-unreachable', `The room node cannot be reached: ${why}.`));
      };
      undo.push(clock.at(clock.now() + HELLO_MS, () => fail('no answer')));
      const passes = (): boolean => !this.#net.isCut(this.#me.name, this.#to);
      const syn = (): void => {
        if (!passes()) return;
        const roundTrips = Array.from({ length: 8 }, () => this.#net.delay()).reduce((a, b) => a + b);
        undo.push(
          clock.at(clock.now() + roundTrips, () => {
            const host = this.#net.host(this.#to);
            if (host === undefined || host.rooms === undefined) return fail('nothing listens there');
            if (!passes()) return; // the last of it is lost: HELLO's time runs out
            for (const disarm of undo) disarm();
            const link: SimLink = new SimLink(this.#net, this.#me, host, () => {
              if (this.#standing !== link) return;
              this.#standing = undefined;
              this.#link = undefined;
            });
            resolve(link);
          }),
        );
      };
      for (const ms of SYN_AFTER_MS) undo.push(clock.at(clock.now() + ms, syn));
    });
  }

  close(): void {
    this.#standing?.close();
  }
}

function checked<T>(message: T | undefined): T {
  if (message === undefined) throw new Error('a message of the link that the other side does not know');
  return message;
}
