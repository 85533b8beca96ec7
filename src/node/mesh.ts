import type { AgentAdvert, ProcessAdvert, RoomNodeAdvert } from '../agents/advert.ts';
import { ADVERT_EVERY_MS, ProcessTable } from '../agents/table.ts';
import type { Bus } from '../bus/port.ts';
import type { Clock, Json, Log } from '../contract.ts';
import { subjects } from './subjects.ts';

/** At the earliest. */
const LOOK_AGAIN_MS = 100;

export interface MeshOptions {
  readonly process: string;
  readonly version: string;
  readonly region: string;
  readonly fingerprint: string;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly log: Log;
  readonly agents: () => readonly AgentAdvert[];
  readonly roomNode: () => RoomNodeAdvert | undefined;
}

/** The processes of the system as this one sees them: says who it is every second, hears the others, tells of the lost. */
export class Mesh {
  readonly table = new ProcessTable();
  readonly #options: MeshOptions;
  readonly #undo: (() => void)[] = [];
  readonly #lost = new Set<(process: string) => void>();

  constructor(options: MeshOptions) {
    this.#options = options;
  }

  start(): void {
    const { bus, clock, process } = this.#options;
    this.#undo.push(
      bus.subscribe(subjects.advert, data => {
        const advert = data as unknown as ProcessAdvert;
        // A newcomer did not hear what we said before it listened: it is told at once, not within the second.
        if (advert.process !== process && this.table.note(advert, clock.now())) this.announce();
      }),
      bus.subscribe(subjects.goodbye, data => {
        const gone = (data as { process: string }).process;
        if (gone !== process && this.table.forget(gone)) this.#tell(gone);
      }),
    );
    this.#beat();
    this.#look();
  }

  /** Called with every process that died or said goodbye. */
  onLost(listener: (process: string) => void): void {
    this.#lost.add(listener);
  }

  /** Says at once what changed (an agent drains), instead of within the second. */
  announce(): void {
    const o = this.#options;
    const roomNode = o.roomNode();
    const advert: ProcessAdvert = {
      v: 1,
      process: o.process,
      version: o.version,
      region: o.region,
      fingerprint: o.fingerprint,
      agents: o.agents(),
      ...(roomNode && { roomNode }),
    };
    this.table.note(advert, o.clock.now());
    o.bus.publish(subjects.advert, advert as unknown as Json);
  }

  close(): void {
    this.#options.bus.publish(subjects.goodbye, { process: this.#options.process });
    for (const undo of this.#undo.splice(0)) undo();
  }

  #beat(): void {
    const { clock } = this.#options;
    this.announce();
    this.#undo[2] = clock.at(clock.now() + ADVERT_EVERY_MS, () => this.#beat());
  }

  /** Who falls silent is missed when that has lasted long enough, not at the next beat: calls wait for it. */
  #look(): void {
    const { clock } = this.#options;
    const now = clock.now();
    for (const process of this.table.expire(now)) this.#tell(process);
    this.#undo[3] = clock.at(Math.max(this.table.deadline, now + LOOK_AGAIN_MS), () => this.#look());
  }

  #tell(process: string): void {
    this.#options.log.warn({ process }, 'process lost: its legs and rooms are given up');
    for (const listener of this.#lost) listener(process);
  }
}
