import type { Ask } from './ask.ts';
import { reach, resolve, silent } from './reach.ts';
import { SipDial } from './sip-dial.ts';
import { CallMedia } from './sip-media.ts';
import { notPickedUp } from './sip-words.ts';
import { talk } from './talk.ts';
import type { SipTarget } from './target.ts';
import type { Trip } from './trip.ts';
import { openUserAgent } from './user-agent.ts';
import { Voice } from './voice.ts';

/** Until any answer at all, and until somebody picks up. */
const FIRST_WORD_MS = 10_000;
const PICK_UP_MS = 30_000;

/** One SIP call: rings, talks, listens, hangs up. What it finds goes into `trip`; rejects with the hop that failed. */
export async function callSip(target: SipTarget, ask: Ask, trip: Trip): Promise<void> {
  const { transport, port } = target;
  const voice = await Voice.open(ask, trip);
  trip.ear = voice.ear;
  const closers: (() => unknown)[] = [() => voice.close()];
  try {
    trip.begin();
    const [{ address, family }] = await resolve(target.host, trip);
    const path = await reach(transport, address, port, trip);
    closers.push(() => path.close());
    const media = await CallMedia.open(family === 6 ? 6 : 4, address, voice, trip);
    closers.push(() => media.close());
    const call = new SipDial(ask, trip, voice, media, path.localAddress);
    const agent = await openUserAgent({
      address: path.localAddress,
      tcp: transport === 'tcp',
      clock: trip.clock,
      message: bytes => call.message(bytes),
      bug: error => call.lose(error),
    });
    closers.push(
      () => agent.close(),
      () => call.hangUp(),
    );
    call.begin(agent.signalling, target, address);
    const firstWord = Promise.race([call.firstWord, call.gone, path.refused]);
    await trip.within(firstWord, FIRST_WORD_MS, () => silent(transport, address, port));
    const plan = await trip.within(Promise.race([call.answered, call.gone]), PICK_UP_MS, () =>
      notPickedUp(PICK_UP_MS),
    );
    await talk(trip, ask, await voice.tone(plan.send), media.send, call.gone);
  } finally {
    for (const close of closers.reverse()) await close();
  }
}
