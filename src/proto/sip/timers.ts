import { type Millis, NEVER } from '../../kit/core.ts';

/** RFC 3261 §17.1.1.1 and Appendix A, ms. */
export const T1: Millis = 500;
export const T2: Millis = 4000;
export const T4: Millis = 5000;
/** Timers B, F, H, J, L, M, and how long a 2xx waits for its ACK. */
export const T1_64: Millis = 64 * T1;

export interface TimerOwner {
  timer(name: string, now: Millis): void;
}

/** A running timer; `index` is its place in the heap, -1 once it rang or was stopped. */
export interface Timer {
  readonly owner: TimerOwner;
  readonly name: string;
  at: Millis;
  index: number;
}

/**
 * All timers of an endpoint in one binary heap, so that a stopped one is gone at once: with thousands of calls a
 * second, timers of 32 s that nobody waits for any more would otherwise be most of the memory.
 */
export class Timers {
  readonly #heap: Timer[] = [];

  get deadline(): Millis {
    return this.#heap[0]?.at ?? NEVER;
  }
  get size(): number {
    return this.#heap.length;
  }

  start(owner: TimerOwner, name: string, at: Millis): Timer {
    const timer: Timer = { owner, name, at, index: this.#heap.length };
    this.#heap.push(timer);
    this.#up(timer);
    return timer;
  }

  /** Idempotent. */
  stop(timer: Timer | undefined): void {
    if (timer === undefined || timer.index < 0) return;
    const last = this.#heap.pop() as Timer;
    const hole = timer.index;
    timer.index = -1;
    if (last === timer) return;
    this.#heap[hole] = last;
    last.index = hole;
    this.#up(last);
    this.#down(last);
  }

  /** Rings every timer that is due, earliest first, those started meanwhile too. */
  ring(now: Millis): void {
    for (let first = this.#heap[0]; first !== undefined && first.at <= now; first = this.#heap[0]) {
      this.stop(first);
      first.owner.timer(first.name, now);
    }
  }

  #up(timer: Timer): void {
    const heap = this.#heap;
    while (timer.index > 0) {
      const parent = heap[(timer.index - 1) >> 1] as Timer;
      if (parent.at <= timer.at) return;
      this.#swap(parent, timer);
    }
  }

  #down(timer: Timer): void {
    const heap = this.#heap;
    for (;;) {
      const left = heap[timer.index * 2 + 1];
      const right = heap[timer.index * 2 + 2];
      const least = right !== undefined && left !== undefined && right.at < left.at ? right : left;
      if (least === undefined || least.at >= timer.at) return;
      this.#swap(timer, least);
    }
  }

  #swap(a: Timer, b: Timer): void {
    const i = a.index;
    a.index = b.index;
    b.index = i;
    this.#heap[a.index] = a;
    this.#heap[b.index] = b;
  }
}
