import { vi } from 'vitest';
import type { Format, Host, LegEvent, LegRequest, PlacedLeg, Termination } from '../../src/contract.ts';
import { refuse } from '../../src/kit/refusal.ts';
import { Events, FakeSeat, fakeHost } from '../../test/harness/fakes.ts';
import { NativeAgent } from './agent.ts';
import { type ConnectOptions, connect, type MemberEvent, type NativeMember } from './client/index.ts';
import { nativeConfig } from './config.ts';
import type { NativeLeg } from './leg.ts';

export const OPUS: Format = { codec: 'opus', clockRate: 48_000, channels: 2 };

/** On a busy machine a connection may take its time. */
export const eventually = <T>(check: () => T): Promise<T> =>
  vi.waitFor(check, { timeout: 10_000, interval: 10 });

/** A member and what it heard. */
export interface TestMember {
  readonly member: NativeMember;
  readonly events: MemberEvent[];
}

/** An agent on loopback, and a host that seats whoever asks. */
export class World {
  readonly host: Host & { readonly counts: string[] };
  readonly requests: LegRequest[] = [];
  readonly seats: FakeSeat[] = [];
  readonly legs: NativeLeg[] = [];
  readonly legEvents: Events[] = [];
  readonly closed: Termination[] = [];
  /** To the front of each leg: as the platform tells it. */
  readonly fronts: ((e: LegEvent) => void)[] = [];
  readonly texts: unknown[] = [];
  readonly members: NativeMember[] = [];
  agent!: NativeAgent;
  url = '';
  /** What happens when a client wants to join, before it is seated. */
  admit: (request: LegRequest, signal: AbortSignal) => Promise<void> = async () => {};

  constructor(host: Partial<Host> = {}) {
    this.host = fakeHost({
      place: (request, on, signal) => this.#place(request, on, signal),
      room: {
        mute: async (...asked) => void this.texts.push(asked),
        text: async (_room, _participant, text) => {
          if (text === 'forbidden') throw refuse('client', 'room-locked', 'The room is locked.');
          this.texts.push(text);
        },
      },
      ...host,
    });
  }

  static async open(settings: object = {}, host: Partial<Host> = {}): Promise<World> {
    const world = new World(host);
    const config = nativeConfig.parse({ address: '127.0.0.1', port: 0, tlsPort: 0, ...settings });
    world.agent = new NativeAgent(world.host, config, 'native-1');
    const [address] = await world.agent.start();
    world.url = (address?.url ?? '').replace('<room>', '1000');
    return world;
  }

  async join(o: Partial<ConnectOptions> = {}): Promise<TestMember> {
    const events: MemberEvent[] = [];
    const member = await connect({
      url: this.url,
      user: 'alice',
      insecure: true,
      webSocket: false,
      on: e => void events.push(e),
      ...o,
    });
    this.members.push(member);
    return { member, events };
  }

  async close(): Promise<void> {
    for (const member of this.members) await member.leave();
    await this.agent.close();
  }

  async #place(request: LegRequest, on: (e: LegEvent) => void, signal: AbortSignal): Promise<PlacedLeg> {
    this.requests.push(request);
    await this.admit(request, signal);
    const seat = new FakeSeat(request.room, request.who.user);
    const events = new Events();
    this.seats.push(seat);
    this.legEvents.push(events);
    this.fronts.push(on);
    const leg = await this.agent.take(request, seat, e => {
      events.emit(e);
      if (e.type === 'closed') this.closed.push(e.why);
      on(e);
    });
    this.legs.push(leg);
    return {
      id: request.leg,
      agent: 'native-1',
      participant: seat.participant,
      secret: 'resume-me',
      send: c => leg.handle(c),
    };
  }
}
