import type { AgentAdvert, ProcessAdvert, RoomNodeAdvert } from '../agents/advert.ts';
import { ProcessTable, untilAdvertMs } from '../agents/table.ts';
import type { Bus } from '../bus/port.ts';
import type { Clock, Json, Log, Millis } from '../contract.ts';
import { subjects } from './subjects.ts';

/** At the earliest. */
const LOOK_AGAIN_MS = 100;
/** What changes in less is said together. */
const ANNOUNCE_MS = 20;
/** Its own beat comes back every second. This is less than what the others are given, so that it is noticed first. */
const DEAF_MS = 1500;

const NOBODY: ReadonlySet<string> = new Set();

export interface MeshOptions {
  readonly process: string;
  readonly version: string;
  readonly region: string;
  readonly fingerprint: string;
  readonly bus: Bus;
  readonly clock: Clock;
  /** Unix ms: what the processes agree on, so that they speak at the same moments. Absent: the time of `clock`. */
  readonly unixNow?: () => Millis;
  readonly log: Log;
  readonly agents: () => readonly AgentAdvert[];
  readonly roomNode: () => RoomNodeAdvert | undefined;
  /** Where this process serves browsers. */
  readonly web?: () => string | undefined;
  readonly relay?: () => Pick<ProcessAdvert, 'router' | 'servers'>;
  /** Processes whose links to the rooms of this one stand. */
  readonly linked?: () => ReadonlySet<string>;
}

/**
 * The processes of the system as this one sees them: says who it is every second, hears the others, tells of the lost.
 *
 * It hears itself too, by way of the bus. As long as it does not, the bus carries nothing, and the silence of the others
 * says nothing about them: nobody is given up while NATS is away, nor for a while after. Nor is a process that is silent
 * while its link with a room node stands: the node says so in its advert. It is cut off from the bus, and its media flows.
 */
export class Mesh {
  readonly table = new ProcessTable();
  readonly #options: MeshOptions;
  readonly #undo: (() => void)[] = [];
  readonly #lost = new Set<(process: string, advert: ProcessAdvert) => void>();
  readonly #found = new Set<(process: string) => void>();
  readonly #heardAgain = new Set<() => void>();
  #saidAt: Millis = Number.NEGATIVE_INFINITY;
  /** When it last heard itself; when it cannot, the others are not judged. */
  #heardAt: Millis = 0;
  #isDeaf = false;
  /** Who it last said to be silent and alive. */
  #hears: readonly string[] = [];
  /** Set while something is to be said in a moment. */
  #soon: (() => void) | undefined;
  #closed = false;

  constructor(options: MeshOptions) {
    this.#options = options;
  }

  start(): void {
    const { bus, clock } = this.#options;
    this.#heardAt = clock.now();
    this.#undo.push(
      bus.subscribe(subjects.advert, data => this.#heard(data as unknown as ProcessAdvert)),
      bus.subscribe(subjects.goodbye, data => {
        const { process } = data as { process: string };
        const advert = process === this.#options.process ? undefined : this.table.forget(process);
        if (advert !== undefined) this.#tell(advert);
      }),
    );
    this.#beat();
    this.#look();
  }

  /** Called with every process that died or said goodbye, and what it had said last. */
  onLost(listener: (process: string, advert: ProcessAdvert) => void): void {
    this.#lost.add(listener);
  }

  /** Nobody is there to answer for `process`: it is dead, though its silence has not lasted long enough yet. */
  giveUp(process: string): void {
    const advert = this.table.forget(process);
    if (advert !== undefined) this.#tell(advert);
  }

  /** Called with every process that is heard for the first time, or again. */
  onFound(listener: (process: string) => void): void {
    this.#found.add(listener);
  }

  /** Called when this process hears itself again after it was deaf: words of others are lost, or come late. */
  onHeard(listener: () => void): void {
    this.#heardAgain.add(listener);
  }

  /**
   * Says what changed (an agent drains, has a leg more), instead of within the second: now, or in a moment when something
   * was said just before. This process knows at once.
   */
  announce(): void {
    if (this.#closed) return;
    const { clock } = this.#options;
    const now = clock.now();
    if (now >= this.#saidAt + ANNOUNCE_MS) return this.#say(now);
    this.#note(now);
    this.#soon ??= clock.at(this.#saidAt + ANNOUNCE_MS, () => {
      this.#soon = undefined;
      this.#say(clock.now());
    });
  }

  close(): void {
    this.#closed = true;
    this.#soon?.();
    this.#options.bus.publish(subjects.goodbye, { process: this.#options.process });
    for (const undo of this.#undo.splice(0)) undo();
  }

  #say(now: Millis): void {
    this.#saidAt = now;
    this.#options.bus.publish(subjects.advert, this.#note(now) as unknown as Json);
  }

  #note(now: Millis): ProcessAdvert {
    const o = this.#options;
    const roomNode = o.roomNode();
    const web = o.web?.();
    this.#hears = this.table.late(now, this.#linked());
    const advert: ProcessAdvert = {
      v: 1,
      process: o.process,
      version: o.version,
      region: o.region,
      fingerprint: o.fingerprint,
      agents: o.agents(),
      ...(this.#hears.length > 0 && { hears: this.#hears }),
      ...(web !== undefined && { web }),
      ...(roomNode && { roomNode }),
      ...o.relay?.(),
    };
    this.table.note(advert, now);
    return advert;
  }

  #heard(advert: ProcessAdvert): void {
    const now = this.#options.clock.now();
    if (advert.process === this.#options.process) {
      this.#heardAt = now;
      if (!this.#isDeaf) return;
      this.#isDeaf = false;
      this.table.forgive(now);
      for (const listener of this.#heardAgain) listener();
    } else if (this.table.note(advert, now)) {
      // A newcomer did not hear what we said before it listened: it is told at once, not within the second.
      this.announce();
      for (const listener of this.#found) listener(advert.process);
    }
  }

  #beat(): void {
    const { clock, unixNow = () => clock.now() } = this.#options;
    this.#say(clock.now());
    this.#undo[2] = clock.at(clock.now() + untilAdvertMs(unixNow()), () => this.#beat());
  }

  /** Who falls silent is missed when that has lasted long enough, not at the next beat: calls wait for it. */
  #look(): void {
    const { clock } = this.#options;
    const now = clock.now();
    this.#isDeaf ||= now - this.#heardAt > DEAF_MS;
    if (!this.#isDeaf) this.#miss(now);
    const next = this.#isDeaf || this.table.cutOff > 0 ? now : this.table.deadline;
    this.#undo[3] = clock.at(Math.max(next, now + LOOK_AGAIN_MS), () => this.#look());
  }

  #miss(now: Millis): void {
    const linked = this.#linked();
    for (const advert of this.table.expire(now, linked)) this.#tell(advert);
    // The others wait for the word of whoever had a link: that it broke is said at once.
    if (this.#hears.some(process => !linked.has(process))) this.announce();
  }

  #linked(): ReadonlySet<string> {
    return this.#options.linked?.() ?? NOBODY;
  }

  #tell(advert: ProcessAdvert): void {
    const { process } = advert;
    this.#options.log.warn({ process }, 'process lost: its legs and rooms are given up');
    for (const listener of this.#lost) listener(process, advert);
  }
}
