import { silentLog } from '../../test/harness/fakes.ts';
import { VirtualClock } from '../../test/harness/virtual-net.ts';
import { inProcessBus } from '../bus/in-process.ts';
import type { KeyValue } from '../bus/kv.ts';
import { downRefusal } from '../bus/wire.ts';
import type { LegNotice } from '../room/port.ts';
import { type RoomNews, RoomNode } from './room-node.ts';
import { RoomStore } from './room-store.ts';

/** Everything that needs no time happens. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await new Promise(resolve => setImmediate(resolve));
}

type Call = readonly [what: 'get' | 'create' | 'update' | 'delete' | 'keys', key: string];

/** A store between a process and which a test stands: what is asked of it can be failed, or held until something else has happened. */
class ScriptedKv implements KeyValue {
  readonly #kv: KeyValue;
  /** Runs before an operation; may throw, may take its time. */
  before: (...call: Call) => unknown = () => {};

  constructor(kv: KeyValue) {
    this.#kv = kv;
  }
  async get(key: string) {
    await this.before('get', key);
    return this.#kv.get(key);
  }
  async create(...a: Parameters<KeyValue['create']>) {
    await this.before('create', a[0]);
    return this.#kv.create(...a);
  }
  async update(...a: Parameters<KeyValue['update']>) {
    await this.before('update', a[0]);
    return this.#kv.update(...a);
  }
  async delete(...a: Parameters<KeyValue['delete']>) {
    await this.before('delete', a[0]);
    return this.#kv.delete(...a);
  }
  async keys(prefix: string) {
    await this.before('keys', prefix);
    return this.#kv.keys(prefix);
  }
  watch(...a: Parameters<KeyValue['watch']>) {
    return this.#kv.watch(...a);
  }

  /** The next operation of that kind on that key finds no store. */
  failOnce(...[what, key]: Call): void {
    this.before = (...call) => {
      if (call[0] !== what || call[1] !== key) return;
      this.before = () => {};
      throw downRefusal();
    };
  }
  /** Before the next operation of that kind on that key, `run` happens. */
  once(what: Call[0], key: string, run: () => unknown): void {
    this.before = (...call) => {
      if (call[0] !== what || call[1] !== key) return;
      this.before = () => {};
      return run();
    };
  }
}

/** One room node, `r1`, its store, and what others do to that. */
export class NodeWorld {
  readonly clock = new VirtualClock(1000);
  readonly bus = inProcessBus({
    clock: this.clock,
    onBug: error => {
      throw error;
    },
    count: () => {},
  });
  readonly kv = new ScriptedKv(this.bus.kv);
  readonly store = new RoomStore(this.kv, () => this.clock.now());
  /** As another process has it. */
  readonly theirs = new RoomStore(this.bus.kv, () => this.clock.now());
  readonly news: string[] = [];
  readonly node: RoomNode;

  constructor() {
    this.node = new RoomNode({
      process: 'r1',
      store: this.store,
      clock: this.clock,
      log: silentLog,
      times: { sessionKeepMs: 120_000, banMs: 300_000 },
      maxRooms: 100,
      maxParticipants: 100,
      newRoomsPerMinute: 1000,
      onEvent: (room, e: RoomNews) => void this.news.push(`${room} ${e.type}`),
    });
  }

  /** Joins by this process; resolves with what it is told from then on. */
  async join(room: string, user: string): Promise<{ leave(): void; told: LegNotice[] }> {
    const told: LegNotice[] = [];
    const there = await this.node.open(room);
    const leg = `leg-${user}`;
    const who = { user, proof: 'claimed' } as const;
    await there.join({ leg, gateway: 'test', who, roles: ['send'] }, n => void told.push(n));
    there.confirmed(leg);
    return { told, leave: () => there.leave(leg, { blame: 'none', reason: 'hung-up' }) };
  }
  async run(ms: number): Promise<void> {
    await settle();
    for (let left = ms; left > 0; left -= 100) {
      this.clock.run(Math.min(100, left));
      await settle();
    }
  }
  async host(room: string): Promise<string | undefined> {
    return (await this.theirs.host(room))?.node;
  }
  async kept(room: string): Promise<string[] | undefined> {
    return (await this.theirs.members(room))?.map(m => m.id);
  }
}
