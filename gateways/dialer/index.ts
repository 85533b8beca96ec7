import { loadCodecs } from '../../codecs/audio.ts';
import type { Clock } from '../../src/contract.ts';
import { systemClock } from '../../src/io/clock.ts';
import { Refusal, refuse, type Termination } from '../../src/kit/refusal.ts';
import { type Ask, callerOf } from './ask.ts';
import { type Report, report } from './report.ts';
import { callSip } from './sip-caller.ts';
import { readTarget } from './target.ts';
import { Trip } from './trip.ts';

/**
 * Dials, talks, listens, and tells which hop broke. `say` gets what is being done, for a progress line; aborting
 * `signal` hangs up. Rejects with a Refusal (`bad-usage`) only when `ask` makes no sense.
 */
export async function dial(
  ask: Ask,
  say: (text: string) => void,
  signal: AbortSignal,
  clock: Clock = systemClock,
): Promise<Report> {
  const target = readTarget(ask.target, callerOf(ask));
  if (target.kind === 'whip' && ask.codec !== undefined && ask.codec !== 'opus')
    throw refuse('client', 'bad-usage', `WHIP is dialled in opus, not in ${ask.codec}.`);
  // Loaded only where it is needed: werift is large, and every command comes through here.
  const whip = target.kind === 'whip' ? await import('./whip-caller.ts') : undefined;
  await loadCodecs();
  const trip = new Trip(clock, signal, say);
  let failure: Termination | undefined;
  try {
    if (target.kind === 'sip') await callSip(target, ask, trip);
    else await whip?.callWhip(target, ask, trip);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    failure = error.why;
  }
  return report(trip.facts(ask), failure);
}
