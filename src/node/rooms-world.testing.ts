import { expect } from 'vitest';
import { silentLog } from '../../test/harness/fakes.ts';
import { VirtualClock } from '../../test/harness/virtual-net.ts';
import type { ProcessAdvert } from '../agents/advert.ts';
import { BusEnd } from '../bus/bus-end.testing.ts';
import type { SystemEvent } from '../bus/events.ts';
import { inProcessBus } from '../bus/in-process.ts';
import type { Bus } from '../bus/port.ts';
import type { Feedback, Format, LegRequest, MediaPacket, RoomEvent, Sink, Termination } from '../contract.ts';
import { refuse } from '../kit/refusal.ts';
import { ClientSession } from '../link/client-session.ts';
import type { MediaPath } from '../link/media-path.ts';
import { type Ask, readAsk, readTell, type Tell } from '../link/messages.ts';
import { RemoteRoom } from '../link/remote-room.ts';
import { ServedSession } from '../link/served-session.ts';
import type { LegNotice } from '../room/port.ts';
import { keepRooms } from './keep-rooms.ts';
import { Mesh } from './mesh.ts';
import { RoomFinder } from './room-finder.ts';
import { RoomJournal } from './room-journal.ts';
import { RoomNode } from './room-node.ts';
import { serveRooms } from './room-service.ts';
import { RoomStore } from './room-store.ts';
import { Seats } from './seats.ts';
import { Ticker } from './ticker.ts';

const PCMU = { codec: 'PCMU', clockRate: 8000 } as const;

/** Both ends of the media of a link: no sockets, nothing sealed, nothing lost. */
function paths(): [MediaPath, MediaPath] {
  let ssrcs = 0;
  const make = () => {
    const sinks = new Map<number, Sink<MediaPacket>>();
    return { sinks, other: undefined as unknown as Map<number, Sink<MediaPacket>> };
  };
  const [a, b] = [make(), make()];
  const path = (mine: ReturnType<typeof make>, theirs: ReturnType<typeof make>) =>
    ({
      flow: (_format: Format, announce: (start: object) => void) => {
        const flow = { ssrc: 0, announce, renew: () => void (flow.ssrc = 0), close() {} };
        return flow;
      },
      send: (flow: { ssrc: number; announce: (start: object) => void }, p: MediaPacket) => {
        if (flow.ssrc === 0) {
          flow.ssrc = ++ssrcs;
          flow.announce({ ssrc: flow.ssrc, seq: p.seq, pts: p.pts, kind: 'audio', clockRate: 48_000 });
        }
        const { ssrc } = flow;
        setImmediate(() => theirs.sinks.get(ssrc)?.(p, 0));
      },
      bind: ({ ssrc }: { ssrc: number }, sink: Sink<MediaPacket>) => void mine.sinks.set(ssrc, sink),
      unbind: (ssrc: number) => void mine.sinks.delete(ssrc),
    }) as unknown as MediaPath;
  return [path(a, b), path(b, a)];
}

const HUNG_UP: Termination = { blame: 'none', reason: 'hung-up' };

/** A leg in a room, as its gateway would hold it. */
export interface TestLeg {
  readonly participant: string;
  readonly secret: string;
  readonly told: LegNotice[];
  readonly heard: number[];
  readonly seen: RoomEvent[];
  say(pts: number): void;
  leave(why?: Termination): void;
  absent(on: boolean): void;
}

/** One process: with or without rooms, and seats of its own. */
export class TestNode {
  readonly process: string;
  readonly bus: BusEnd;
  readonly rooms: RoomNode | undefined;
  readonly mesh: Mesh;
  readonly finder: RoomFinder;
  readonly store: RoomStore;
  readonly seats: Seats;
  readonly #world: RoomsWorld;
  readonly #links = new Map<
    string,
    { client: ClientSession; served: ServedSession; rooms: Map<string, RemoteRoom> }
  >();
  readonly #stop: (() => void) | undefined;
  dead = false;

  constructor(world: RoomsWorld, process: string, hosts: boolean, region = 'r') {
    this.#world = world;
    this.process = process;
    const { clock } = world;
    const bus = new BusEnd(world.bus, clock);
    this.bus = bus;
    this.store = new RoomStore(bus.kv, () => clock.now());
    const journal = new RoomJournal({ publish: e => void world.facts.push(e) });
    this.rooms = hosts
      ? new RoomNode({
          process,
          store: this.store,
          clock,
          log: silentLog,
          times: { sessionKeepMs: 120_000, banMs: 300_000 },
          maxRooms: 100,
          maxParticipants: 100,
          newRoomsPerMinute: 1000,
          onEvent: (room, e) => this.dead || journal.note(room, e),
        })
      : undefined;
    this.mesh = new Mesh({
      process,
      version: '0',
      region,
      fingerprint: process,
      bus,
      clock,
      log: silentLog,
      agents: () => [],
      roomNode: () =>
        this.rooms && {
          host: '',
          tlsPort: 1,
          udpPort: 1,
          rooms: this.rooms.size,
          draining: this.rooms.draining,
        },
    });
    this.finder = new RoomFinder({
      process,
      region,
      mesh: this.mesh,
      bus,
      store: this.store,
      own: this.rooms,
      remote: { port: async (to, room) => this.#port(to, room) },
    });
    this.seats = new Seats({
      clock,
      ticker: new Ticker(clock, error => void world.bugs.push(error)),
      log: silentLog,
      count: () => {},
      find: (room, address, suspect) => this.finder.find(room, address, suspect),
      abandon: room => void this.finder.abandon(room).catch(() => {}),
    });
    this.store.watchHosts((_, claim) => claim && this.seats.hosted(claim.room));
    this.mesh.start();
    if (this.rooms === undefined) return;
    serveRooms(bus, process, this.rooms);
    const { rooms, finder, mesh } = this;
    this.#stop = keepRooms({ process, store: this.store, rooms, finder, mesh, bus, clock, log: silentLog });
  }

  #port(to: ProcessAdvert, room: string): RemoteRoom {
    const host = this.#world.node(to.process);
    if (host.dead) throw refuse('server', 'room-unreachable', 'Its port is closed.');
    let link = this.#links.get(to.process);
    if (link === undefined) {
      const [near, far] = paths();
      const later = (run: () => void): void => queueMicrotask(run);
      const tell = (t: unknown): void => later(() => client.handle(checked(readTell(plain(t))) as Tell));
      const onBug = (error: unknown): void => void this.#world.bugs.push(error);
      const rooms = (name: string, address?: string) => (host.rooms as RoomNode).open(name, address);
      const served = new ServedSession({ path: far, tell, rooms, onBug });
      const send = (a: unknown): void => later(() => served.handle(checked(readAsk(plain(a))) as Ask));
      const client: ClientSession = new ClientSession(near, send, onBug);
      link = { client, served, rooms: new Map() };
      this.#links.set(to.process, link);
    }
    const { client, rooms } = link;
    let remote = rooms.get(room);
    if (remote === undefined) {
      const made = new RemoteRoom(
        room,
        async () => client,
        () => rooms.get(room) === made && rooms.delete(room),
      );
      rooms.set(room, (remote = made));
    }
    return remote;
  }

  /** The link to another process breaks; each side notices. */
  unlink(process: string): void {
    const link = this.#links.get(process);
    this.#links.delete(process);
    link?.client.end({ blame: 'server', reason: 'room-lost', text: 'The link broke.' });
    link?.served.end({ blame: 'server', reason: 'connection-lost' });
  }

  /** kill -9: what others have of it breaks, and it says nothing any more. */
  async kill(): Promise<void> {
    this.dead = true;
    await this.bus.close();
    this.#stop?.();
    for (const to of [...this.#links.keys()]) this.unlink(to);
    for (const other of this.#world.nodes) other.unlink(this.process);
  }

  async join(room: string, leg: string, user: string, more: Partial<LegRequest> = {}): Promise<TestLeg> {
    const told: LegNotice[] = [];
    const heard: number[] = [];
    const seen: RoomEvent[] = [];
    const request: LegRequest = {
      v: 1,
      leg,
      trace: leg,
      gateway: 'test',
      direction: 'in',
      room,
      roles: ['send', 'receive'],
      who: { user, proof: 'claimed' },
      begin: { type: 'offer', native: {} },
      ...more,
    };
    const { seat, secret } = await this.seats.take(request, n => void told.push(n));
    const on = (_: Feedback): void => {};
    const sound = seat.publish({ source: 'mic', format: PCMU, canKeyframe: false, syncGroup: leg }, on);
    seat.confirmed();
    seat.watch(e => void seen.push(e));
    const want = { kind: 'loudest', slot: 0, of: 1, accept: [PCMU] } as const;
    seat.want(
      want,
      p => void heard.push(p.pts),
      () => {},
    );
    let seq = 0;
    return {
      get participant() {
        return seat.participant;
      },
      secret,
      told,
      heard,
      seen,
      say: pts =>
        sound.sink(
          { seq: seq++, pts, marker: false, payload: Buffer.alloc(160), level: 20 },
          this.#world.clock.now(),
        ),
      leave: (why = HUNG_UP) => seat.leave(why),
      absent: on => seat.absent(on),
    };
  }
}

/** Several processes of one system under one virtual clock. */
export class RoomsWorld {
  readonly clock = new VirtualClock(1000);
  readonly bugs: unknown[] = [];
  readonly facts: SystemEvent[] = [];
  readonly nodes: TestNode[] = [];
  readonly bus: Bus = inProcessBus({
    clock: this.clock,
    onBug: error => void this.bugs.push(error),
    count: () => {},
  });

  /** `r…` hosts rooms, others do not. */
  async add(process: string): Promise<TestNode> {
    const node = new TestNode(this, process, process.startsWith('r'));
    this.nodes.push(node);
    await this.run(50);
    return node;
  }
  node(process: string): TestNode {
    return this.nodes.find(n => n.process === process) as TestNode;
  }
  async two(): Promise<[TestNode, TestNode]> {
    return [await this.add('r1'), await this.add('r2')];
  }
  hostAndOther(room: string): [TestNode, TestNode] {
    const [host] = this.hosts(room) as [string];
    return [this.node(host), this.nodes.find(n => n.rooms !== undefined && n.process !== host) as TestNode];
  }
  /** Who holds a copy of `room`. */
  hosts(room: string): string[] {
    return this.nodes.filter(n => !n.dead && n.rooms?.get(room) !== undefined).map(n => n.process);
  }
  members(room: string): string[] {
    const [host] = this.hosts(room);
    const members = host === undefined ? [] : this.node(host).rooms?.members(room);
    return (members ?? []).map(m => `${m.participant}:${m.state}`).sort();
  }
  factsOf(room: string): string[] {
    return this.facts.filter(f => f.room === room).map(f => `${f.type} ${f.participant ?? ''}`.trim());
  }
  /** Everything that needs no time happens. */
  async settle(): Promise<void> {
    for (let i = 0; i < 20; i++) await new Promise(resolve => setImmediate(resolve));
  }
  async run(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 100) {
      this.clock.run(Math.min(100, left));
      await this.settle();
    }
  }

  /** Each hears the other, in steps of real time so that who speaks is noticed. */
  async hearEachOther(one: TestLeg, other: TestLeg): Promise<void> {
    for (const [a, b] of [
      [one, other],
      [other, one],
    ] as const) {
      b.heard.length = 0;
      for (let pts = 0; pts < 160 * 40; pts += 160) {
        a.say(pts);
        await this.run(20);
      }
      expect(b.heard.length, `${b.participant} hears ${a.participant}`).toBeGreaterThan(10);
    }
  }
}

const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));
function checked<T>(message: T | undefined): T {
  if (message === undefined) throw new Error('a message of the link that the other side does not know');
  return message;
}
