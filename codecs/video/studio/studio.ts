import { Worker } from 'node:worker_threads';
import type { Clock, VideoCodec } from '../../../src/contract.ts';
import { Refusal, refuse } from '../../../src/kit/refusal.ts';
import { dismiss } from '../farewell.ts';
import type { FromStudio, PatternOptions, PatternPicture, Seen, ToStudio } from './wire.ts';

/** Pictures asked for and not there yet: more, and the thread is too slow for what is asked. */
const MAX_UNDER_WAY = 4;
/** Coded pictures waiting to be looked at; a dialer that cannot keep up must not grow. */
const MAX_UNSEEN = 64;

/** Draws and encodes a test pattern, a picture at a time. */
export interface Easel {
  /** False: too many are under way, and this one is left out. `on` gets it when it is made. */
  next(clockMs: number, key: boolean, on: (picture: PatternPicture) => void): boolean;
  close(): void;
}

/** Decodes. */
export interface Viewer {
  /** False: too many wait, and this one is not looked at. Copies nothing: the bytes are its own from now on. */
  look(bytes: Uint8Array, pts: number, on: (seen: Seen) => void): boolean;
  close(): void;
}

type Answer = Extract<FromStudio, { type: 'drawn' | 'seen' }>;

interface Job {
  readonly waiting: ((a: Answer) => void)[];
  readonly failed: (text: string) => void;
}

/** One thread in which a dialer or the demo makes and looks at pictures: calls and sounds never wait for them. */
export class Studio {
  readonly #worker: Worker;
  readonly #jobs = new Map<number, Job>();
  #ids = 0;
  #open = true;

  /** Rejects with a Refusal when there is no FFmpeg, or its thread does not start. */
  static open(): Promise<Studio> {
    return new Promise((done, fail) => {
      const worker = new Worker(new URL('./worker.js', import.meta.url), {
        name: 'studio',
        execArgv: [], // not those of this process: `worker.js` registers what it needs
      });
      const studio = new Studio(worker);
      worker.on('message', (m: FromStudio) => {
        if (m.type === 'ready') done(studio);
        else if (m.type === 'missing') fail(new Refusal(m.why));
        else studio.#message(m);
      });
      worker.on('error', error => studio.#fell(error.message));
      worker.on('exit', () => {
        studio.#fell('its thread has ended');
        fail(refuse('server', 'video-worker-failed', 'The thread for pictures did not start.'));
      });
    });
  }

  private constructor(worker: Worker) {
    this.#worker = worker;
  }

  /** `failed` hears, at most once, why there are no more pictures. */
  easel(options: PatternOptions, failed: (text: string) => void): Easel {
    const { job, waiting } = this.#job(failed);
    this.#post({ type: 'draw', job, options });
    return {
      next: (clockMs, key, on) => {
        if (waiting.length >= MAX_UNDER_WAY || !this.#jobs.has(job)) return false;
        waiting.push(a => a.type === 'drawn' && on(a.picture));
        this.#post({ type: 'next', job, clockMs, key });
        return true;
      },
      close: () => this.#close(job),
    };
  }

  viewer(codec: VideoCodec, failed: (text: string) => void): Viewer {
    const { job, waiting } = this.#job(failed);
    this.#post({ type: 'look', job, codec });
    return {
      look: (bytes, pts, on) => {
        if (waiting.length >= MAX_UNSEEN || !this.#jobs.has(job)) return false;
        waiting.push(a => a.type === 'seen' && on(a));
        this.#post({ type: 'coded', job, bytes, pts });
        return true;
      },
      close: () => this.#close(job),
    };
  }

  /** Idempotent. */
  async close(clock: Clock): Promise<void> {
    this.#open = false;
    this.#jobs.clear();
    await dismiss(this.#worker, clock);
  }

  #job(failed: (text: string) => void): { job: number; waiting: Job['waiting'] } {
    const job = ++this.#ids;
    const waiting: Job['waiting'] = [];
    this.#jobs.set(job, { waiting, failed });
    return { job, waiting };
  }

  #close(job: number): void {
    if (this.#jobs.delete(job)) this.#post({ type: 'close', job });
  }

  #post(m: ToStudio): void {
    if (this.#open) this.#worker.postMessage(m);
  }

  #message(m: Exclude<FromStudio, { type: 'ready' | 'missing' }>): void {
    const job = this.#jobs.get(m.job);
    if (m.type !== 'failed') return job?.waiting.shift()?.(m);
    this.#jobs.delete(m.job);
    job?.failed(m.why.text ?? m.why.reason);
  }

  #fell(why: string): void {
    if (!this.#open) return;
    this.#open = false;
    const jobs = [...this.#jobs.values()];
    this.#jobs.clear();
    for (const job of jobs) job.failed(`The thread that makes pictures failed (${why}); sound goes on.`);
  }
}
