import { loadCodecs } from '../../codecs/audio.ts';
import { Studio } from '../../codecs/video/studio/studio.ts';
import type { Clock } from '../../src/contract.ts';
import { systemClock } from '../../src/io/clock.ts';
import { Refusal, refuse, type Termination } from '../../src/kit/refusal.ts';
import { callArtp, type NativeJoin } from './artp-caller.ts';
import { type Ask, callerOf } from './ask.ts';
import { type Report, report } from './report.ts';
import { callRtmp } from './rtmp-caller.ts';
import { callSip } from './sip-caller.ts';
import { readTarget } from './target.ts';
import { Trip } from './trip.ts';

/** The sound of what leaves no choice. */
const ONLY = { sip: undefined, whip: 'opus', rtmp: 'AAC', artp: 'opus' } as const;

/**
 * Dials, talks, listens, and tells which hop broke. `say` gets what is being done, for a progress line; aborting
 * `signal` hangs up. `native` is the client library of native members: another gateway's, so whoever puts both together
 * hands it over. Rejects with a Refusal (`bad-usage`) only when `ask` makes no sense.
 */
export async function dial(
  ask: Ask,
  say: (text: string) => void,
  signal: AbortSignal,
  clock: Clock = systemClock,
  native?: () => Promise<NativeJoin>,
): Promise<Report> {
  const target = readTarget(ask.target, callerOf(ask));
  const only = ONLY[target.kind];
  if (only !== undefined && ask.codec !== undefined && ask.codec !== only)
    throw refuse(
      'client',
      'bad-usage',
      `${target.kind.toUpperCase()} is dialled in ${only}, not in ${ask.codec}.`,
    );
  // Loaded only where it is needed: werift is large, and every command comes through here.
  const whip = target.kind === 'whip' ? await import('./whip-caller.ts') : undefined;
  await loadCodecs();
  const trip = new Trip(clock, signal, say);
  if (!ask.soundOnly) trip.studio = await openStudio(trip);
  let failure: Termination | undefined;
  try {
    if (target.kind === 'sip') await callSip(target, ask, trip);
    else if (target.kind === 'rtmp') await callRtmp(target, ask, trip);
    else if (target.kind === 'artp') await callArtp(target, ask, trip, await native?.());
    else await whip?.callWhip(target, ask, trip);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    failure = error.why;
  }
  await trip.studio?.close(clock);
  return report(trip.facts(ask), failure);
}

/** Without FFmpeg only sound is tried, and the report says so. */
async function openStudio(trip: Trip): Promise<Studio | undefined> {
  trip.say('making pictures ready');
  try {
    return await Studio.open();
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    trip.note(`sound only: ${error.message}`);
    return undefined;
  }
}
