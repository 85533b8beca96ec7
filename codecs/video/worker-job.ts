import type {
  Clock,
  Format,
  MediaPacket,
  Millis,
  Sink,
  Termination,
  VideoCodec,
} from '../../src/contract.ts';
import { Mailbox } from './mailbox.ts';
import { openOutput } from './output.ts';
import type { CodedPicture, JobSpec, ToWorker } from './wire.ts';
import { type Tenancy, VideoWorkers } from './workers.ts';

const shared = new VideoWorkers();

/** Ends the workers of this process at once, idle or not: for an orderly end. */
export const closeVideoWorkers = (): Promise<void> => shared.close();

export interface WorkerJobOptions {
  readonly onPacket: Sink<MediaPacket>;
  onFormat(f: Format): void;
  onKeyNeeded(cell: number): void;
  onFailed(why: Termination): void;
  readonly clock: Clock;
  readonly workers?: VideoWorkers;
}

/** What a transcoder and a grid have in common: mailboxes in, one output, a place in a worker. */
export class WorkerJob {
  /** Coded pictures that did not fit the receiver's packets. */
  dropped = 0;
  readonly #o: WorkerJobOptions;
  readonly #spec: () => JobSpec;
  readonly #output: (p: CodedPicture, now: Millis) => void;
  readonly #mailboxes = new Set<Mailbox>();
  /** Letters under way by id, and whose they are. */
  readonly #letters = new Map<number, Mailbox | undefined>();
  #tenancy: Tenancy | undefined;
  #ids = 0;
  #closed = false;

  /** `spec`: how to begin, asked again when the worker had to be replaced. */
  constructor(to: Format, o: WorkerJobOptions, spec: () => JobSpec) {
    this.#o = o;
    this.#spec = spec;
    this.#output = openOutput(to, {
      onPacket: o.onPacket,
      onFormat: f => o.onFormat(f),
      dropped: () => this.dropped++,
    });
  }

  /** Resolves when the worker is ready. Rejects with a Refusal. */
  async start(): Promise<void> {
    const tenancy = await (this.#o.workers ?? shared).place(
      {
        spec: this.#spec,
        done: m => {
          const mailbox = this.#letters.get(m.id);
          this.#letters.delete(m.id);
          const now = this.#o.clock.now();
          for (const picture of m.coded) if (!this.#closed) this.#output(picture, now);
          mailbox?.answered(m.broken);
        },
        moved: () => {
          this.#letters.clear();
          for (const mailbox of this.#mailboxes) mailbox.replaced();
        },
        failed: why => {
          if (this.#closed) return;
          this.close();
          this.#o.onFailed(why);
        },
      },
      this.#o.clock,
    );
    this.#tenancy = tenancy;
    if (this.#closed) tenancy.close();
  }

  mailbox(cell: number, codec: VideoCodec): Mailbox {
    const mailbox: Mailbox = new Mailbox(codec, {
      post: pictures => {
        const transfer = pictures.map(p => p.bytes.buffer);
        return this.#letter(mailbox, id => ({ type: 'pictures', id, cell, codec, pictures }), transfer);
      },
      keyNeeded: () => {
        if (!this.#closed) this.#o.onKeyNeeded(cell);
      },
    });
    this.#mailboxes.add(mailbox);
    return mailbox;
  }

  /** Its cell is empty or shows another track. */
  remove(mailbox: Mailbox): void {
    this.#mailboxes.delete(mailbox);
  }

  /** True when a picture is being composed; at most one at a time. */
  compose(pts: number): boolean {
    for (const mailbox of this.#letters.values()) if (mailbox === undefined) return false;
    return this.#letter(undefined, id => ({ type: 'compose', id, pts }), []);
  }

  tell(m: Told): void {
    const job = this.#tenancy?.job;
    if (job !== undefined) this.#tenancy?.post({ ...m, job });
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#letters.clear();
    this.#mailboxes.clear();
    this.#tenancy?.close();
  }

  #letter(from: Mailbox | undefined, make: (id: number) => Asked, transfer: ArrayBuffer[]): boolean {
    const tenancy = this.#tenancy;
    if (tenancy === undefined || this.#closed) return false;
    const id = ++this.#ids;
    if (!tenancy.post({ ...make(id), job: tenancy.job }, transfer)) return false;
    this.#letters.set(id, from);
    return true;
  }
}

type Without<T> = T extends unknown ? Omit<T, 'job'> : never;
type Asked = Without<Extract<ToWorker, { id: number }>>;
type Told = Without<Extract<ToWorker, { type: 'key' | 'bitrate' | 'cells' | 'clear' }>>;
