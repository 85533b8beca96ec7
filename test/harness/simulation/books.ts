import { GATEWAYS, SESSION_KEEP_MS, type SimNode } from './node.ts';
import type { SimWorld } from './world.ts';

/** An away member leaves this much later than it should, at most: the room must hear of it first. */
const LATE_MS = 10_000;
/** A process at rest keeps so many timers, and so many more for each leg, room and way it has. */
const TIMERS = 25;
const TIMERS_EACH = 6;

/** Looks at everything every process holds, and says what does not add up. */
export class Books {
  readonly #world: SimWorld;
  /** When a member was first seen away. */
  #awaySince = new Map<string, number>();

  constructor(world: SimWorld) {
    this.#world = world;
  }

  faults(): string[] {
    return [
      ...this.#calls(),
      ...this.#agents(),
      ...this.#rooms(),
      ...this.#processes(),
      ...this.#world.bugs.map(bug => `bug: ${bug}`),
    ];
  }

  /** Every live call has one leg at one agent, one seat, and one participant in one room. */
  *#calls(): Iterable<string> {
    const { calls, nodes } = this.#world;
    const signalled = new Map<string, string>();
    for (const call of calls) {
      if (call.busy && call.ended === undefined) yield `${call.name} hangs between two states`;
      if (call.ended !== undefined || call.leg === undefined) continue;
      const { id } = call.leg;
      signalled.set(id, call.front.name);
      const carriers = nodes.filter(n => n.agentOf(id) !== undefined);
      if (carriers.length !== 1) yield `${id} of ${call.front.name} is carried by ${carriers.length} agents`;
      const seat = carriers[0]?.seats.get(id);
      if (seat === undefined) yield `${id} has no seat`;
      else if (this.#copies(call.room).length === 1) yield* this.#member(id, call.room, seat.participant);
    }
    for (const n of nodes) {
      for (const leg of [...n.legs.placed().values()].flat())
        if (signalled.get(leg) !== n.name) yield `${n.name} still signals for ${leg}`;
      if (n.legs.size !== [...n.legs.placed().values()].flat().length)
        yield `${n.name} has legs that are neither placed nor gone: ${n.legs.size}`;
    }
  }

  *#member(leg: string, room: string, participant: string): Iterable<string> {
    const members = this.#copies(room)[0]?.rooms?.members(room) ?? [];
    const mine = members.filter(m => m.tracks.some(t => t.id === `${leg}/0`));
    if (mine.length !== 1) yield `${leg} is heard as ${mine.length} members of room ${room}`;
    else if (mine[0]?.participant !== participant)
      yield `${leg} sits as ${participant}, and room ${room} knows it as ${mine[0]?.participant}`;
  }

  #copies(room: string): SimNode[] {
    return this.#world.nodes.filter(n => n.rooms?.get(room) !== undefined);
  }

  /** Every port, seat and slot is that of a live call. */
  *#agents(): Iterable<string> {
    const alive = new Set(this.#world.calls.flatMap(c => (c.ended === undefined && c.leg ? [c.leg.id] : [])));
    for (const n of this.#world.nodes) {
      const held = new Set(n.agents.flatMap(a => [...a.legs.keys()]));
      for (const leg of held) if (!alive.has(leg)) yield `${n.name} keeps ${leg}, which is nobody's`;
      for (const leg of n.seats.keys()) if (!held.has(leg)) yield `${n.name} keeps the seat of ${leg}`;
      for (const leg of held) if (!n.seats.has(leg)) yield `${n.name} gave the seat of ${leg} away`;
      if (n.desk.size !== held.size) yield `${n.name} holds ${n.desk.size} legs and has ${held.size}`;
      for (const agent of n.agents) {
        yield* agent.faults.map(fault => `${agent.id}: ${fault}`);
        if (agent.lostPorts !== 0) yield `${agent.id} has lost ${agent.lostPorts} ports`;
        const said = n.desk.adverts().find(a => a.agent === agent.id)?.legs;
        if (said !== agent.legs.size) yield `${agent.id} says ${said} legs and has ${agent.legs.size}`;
      }
    }
  }

  /** A room is where its key says, there alone, and in it are those who came and those who may come back. */
  *#rooms(): Iterable<string> {
    const { broker, nodes, clock, calls } = this.#world;
    const keys = new Map([...broker.stored('room').values()].map(v => [v as never as Key, v]));
    const named = new Map([...keys.keys()].map(({ room, node }) => [room, node]));
    const away = new Map<string, number>();
    const legs = new Set(calls.flatMap(c => (c.ended === undefined && c.leg ? [`${c.leg.id}/0`] : [])));
    const hosted = new Set<string>();
    for (const n of nodes)
      for (const room of n.rooms?.names ?? []) {
        if (hosted.has(room)) yield `room ${room} has two hosts`;
        hosted.add(room);
        if (named.get(room) !== n.name)
          yield `${n.name} hosts room ${room}, and its key names ${named.get(room)}`;
        const here = new Set<string>();
        for (const m of n.rooms?.members(room) ?? []) {
          if (m.tracks.length > 1) yield `${m.participant} of room ${room} speaks twice`;
          for (const t of m.tracks)
            if (!legs.has(t.id)) yield `${t.id} is heard in room ${room}, and is nobody's`;
          if (m.tracks.length > 0) here.add(m.participant);
          else {
            const key = `${room} ${m.participant}`;
            const since = Math.max(
              this.#awaySince.get(key) ?? clock.now(),
              this.#world.movedAt.get(room) ?? 0,
            );
            away.set(key, since);
            if (m.state === 'here')
              yield `${m.participant} of room ${room} is said to be here, and has no leg`;
            else if (clock.now() - since > SESSION_KEEP_MS + LATE_MS)
              yield `${m.participant} of room ${room} is away since ${clock.now() - since} ms`;
          }
        }
        if (here.size === 0 && away.size === 0) yield `room ${room} is empty`;
      }
    this.#awaySince = away;
    for (const [room, node] of named)
      if (!hosted.has(room)) yield `the key of room ${room} names ${node}, which does not host it`;
    for (const word of broker.stored('members').keys())
      if (!hosted.has(word.slice('members.'.length)))
        yield `the members of room ${word} are kept, and it is not there`;
  }

  /** Nothing grows. */
  *#processes(): Iterable<string> {
    const { nodes, broker, net } = this.#world;
    const names = nodes.map(n => n.name).sort();
    for (const process of broker.processes)
      if (!names.includes(process)) yield `the bus still serves ${process}, which is dead`;
    for (const n of nodes) {
      const known = [...n.mesh.table.processes()].map(p => p.process).sort();
      if (known.join() !== names.join()) yield `${n.name} knows ${known.join()} of ${names.join()}`;
      if (broker.standing(n.name) !== n.bus.standing)
        yield `the bus has ${broker.standing(n.name)} of ${n.bus.standing} things ${n.name} stands for`;
      const held = n.desk.size + n.legs.size + (n.rooms?.size ?? 0) + n.links.rooms.length + nodes.length;
      if (n.clock.armed > TIMERS + TIMERS_EACH * held)
        yield `${n.name} has ${n.clock.armed} timers for ${held}`;
      const wanted = new Set(n.agents.flatMap(a => [...a.legs.values()].map(b => b.seat.room)));
      if (n.ticker.size !== wanted.size)
        yield `${n.name} mixes ${n.ticker.size} rooms and is in ${wanted.size}`;
      for (const room of n.links.rooms)
        if (!wanted.has(room)) yield `${n.name} keeps a way to room ${room}, where nobody is`;
      if (n.bus.standing > 20 + 6 * GATEWAYS.length) yield `${n.name} stands for ${n.bus.standing} things`;
    }
    if (net.size > nodes.length * nodes.length) yield `${net.size} links stand`;
  }
}

interface Key {
  readonly room: string;
  readonly node: string;
}
