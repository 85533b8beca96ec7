import type { Ask } from './ask.ts';
import { reach, resolve, silent } from './reach.ts';
import { SipDial } from './sip-dial.ts';
import { CallMedia } from './sip-media.ts';
import { notPickedUp } from './sip-words.ts';
import { talk } from './talk.ts';
import type { SipTarget } from './target.ts';
import { openTone } from './tone.ts';
import type { Trip } from './trip.ts';
import { openUserAgent } from './user-agent.ts';

/** Until any answer at all, and until somebody picks up. */
const FIRST_WORD_MS = 10_000;
const PICK_UP_MS = 30_000;

/** One SIP call: rings, talks, listens, hangs up. What it finds goes into `trip`; rejects with the hop that failed. */
export async function callSip(target: SipTarget, ask: Ask, trip: Trip): Promise<void> {
  const { transport, port } = target;
  const [{ address, family }] = await resolve(target.host, trip);
  const path = await reach(transport, address, port, trip);
  const closers: (() => unknown)[] = [() => path.close()];
  try {
    const media = await CallMedia.open(family === 6 ? 6 : 4, address, trip);
    closers.push(() => media.close());
    const call = new SipDial(ask, trip, media, path.localAddress);
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
    const tone = await openTone(plan.send.format, ask.toneHz, plan.send.ptimeMs);
    await talk(trip, ask, tone, media.send, call.gone);
  } finally {
    for (const close of closers.reverse()) await close();
  }
}
