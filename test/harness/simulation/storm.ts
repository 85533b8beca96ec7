import { Books } from './books.ts';
import type { Call } from './callers.ts';
import { HUNG_UP } from './callers.ts';
import type { Roles, SimNode } from './node.ts';
import { TicketHolders } from './ticket-holders.ts';
import { SimWorld } from './world.ts';

/** Which processes there are: everything apart, everything in each, and in between. */
const SYSTEMS: readonly (readonly Roles[])[] = [
  [
    { front: true, manager: true },
    { front: true },
    { manager: true },
    ...Array.from({ length: 3 }, () => ({ agent: true })),
    ...Array.from({ length: 3 }, () => ({ room: true })),
  ],
  Array.from({ length: 4 }, () => ({ front: true, manager: true, agent: true, room: true })),
  [
    { front: true },
    { front: true },
    { manager: true },
    { manager: true },
    ...Array.from({ length: 3 }, () => ({ agent: true, room: true })),
  ],
];

/**
 * When the last thing has gone wrong, all is well again after so long at most. A process is missed after 3 s and its
 * rooms are adopted 15 s later; both sides of a leg compare every 15 s and are answered within 2 s; a placement takes
 * 8 s, a page tries for 30 s to come back.
 */
const PROMISED_MS = 40_000;
const LOOK_EVERY_MS = 1000;
/** Silence shorter than this is nobody's death, whatever the delays. */
const UNNOTICED_MS = 1500;
const ROOMS = ['1', '2', '3', '4'];
const MOST_CALLS = 16;

/** What goes wrong: how it begins, and what must go on nonetheless. */
interface Trouble {
  readonly name: string;
  /** Processes whose legs may end. */
  readonly touched: ReadonlySet<SimNode>;
  readonly lastsMs: number;
  readonly heal: () => void;
}

interface Before {
  readonly call: Call;
  readonly front: SimNode;
  readonly agent: SimNode | undefined;
}

/** Calls come and go while processes die, are cut off, closed and slowed, and the books are looked at after each. */
export class Storm {
  readonly world: SimWorld;
  readonly #books: Books;
  readonly #tickets: TicketHolders;
  readonly #system: readonly Roles[];
  readonly seen = { placed: 0, moved: 0, slowestMs: 0, events: new Map<string, number>() };

  constructor(seed: number) {
    this.world = new SimWorld(seed);
    this.#books = new Books(this.world);
    this.#tickets = new TicketHolders(this.world);
    this.#system = SYSTEMS[seed % SYSTEMS.length] as readonly Roles[];
  }

  get tickets(): { readonly good: number; readonly bad: number } {
    return this.#tickets.seen;
  }

  /** Throws what does not add up, and what happened before. */
  async run(events: number): Promise<void> {
    const { world } = this;
    for (const roles of this.#system) world.add(roles);
    await world.run(3000);
    for (let n = 0; n < events; n++) await this.#step(n);
    world.note('everybody hangs up');
    for (const call of world.calls) world.callers.hangUp(call);
    await this.#settle('the end');
    await world.run(3 * PROMISED_MS);
    const left = [...this.#books.faults(), ...world.nodes.flatMap(n => n.rooms?.names ?? [])];
    if (world.net.size > 0 && world.nodes.some(n => n.links.rooms.length > 0)) left.push('links have rooms');
    if (left.length > 0) this.#fail('after everybody had hung up', left);
  }

  async #step(n: number): Promise<void> {
    const { world } = this;
    const { random } = world;
    this.#traffic(3);
    if (random() < 0.4) this.#quietly(this.#tickets.issue(this.#room()));
    if (random() < 0.7) await world.run(2000 * random()); // else they are placed in the midst of it
    const before = this.#calls();
    const troubles: Trouble[] = [];
    const count = random() < 0.75 ? 1 : 2 + Math.floor(2 * random());
    for (let i = 0; i < count; i++) {
      const trouble = this.#trouble();
      if (trouble === undefined) continue;
      world.note(`event ${n}: ${trouble.name}`);
      const kind = trouble.name.split(' ')[0] as string;
      this.seen.events.set(kind, (this.seen.events.get(kind) ?? 0) + 1);
      troubles.push(trouble);
      if (random() < 0.5) await world.run(1000 * random());
    }
    const longestMs = Math.max(0, ...troubles.map(t => t.lastsMs));
    await world.run(longestMs / 2);
    this.#traffic(2);
    if (random() < 0.3) this.#tickets.dial();
    await world.run(longestMs / 2);
    for (const trouble of troubles) trouble.heal();
    world.note(`event ${n}: healed`);
    this.#complete();
    if (random() < 0.5) this.#traffic(1);
    await this.#settle(`event ${n}: ${troubles.map(t => t.name).join(', ')}`);
    if (troubles.length === 1) this.#survived(n, troubles[0] as Trouble, before);
    if (random() < 0.4) {
      const faults = await this.#tickets.check();
      if (faults.length > 0) this.#fail(`after event ${n}`, faults);
      await this.#settle(`tickets after event ${n}`);
    }
    for (const call of world.calls) {
      if (call.leg !== undefined) this.seen.placed++;
      this.seen.moved += call.moves;
      if (call.ended?.reason === 'internal-error') this.#fail(`event ${n}`, [`${call.name} met a bug`]);
    }
    world.calls.splice(0, world.calls.length, ...world.calls.filter(c => c.ended === undefined));
  }

  /** Whom nothing happened to goes on. */
  #survived(n: number, { name, touched }: Trouble, before: readonly Before[]): void {
    const faults: string[] = [];
    for (const { call, front, agent } of before) {
      const { ended } = call;
      if (ended === undefined || ended.blame !== 'server' || call.dropped) continue;
      const agentTouched = agent !== undefined && touched.has(agent);
      if (call.kind !== 'page' && touched.has(front)) continue;
      if (call.kind === 'push' && agentTouched) continue;
      // A phone whose agent ends politely goes to another one; who cannot be told so is ended.
      if (name.startsWith('closed') && call.kind !== 'phone' && (agentTouched || touched.has(front)))
        continue;
      faults.push(`${call.name} of ${front.name} at ${agent?.name} was lost: ${ended.reason}`);
    }
    if (faults.length > 0) this.#fail(`event ${n}: ${name}`, faults);
  }

  #calls(): Before[] {
    const { calls, nodes } = this.world;
    return calls.flatMap(call => {
      const id = call.leg?.id;
      if (call.ended !== undefined || call.busy || id === undefined) return [];
      return [{ call, front: call.front, agent: nodes.find(n => n.agentOf(id) !== undefined) }];
    });
  }

  /** Some come, some hang up, some vanish, the network of some goes away or comes back. */
  #traffic(most: number): void {
    const { world } = this;
    const { random, callers } = world;
    const live = world.calls.filter(c => c.ended === undefined);
    for (const call of live) {
      if (random() < 0.12) callers.hangUp(call);
      const id = call.leg?.id;
      const agent = id && world.nodes.map(n => n.agentOf(id)).find(a => a !== undefined);
      if (!agent) continue;
      if (random() < 0.05) {
        agent.drop(id);
        call.dropped = true;
        if (call.kind === 'page') callers.hangUp(call, HUNG_UP);
      } else if (random() < 0.1) agent.absent(id, random() < 0.5);
    }
    if (live.length >= MOST_CALLS) return;
    for (let n = Math.floor(random() * (most + 1)); n > 0; n--) {
      const front = world.pick(world.of('front'));
      if (front === undefined) return;
      if (random() < 0.5) callers.phone(front, this.#room());
      else callers.page(front, this.#room());
    }
  }

  #room(): string {
    return this.world.pick(ROOMS) as string;
  }

  #trouble(): Trouble | undefined {
    const { world } = this;
    const { random, broker, net } = world;
    const node = world.pick(world.nodes.filter(n => !n.isClosing));
    const other = world.pick(world.nodes.filter(n => n !== node));
    const agent = world.pick(world.of('agent'));
    if (node === undefined || other === undefined || agent === undefined) return undefined;
    const nothing = (): void => {};
    const none = new Set<SimNode>();
    const lastsMs = 500 + random() * 14_500;
    const what = random();
    // A system needs one of each kind to go on: the last one lives.
    const isLast = (['front', 'manager', 'agent', 'room'] as const).some(
      role => node.roles[role] && world.of(role).length < 2,
    );
    if (what < 0.28) {
      if (isLast) return undefined;
      const silent = what < 0.08;
      node.kill(silent);
      const forMs = random() < 0.5 ? 0 : random() * 6000;
      return {
        name: `kill ${node.name}${silent ? ' and its host' : ''}`,
        touched: new Set([node]),
        lastsMs: forMs,
        heal: nothing,
      };
    }
    if (what < 0.34) {
      if (isLast) return undefined;
      this.#quietly(node.close({ blame: 'server', reason: 'shutdown', text: 'This server ends.' }));
      return { name: `closed ${node.name}`, touched: new Set([node]), lastsMs: 3000, heal: nothing };
    }
    if (what < 0.54) {
      broker.cut(node.name);
      const touched = lastsMs > UNNOTICED_MS ? new Set([node]) : none;
      return {
        name: `cut ${node.name} off the bus for ${lastsMs | 0} ms`,
        touched,
        lastsMs,
        heal: () => broker.heal(node.name),
      };
    }
    if (what < 0.66) {
      const forMs = Math.min(lastsMs, 8000);
      net.cut(node.name, other.name);
      return {
        name: `net between ${node.name} and ${other.name} cut for ${forMs | 0} ms`,
        touched: none,
        lastsMs: forMs,
        heal: () => net.heal(node.name, other.name),
      };
    }
    if (what < 0.72) {
      net.break(node.name, other.name);
      return {
        name: `link of ${node.name} and ${other.name} breaks`,
        touched: none,
        lastsMs: 0,
        heal: nothing,
      };
    }
    if (what < 0.77) {
      broker.restart(what < 0.745);
      return {
        name: `restart of NATS${what < 0.745 ? ' without its store' : ''}`,
        touched: none,
        lastsMs: 0,
        heal: nothing,
      };
    }
    if (what < 0.82) {
      broker.stop();
      return {
        name: `stop of NATS for ${lastsMs | 0} ms`,
        touched: none,
        lastsMs,
        heal: () => {
          for (const n of world.nodes) broker.heal(n.name);
        },
      };
    }
    if (what < 0.9) {
      broker.delayMs = [0.2, 500];
      net.delayMs = [0.2, 500];
      return { name: `delays for ${lastsMs | 0} ms`, touched: none, lastsMs, heal: () => this.#fast() };
    }
    const id = (world.pick(agent.agents) as SimNode['agents'][0]).id;
    const kind = what < 0.95 ? 'drain' : 'out-of-service';
    const set = (on: boolean): void => {
      const from = world.pick(world.of('front'));
      if (from !== undefined)
        this.#quietly(from.bus.request(`roombridge.agent.${id}.${kind}`, { on }, { timeoutMs: 2000 }));
    };
    set(true);
    // Who cannot move is ended.
    const touched = kind === 'drain' ? none : new Set([agent]);
    return { name: `${kind} ${id} for ${lastsMs | 0} ms`, touched, lastsMs, heal: () => set(false) };
  }

  #fast(): void {
    this.world.broker.delayMs = [0.2, 2];
    this.world.net.delayMs = [0.2, 2];
  }

  /** The dead have successors. */
  #complete(): void {
    const { world } = this;
    const living = world.nodes.filter(n => !n.isClosing).map(n => n.roles);
    for (const roles of this.#system) {
      const i = living.findIndex(r => JSON.stringify(r) === JSON.stringify(roles));
      if (i < 0) world.add(roles);
      else living.splice(i, 1);
    }
  }

  /** Until the books are in order. */
  async #settle(after: string): Promise<void> {
    const { clock } = this.world;
    const since = clock.now();
    for (;;) {
      await this.world.run(LOOK_EVERY_MS);
      const faults = this.#books.faults();
      if (faults.length === 0) break;
      if (clock.now() - since >= PROMISED_MS || this.world.bugs.length > 0) this.#fail(after, faults);
    }
    this.seen.slowestMs = Math.max(this.seen.slowestMs, clock.now() - since);
  }

  #quietly(promise: Promise<unknown>): void {
    promise.catch(error => {
      if (!('why' in error)) this.world.bugs.push(error);
    });
  }

  #fail(after: string, faults: readonly string[]): never {
    const { notes, clock } = this.world;
    throw new Error(
      `${(clock.now() / 1000).toFixed(1)} s, after ${after}:\n  ${faults.join('\n  ')}\nbefore that:\n  ${notes.slice(-120).join('\n  ')}`,
    );
  }
}
