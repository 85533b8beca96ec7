import { loadCodecs } from '../../codecs/audio.ts';
import { Studio } from '../../codecs/video/studio/studio.ts';
import type { Clock } from '../../src/contract.ts';
import { systemClock } from '../../src/io/clock.ts';
import { Refusal } from '../../src/kit/refusal.ts';
import type { DemoMember, DemoPart, DemoPlace } from './demo-member.ts';
import { callAsPhone } from './demo-phone.ts';
import { publishAsMiniProgram } from './demo-publisher.ts';

export type { DemoPlace };

const AGAIN_MS = 5000;

const CAST: readonly (Pick<DemoPart, 'user' | 'part' | 'picture'> & {
  join: (o: DemoPart) => Promise<DemoMember>;
})[] = [
  {
    user: 'demo-phone',
    part: 'voice',
    picture: { width: 640, height: 360, colour: 'blue' },
    join: callAsPhone,
  },
  {
    user: 'demo-mini-program',
    part: 'chimes',
    picture: { width: 360, height: 640, colour: 'green' },
    join: publishAsMiniProgram,
  },
  {
    user: 'demo-browser',
    part: 'marimba',
    picture: { width: 640, height: 360, colour: 'magenta' },
    // Loaded only where it is needed: werift is large, and every command comes through here.
    join: async o => (await import('./demo-browser.ts')).publishAsBrowser(o),
  },
];

/**
 * Brings one real client of every protocol into a room: each speaks in its turn and shows a moving picture. `say`
 * hears who came and why somebody did not; who is lost comes again. Resolves when all are in or have said why not.
 * Returns how to end it.
 */
export async function demo(
  place: DemoPlace,
  say: (text: string) => void,
  clock: Clock = systemClock,
): Promise<() => Promise<void>> {
  const [studio] = await Promise.all([openStudio(say), loadCodecs()]);
  const ends = await Promise.all(
    CAST.map(({ join, ...o }) => {
      const told = (text: string): void => say(`${o.user}: ${text}`);
      return keepIn(() => join({ ...o, place, clock, studio, say: told }), told, clock);
    }),
  );
  return async () => {
    await Promise.all(ends.map(end => end()));
    await studio?.close(clock);
  };
}

/** Pictures are made in a thread of their own: the server in this one forwards undisturbed. */
async function openStudio(say: (text: string) => void): Promise<Studio | undefined> {
  try {
    return await Studio.open();
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    say(error.message);
    return undefined;
  }
}

/** Joins, and joins again when it was lost. Resolves after the first try with how to end it. */
async function keepIn(
  join: () => Promise<DemoMember>,
  say: (text: string) => void,
  clock: Clock,
): Promise<() => Promise<void>> {
  let member: DemoMember | undefined;
  let over = false;
  let disarm = (): void => {};
  const again = (why: string): void => {
    if (over) return;
    say(why);
    disarm = clock.at(clock.now() + AGAIN_MS, () => void attempt());
  };
  const attempt = async (): Promise<void> => {
    try {
      const joined = await join();
      if (over) return joined.close();
      member = joined;
      void joined.gone.then(async why => {
        member = undefined;
        await joined.close();
        again(why);
      });
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      again(error.message);
    }
  };
  await attempt();
  return async () => {
    over = true;
    disarm();
    await member?.close();
  };
}
