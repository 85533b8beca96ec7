import { z } from 'zod';
import type { Json } from '../../src/contract.ts';
import { refuse } from '../../src/kit/refusal.ts';

/** What front and agent of this gateway tell each other, opaque to all between. */
const begin = z.strictObject({
  sdp: z.string(),
  /** WHIP publishes into the room, WHEP plays it. */
  kind: z.enum(['whip', 'whep']),
  /** Play this member only. */
  member: z.string().optional(),
  /** Publish as a shared screen and its sound, instead of camera and microphone. */
  track: z.enum(['camera', 'screen']).optional(),
});
export type Begin = z.infer<typeof begin>;

/** A later `offer`: an ICE restart. Answered with `{ fragment }` (RFC 8840). */
const restart = z.strictObject({ restart: z.literal(true) });

export const described = z.strictObject({ sdp: z.string() });
export const restarted = z.strictObject({ fragment: z.string() });

export function readBegin(native: Json): Begin {
  const read = begin.safeParse(native);
  if (!read.success)
    throw refuse('server', 'bad-native', 'Front and agent of WebRTC are of different versions.');
  return read.data;
}

export const isRestart = (native: Json): boolean => restart.safeParse(native).success;
