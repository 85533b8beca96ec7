import type { Termination } from '../../../src/contract.ts';
import { type Random, seededRandom } from '../../../src/kit/random.ts';
import type { RoomNews } from '../../../src/node/room-node.ts';
import { SimBroker } from './broker.ts';
import { type Call, Callers } from './callers.ts';
import { SimClock } from './clock.ts';
import { SimNet } from './links.ts';
import { type Roles, SimNode } from './node.ts';

/** So much of what happened is remembered, for whoever must find out why something is wrong. */
const NOTES = 400;

/** All processes of one system, the bus and the network between them, and their callers, under one clock. */
export class SimWorld {
  readonly clock = new SimClock();
  readonly random: Random;
  readonly broker: SimBroker;
  readonly net: SimNet;
  readonly nodes: SimNode[] = [];
  readonly calls: Call[] = [];
  readonly callers: Callers;
  readonly bugs: unknown[] = [];
  /** When each room went on in another process last. */
  readonly movedAt = new Map<string, number>();
  readonly notes: string[] = [];
  #made = 0;

  constructor(seed: number) {
    this.random = seededRandom(seed);
    this.broker = new SimBroker(this.clock, this.random);
    this.net = new SimNet(this.clock, this.random, name => this.node(name));
    this.callers = new Callers(this);
  }

  unixNow(): number {
    return 1_800_000_000_000 + this.clock.now();
  }
  pick<T>(of: readonly T[]): T | undefined {
    return of[Math.floor(this.random() * of.length)];
  }
  node(name: string): SimNode | undefined {
    return this.nodes.find(n => n.name === name);
  }
  /** Processes that live, have that role and are not about to end. */
  of(role: keyof Roles): SimNode[] {
    return this.nodes.filter(n => n.roles[role] && !n.isClosing);
  }

  add(roles: Roles): SimNode {
    const kinds = (['front', 'manager', 'agent', 'room'] as const).filter(role => roles[role]);
    const name = `${kinds.map(k => k[0]).join('')}${++this.#made}`;
    const node = new SimNode(this, name, roles);
    this.nodes.push(node);
    this.note(`${name} starts`);
    return node;
  }

  hangUp(front: SimNode, why: Termination): void {
    for (const call of this.calls) if (call.front === front) this.callers.hangUp(call, why);
  }

  gone(node: SimNode): void {
    this.nodes.splice(this.nodes.indexOf(node), 1);
    for (const call of this.calls) if (call.front === node) this.callers.frontGone(call);
  }

  roomNews(node: string, room: string, e: RoomNews): void {
    if (e.type === 'taken-over') this.movedAt.set(room, this.clock.now());
    if (e.type === 'taken-over' || e.type === 'given-up' || e.type === 'created' || e.type === 'ended')
      this.note(`${node}: room ${room} ${e.type}`);
    if (e.type === 'left') this.note(`${node}: room ${room}: ${e.participant} left (${e.why.reason})`);
  }

  note(text: string, fields: object = {}): void {
    const more = Object.keys(fields).length > 0 ? ` ${JSON.stringify(fields).slice(0, 200)}` : '';
    this.notes.push(`${(this.clock.now() / 1000).toFixed(3)} ${text}${more}`);
    if (this.notes.length > NOTES) this.notes.shift();
  }

  async run(ms: number): Promise<void> {
    await this.clock.run(ms);
  }
}
