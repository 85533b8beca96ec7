import type { Clock } from '../contract.ts';
import type { Core, Tick } from '../kit/core.ts';

export interface Drive<In> {
  feed(input: In): void;
  /** Disarms the timer; later inputs are ignored. */
  stop(): void;
}

/** Runs a core: one input, full drain, re-arm the timer. Inputs raised during a drain are queued behind it. */
export function drive<In, Out>(core: Core<In, Out>, clock: Clock, act: (out: Out) => void): Drive<In> {
  const inbox: (In | Tick)[] = [];
  let busy = false;
  let stopped = false;
  /** What the timer that runs is set to; infinite: none runs. */
  let armed = Number.POSITIVE_INFINITY;
  let disarm: (() => void) | undefined;
  const ring = (): void => {
    armed = Number.POSITIVE_INFINITY;
    disarm = undefined;
    feed({ type: 'tick' });
  };
  const feed = (input: In | Tick): void => {
    if (stopped) return;
    inbox.push(input);
    if (busy) return;
    busy = true;
    try {
      for (let next: In | Tick | undefined; (next = inbox.shift()) !== undefined; ) {
        core.handle(next, clock.now());
        for (let out: Out | undefined; (out = core.poll()) !== undefined; ) act(out);
      }
    } finally {
      busy = false;
    }
    const { deadline } = core;
    if (stopped || deadline === armed) return; // most inputs change nothing about what is due next
    disarm?.();
    disarm = deadline < Number.POSITIVE_INFINITY ? clock.at(deadline, ring) : undefined;
    armed = deadline;
  };
  return {
    feed,
    stop() {
      stopped = true;
      disarm?.();
    },
  };
}
