import type { Clock } from '../contract.ts';

/** The real clock: monotonic milliseconds since the process began. */
export const systemClock: Clock = {
  now: () => performance.now(),
  at(when, run) {
    const timer = setTimeout(run, Math.max(0, when - performance.now()));
    return () => clearTimeout(timer);
  },
};
