import type {
  Agent,
  Format,
  Host,
  Json,
  Leg,
  LegCommand,
  LegEvent,
  LegRequest,
  Seat,
  StreamStats,
  Termination,
} from '../../src/contract.ts';
import { type Refusal, refuse } from '../../src/kit/refusal.ts';

const OPUS: Format = { codec: 'opus', clockRate: 48000, channels: 2 };
const CLOSING: Termination = {
  blame: 'server',
  reason: 'shutting-down',
  text: 'The server is shutting down.',
};

/** An agent without a socket: its legs live in the room alone. */
export function createEchoAgent(host: Host, maxLegs: number): Agent {
  const legs = new Set<EchoLeg>();
  return {
    formats: ['opus'],
    capacity: maxLegs,
    start: async () => [],
    async take(request, seat, emit) {
      // Everything that can fail comes first: a leg that is refused leaves nothing behind.
      if (legs.size >= maxLegs)
        throw refuse('server', 'agent-full', `This agent has its ${maxLegs} echo legs (echo.maxLegs).`);
      const bad = request.begin.type === 'offer' ? unreadable(request.begin.native) : undefined;
      if (bad !== undefined) throw bad;
      const leg: EchoLeg = new EchoLeg(host, request, seat, emit, () => legs.delete(leg));
      legs.add(leg);
      return leg;
    },
    async close() {
      for (const leg of [...legs]) leg.handle({ type: 'close', why: CLOSING });
    },
  };
}

/** What a description holds is each protocol's own. There is nothing to negotiate with an echo. */
function unreadable(native: Json): Refusal | undefined {
  if (
    typeof native === 'object' &&
    native !== null &&
    !Array.isArray(native) &&
    Object.keys(native).length === 0
  )
    return undefined;
  return refuse('client', 'bad-offer', 'An echo takes an empty description, {}, and nothing else.');
}

class EchoLeg implements Leg {
  readonly #emit: (e: LegEvent) => void;
  readonly #release: () => void;
  #packets = 0;
  #bytes = 0;
  #open = true;

  constructor(host: Host, request: LegRequest, seat: Seat, emit: (e: LegEvent) => void, gone: () => void) {
    this.#emit = emit;
    const voice = seat.publish(
      { source: 'mic', format: OPUS, canKeyframe: false, syncGroup: request.leg },
      () => {},
    );
    const hearing = seat.want(
      { kind: 'mix', codec: OPUS, ptimeMs: 20 },
      (packet, now) => {
        this.#packets++;
        this.#bytes += packet.payload.length;
        packet.level ??= 127;
        voice.sink(packet, now);
      },
      () => {},
    );
    this.#release = () => {
      hearing.close();
      voice.close();
      gone();
    };
    host.ladder(request.leg, { at: Date.now(), dir: 'note', transport: 'echo', summary: 'echo began' });
    seat.confirmed();
    emit({ type: 'description', id: 0, native: {} });
  }

  handle(c: LegCommand): void {
    if (!this.#open) return;
    switch (c.type) {
      case 'offer': {
        const bad = unreadable(c.native);
        if (bad !== undefined) return this.#emit({ type: 'refused', id: c.id, why: bad.why });
        return this.#emit({ type: 'description', id: c.id, native: {} });
      }
      case 'make-offer':
        return this.#emit({ type: 'description', id: c.id, native: {} });
      case 'close':
        return this.#close(c.why);
      default: // the rest changes nothing for an echo; the room itself keeps a muted track from being heard
    }
  }

  stats(): readonly StreamStats[] {
    return [
      {
        media: 'audio',
        direction: 'out',
        codec: 'opus',
        how: 'mix',
        packets: this.#packets,
        bytes: this.#bytes,
      },
    ];
  }

  /** Once: release everything, then say so. */
  #close(why: Termination): void {
    this.#open = false;
    this.#release();
    this.#emit({ type: 'closed', why });
  }
}
