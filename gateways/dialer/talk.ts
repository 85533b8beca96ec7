import type { Clock, CodecName, MediaPacket, Sink } from '../../src/contract.ts';
import type { Ask } from './ask.ts';
import { Talker } from './talker.ts';
import type { Tone } from './tone.ts';
import type { Trip } from './trip.ts';

/** RFC 3550 §6.2: the first report of the server may take 3.1 s from its answer; two lost ones are waited for. */
const REPORT_MS = 9000;
const LOOK_MS = 250;

/** Sends tone into `out`, a packet at a time. */
export const into =
  (tone: Tone, out: Sink<MediaPacket>) =>
  (clock: Clock): (() => void) => {
    const talker = new Talker(tone, clock, out);
    return () => talker.stop();
  };

/**
 * Lets `speak` (which returns its undo) send for as long as asked; and on, within bounds, until the server has told whether it hears it.
 * Rejects when `gone` does, or when the user interrupts.
 */
export async function talk(
  trip: Trip,
  ask: Ask,
  codec: CodecName,
  speak: (clock: Clock) => () => void,
  gone: Promise<never>,
): Promise<void> {
  const { clock } = trip;
  const from = clock.now();
  trip.talkFrom = from;
  trip.codec = codec;
  const stop = speak(clock);
  let disarm = (): void => {};
  const done = new Promise<void>(resolve => {
    const look = (): void => {
      const elapsed = clock.now() - from;
      trip.milestones();
      if (elapsed >= ask.seconds * 1000 && (trip.allReported || elapsed >= REPORT_MS)) return resolve();
      const level = trip.ear?.levelDb;
      const sound = level === undefined ? '' : `, heard ${level.toFixed(0)} dBFS`;
      trip.say(`talking: ${trip.out.packets} out, ${trip.ear?.packets ?? 0} in${sound}`);
      disarm = clock.at(clock.now() + LOOK_MS, look);
    };
    look();
  });
  try {
    await Promise.race([done, gone, trip.interrupted]);
  } finally {
    stop();
    disarm();
    trip.talkTo = clock.now();
  }
}
