import type { SystemEvent } from '../../src/bus/events.ts';
import { natsBus } from '../../src/bus/nats.ts';
import type { Bus } from '../../src/bus/port.ts';
import { systemClock } from '../../src/io/clock.ts';

/** The events a system tells of, as an operator who listens at its NATS hears them. */
export class EventLog {
  readonly #bus: Bus;
  readonly #facts: SystemEvent[] = [];

  /** `port`: of NATS on loopback. Hears what happens from now on. */
  static async open(port: number): Promise<EventLog> {
    const bus = await natsBus({
      url: `nats://127.0.0.1:${port}`,
      name: 'test',
      clock: systemClock,
      onBug: error => void console.error(error),
      count: () => {},
    });
    return new EventLog(bus);
  }

  private constructor(bus: Bus) {
    this.#bus = bus;
    bus.events.consume('test', async e => void this.#facts.push(e));
  }

  /** Of the members of a room, so far: `joined kai`; or of the room itself: `created`. */
  of(room: string, whose: 'participant' | 'room' = 'participant'): string[] {
    return this.#facts
      .filter(f => f.room === room && f.type.startsWith(`${whose}.`))
      .map(f => `${f.type.slice(whose.length + 1)} ${f.participant ?? ''}`.trim());
  }

  /** As `of`; whatever came of any room until now is forgotten. */
  take(room: string): string[] {
    const facts = this.of(room);
    this.#facts.length = 0;
    return facts;
  }

  close(): Promise<void> {
    return this.#bus.close();
  }
}
