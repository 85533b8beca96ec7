import { type Ask, callerOf } from './ask.ts';
import { reach, resolve, silent } from './reach.ts';
import { SipDial } from './sip-dial.ts';
import { CallMedia } from './sip-media.ts';
import { CallPicture } from './sip-picture.ts';
import { notPickedUp } from './sip-words.ts';
import { into, talk } from './talk.ts';
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
    const picture = await openPicture(family === 6 ? 6 : 4, address, ask, trip, voice);
    if (picture) closers.push(() => picture.close());
    const call = new SipDial(ask, trip, voice, { sound: media, picture }, path.localAddress);
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
    const tone = await voice.tone(plan.audio.send);
    picture?.begin();
    await talk(trip, ask, tone.format.codec, into(tone, media.send), call.gone);
  } finally {
    for (const close of closers.reverse()) await close();
  }
}

async function openPicture(
  family: 4 | 6,
  address: string,
  ask: Ask,
  trip: Trip,
  { cname }: Voice,
): Promise<CallPicture | undefined> {
  const { studio } = trip;
  return studio && CallPicture.open(family, address, { trip, studio, user: callerOf(ask), cname });
}
