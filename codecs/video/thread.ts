import { Worker } from 'node:worker_threads';
import type { Clock, Millis } from '../../src/contract.ts';
import { Refusal, type Termination } from '../../src/kit/refusal.ts';
import { dismiss } from './farewell.ts';
import type { FromWorker, JobSpec, ToWorker } from './wire.ts';

/** A worker that owes an answer this long hangs. */
const HANG_MS = 3000;
/** Loading TypeScript and FFmpeg on a machine that is busy. */
const START_MS = 20_000;
/** A job during whose work two workers fell within this time is what fells them. */
const STRIKE_MS = 30_000;
/** An idle worker is kept for the next speaker: starting one takes half a second. */
const LINGER_MS = 10_000;
/** What runs there holds little in the heap of JavaScript; FFmpeg's memory is not counted. */
const RESOURCE_LIMITS = { maxOldGenerationSizeMb: 128 };

/** The main thread's end of one job: what must be known to begin it anew. */
export interface Tenant {
  /** What opens it, as things stand now. */
  spec(): JobSpec;
  /** A message with this id came back. */
  done(m: Extract<FromWorker, { type: 'done' }>): void;
  /** It was opened on another worker: decoders and encoders begin anew. */
  moved(): void;
  failed(why: Termination): void;
}

export interface Lodger {
  readonly job: number;
  readonly tenant: Tenant;
  struckAt: Millis;
}

/** `error`: what was thrown in the worker; undefined: it hung. */
const crashed = (error: Error | undefined): Termination => ({
  blame: 'server',
  reason: 'video-worker-failed',
  text:
    `The picture could not be transcoded: its worker failed twice in a row (${error?.message ?? 'it hung'}), most ` +
    'likely at a broken stream; stop and start the camera, or let both sides use the same codec (H.264). Sound is ' +
    'not concerned.',
});

/** One place for a worker: when it falls, another takes it and its jobs over. */
export class Thread {
  readonly #script: URL;
  readonly #clock: Clock;
  readonly #on: { ended(): void; replaced(): void };
  readonly #lodgers = new Map<number, Lodger>();
  readonly #starting = new Map<Lodger, { done(): void; failed(error: Refusal): void }>();
  /** Messages not answered yet, oldest first. */
  #owed: { readonly job: number; readonly id: number; readonly at: Millis }[] = [];
  #worker: Worker | undefined;
  #ready = false;
  #failedStarts = 0;
  #error: Error | undefined;
  #disarm: (() => void) | undefined;
  #ended = false;

  constructor(script: URL, clock: Clock, on: { ended(): void; replaced(): void }) {
    this.#script = script;
    this.#clock = clock;
    this.#on = on;
    this.#start();
  }

  get load(): number {
    return this.#lodgers.size;
  }

  add(lodger: Lodger): Promise<void> {
    this.#lodgers.set(lodger.job, lodger);
    this.#worker?.ref();
    if (this.#ready) {
      this.post({ type: 'open', job: lodger.job, spec: lodger.tenant.spec() }, []);
      return Promise.resolve();
    }
    this.#arm(START_MS);
    return new Promise((done, failed) => this.#starting.set(lodger, { done, failed }));
  }

  remove(lodger: Lodger): void {
    if (!this.#lodgers.delete(lodger.job)) return;
    this.post({ type: 'close', job: lodger.job }, []);
    if (this.#lodgers.size > 0) return;
    this.#worker?.unref();
    if (this.#owed.length === 0) this.#arm(LINGER_MS);
  }

  post(m: ToWorker, transfer: readonly ArrayBuffer[]): boolean {
    if (!this.#ready || this.#worker === undefined) return false;
    if ('id' in m) {
      this.#owed.push({ job: m.job, id: m.id, at: this.#clock.now() });
      if (this.#owed.length === 1) this.#arm(HANG_MS);
    }
    this.#worker.postMessage(m, transfer);
    return true;
  }

  async end(): Promise<void> {
    this.#ended = true;
    const worker = this.#worker;
    this.#worker = undefined;
    this.#ready = false;
    this.#disarm?.();
    this.#lodgers.clear();
    this.#on.ended();
    if (worker !== undefined) await dismiss(worker, this.#clock);
  }

  #start(): void {
    const worker = new Worker(this.#script, {
      name: 'video',
      execArgv: [], // not those of this process: `worker.js` registers what it needs
      resourceLimits: RESOURCE_LIMITS,
    });
    this.#worker = worker;
    this.#ready = false;
    this.#owed = [];
    this.#error = undefined;
    worker.on('message', (m: FromWorker) => {
      if (this.#worker === worker) this.#message(m);
    });
    worker.on('error', error => {
      this.#error = error; // `exit` follows
    });
    worker.on('exit', () => {
      if (this.#worker === worker) this.#fell();
    });
    if (this.#lodgers.size === 0) worker.unref();
    this.#arm(START_MS);
  }

  #message(m: FromWorker): void {
    switch (m.type) {
      case 'ready':
        return this.#started();
      case 'missing':
        return this.#giveUp(m.why);
      case 'failed':
        this.#owed = this.#owed.filter(o => o.job !== m.job);
        return this.#evict(this.#lodgers.get(m.job), m.why);
      case 'done':
        this.#owed = this.#owed.filter(o => o.id !== m.id || o.job !== m.job);
        this.#lodgers.get(m.job)?.tenant.done(m);
        if (this.#owed.length === 0 && this.#lodgers.size === 0) this.#arm(LINGER_MS);
    }
  }

  #started(): void {
    this.#ready = true;
    this.#failedStarts = 0;
    this.#disarm?.();
    this.#disarm = undefined;
    for (const lodger of [...this.#lodgers.values()]) {
      this.post({ type: 'open', job: lodger.job, spec: lodger.tenant.spec() }, []);
      const waiting = this.#starting.get(lodger);
      this.#starting.delete(lodger);
      if (waiting === undefined) lodger.tenant.moved();
      else waiting.done();
    }
    if (this.#lodgers.size === 0) this.#arm(LINGER_MS);
  }

  /** One timer: for the start, the oldest answer owed, or the end of idling. */
  #arm(ms: number): void {
    this.#disarm?.();
    if (this.#ended) return;
    this.#disarm = this.#clock.at(this.#clock.now() + ms, () => this.#due());
  }

  #due(): void {
    this.#disarm = undefined;
    const [oldest] = this.#owed;
    if (this.#ready && oldest !== undefined) {
      const leftMs = oldest.at + HANG_MS - this.#clock.now();
      return leftMs > 0 ? this.#arm(leftMs) : this.#fell();
    }
    if (!this.#ready) return this.#fell();
    if (this.#lodgers.size === 0) void this.end();
  }

  /** It crashed or hangs: another one takes over. */
  #fell(): void {
    const fallen = this.#worker;
    const wasReady = this.#ready;
    this.#worker = undefined;
    this.#ready = false;
    if (fallen !== undefined) void dismiss(fallen, this.#clock);
    const culprit = this.#lodgers.get(this.#owed[0]?.job ?? -1);
    if (culprit !== undefined) this.#strike(culprit);
    if (!wasReady && ++this.#failedStarts >= 2) return this.#giveUp(crashed(this.#error));
    if (this.#lodgers.size === 0) return void this.end();
    this.#on.replaced();
    this.#start();
  }

  #strike(lodger: Lodger): void {
    const now = this.#clock.now();
    const twice = now - lodger.struckAt < STRIKE_MS;
    lodger.struckAt = now;
    if (twice) this.#evict(lodger, crashed(this.#error));
  }

  #evict(lodger: Lodger | undefined, why: Termination): void {
    if (lodger === undefined) return;
    this.#lodgers.delete(lodger.job);
    lodger.tenant.failed(why);
  }

  #giveUp(why: Termination): void {
    for (const lodger of [...this.#lodgers.values()]) {
      const waiting = this.#starting.get(lodger);
      this.#starting.delete(lodger);
      this.#lodgers.delete(lodger.job);
      if (waiting === undefined) lodger.tenant.failed(why);
      else waiting.failed(new Refusal(why));
    }
    void this.end();
  }
}
