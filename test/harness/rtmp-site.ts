import gateway from '../../gateways/rtmp/index.ts';
import type {
  Agent,
  Host,
  LadderStep,
  Leg,
  LegEvent,
  LegRequest,
  MemberInfo,
  RoomEvent,
} from '../../src/contract.ts';
import { systemClock } from '../../src/io/clock.ts';
import { FakeSeat, fakeHost } from './fakes.ts';

/** A fake seat whose room has members. */
class Seat extends FakeSeat {
  readonly #members: readonly string[];
  constructor(room: string, participant: string, members: readonly string[]) {
    super(room, participant);
    this.#members = members;
  }
  override watch(on: (e: RoomEvent) => void): () => void {
    this.watchers.add(on);
    const members = this.#members.map(
      (participant): MemberInfo => ({
        participant,
        display: participant,
        protocols: ['rtmp'],
        muted: { audio: false, video: false },
        state: 'here',
        tracks: [],
      }),
    );
    on({ type: 'roster', members });
    return () => this.watchers.delete(on);
  }
}

interface Placed {
  readonly request: LegRequest;
  readonly seat: FakeSeat;
  readonly leg: Leg;
  readonly events: LegEvent[];
}

export interface Site {
  readonly agent: Agent;
  readonly port: number;
  readonly url: string;
  readonly placed: Placed[];
  readonly counts: readonly string[];
  readonly ladder: LadderStep[];
  /** The leg that was placed next, or is there already, counted from 0. */
  leg(index: number): Promise<Placed>;
  close(): Promise<void>;
}

/** An RTMP agent on a free port whose host places every leg right here, on a fake seat that `seated` may prepare. */
export async function openSite(
  config: Record<string, unknown> = {},
  members: readonly string[] = [],
  overrides: Partial<Host> = {},
  seated: (seat: FakeSeat) => void = () => {},
): Promise<Site> {
  const placed: Placed[] = [];
  const ladder: LadderStep[] = [];
  const waiting: (() => void)[] = [];
  const host = fakeHost({
    place: async (request, on) => {
      const seat = new Seat(request.room, request.who.user, members);
      seated(seat);
      const events: LegEvent[] = [];
      const emit = (e: LegEvent): void => {
        events.push(e);
        on(e);
      };
      const leg = await agent.take(request, seat, emit);
      placed.push({ request, seat, leg, events });
      for (const check of waiting) check();
      return {
        id: request.leg,
        agent: 'rtmp-1',
        participant: seat.participant,
        secret: 's',
        send: c => leg.handle(c),
      };
    },
    ladder: (_leg, step) => void ladder.push(step),
    ...overrides,
  });
  const slice = gateway.config.parse({ address: '127.0.0.1', port: 0, ...config });
  const agent = gateway.agent?.(host, slice, 'rtmp-1') as Agent;
  const [address] = await agent.start();
  const port = Number(/:(\d+)\//.exec(address?.url ?? '')?.[1]);
  return {
    agent,
    port,
    url: `rtmp://127.0.0.1:${port}`,
    placed,
    counts: host.counts,
    ladder,
    leg: index =>
      new Promise(done => {
        const check = (): void => {
          const leg = placed[index];
          if (leg !== undefined) done(leg);
        };
        waiting.push(check);
        check();
      }),
    close: () => agent.close(),
  };
}

export const clock = systemClock;

/** Resolves when `holds` does, looking every 10 ms: for what arrives over a socket. */
export async function eventually(holds: () => boolean, what: string, timeoutMs = 15_000): Promise<void> {
  const until = Date.now() + timeoutMs;
  while (!holds()) {
    if (Date.now() > until) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await new Promise(done => setTimeout(done, 10));
  }
}
