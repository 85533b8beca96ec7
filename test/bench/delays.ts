/** Delays of pictures, µs. */
export class Delays {
  #us: number[] = [];

  add(us: number): void {
    this.#us.push(us);
  }

  /** ms at this share, and all begins anew. */
  take(): { readonly count: number; readonly p50Ms: number; readonly p99Ms: number; readonly maxMs: number } {
    const sorted = this.#us.sort((a, b) => a - b);
    this.#us = [];
    const at = (share: number): number =>
      (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN) / 1000;
    return { count: sorted.length, p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1) };
  }
}

export type DelaysTold = ReturnType<Delays['take']>;
