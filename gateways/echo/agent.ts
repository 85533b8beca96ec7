import type {
  Agent,
  Format,
  Host,
  Leg,
  LegEvent,
  LegRequest,
  Seat,
  StreamStats,
  Termination,
} from '../../src/contract.ts';

const OPUS: Format = { codec: 'opus', clockRate: 48000, channels: 2 };

/** An agent without a socket: its legs live in the room alone. */
export function createEchoAgent(host: Host, maxLegs: number): Agent {
  return {
    formats: ['opus'],
    capacity: maxLegs,
    start: async () => [],
    close: async () => {},
    take: async (request, seat, emit) => new EchoLeg(host, request, seat, emit),
  };
}

class EchoLeg implements Leg {
  readonly #emit: (e: LegEvent) => void;
  readonly #release: () => void;
  #packets = 0;
  #bytes = 0;
  #open = true;

  constructor(host: Host, request: LegRequest, seat: Seat, emit: (e: LegEvent) => void) {
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
    };
    host.ladder(request.leg, { at: Date.now(), dir: 'note', transport: 'echo', summary: 'echo began' });
    seat.confirmed();
    emit({ type: 'description', id: 0, native: {} });
  }

  handle(command: Parameters<Leg['handle']>[0]): void {
    if (command.type === 'close') this.#close(command.why);
    else if (command.type === 'offer') this.#emit({ type: 'description', id: command.id, native: {} });
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

  #close(why: Termination): void {
    if (!this.#open) return;
    this.#open = false;
    this.#release();
    this.#emit({ type: 'closed', why });
  }
}
