import { z } from 'zod';
import type { Json } from '../../src/contract.ts';

/**
 * What may carry the media of a leg.
 * - `off`: plain RTP; encrypted media is neither offered nor taken.
 * - `optional`: the peer's offer decides; our own offers are plain.
 * - `preferred`: the peer's offer decides; our own offers are encrypted. For signalling over TLS, which hides the keys.
 * - `required`: encrypted or nothing.
 */
export const srtpPolicy = z.enum(['off', 'optional', 'preferred', 'required']);
export type SrtpPolicy = z.infer<typeof srtpPolicy>;

/** What front and agent of this gateway say to each other through the seam: a session description, a policy with the first. */
const SipNative = z.strictObject({
  sdp: z.string().optional(),
  srtp: srtpPolicy.optional(),
  moved: z.strictObject({ before: z.string(), held: z.boolean() }).optional(),
});

/** What a leg goes on from that takes the place of one whose agent has died. */
export interface Moved {
  /** Our newest description in the call. */
  readonly before: string;
  /** The phone holds it. */
  readonly held: boolean;
}

/** `sdp` undefined: for a leg that begins with an offer of ours. `srtp` holds for the whole leg; only `begin` is read for it. */
export const sipNative = (sdp: string | undefined, srtp?: SrtpPolicy, moved?: Moved): Json => ({
  ...(sdp !== undefined && { sdp }),
  ...(srtp !== undefined && { srtp }),
  ...(moved !== undefined && { moved: { ...moved } }),
});

/** The policy of a leg: what the config says, and whether its signalling is hidden from the network. */
export const srtpFor = (configured: Exclude<SrtpPolicy, 'preferred'>, secure: boolean): SrtpPolicy =>
  configured === 'optional' && secure ? 'preferred' : configured;

/** The description in `native`; undefined when it holds none. */
export const readSdp = (native: Json): string | undefined => SipNative.safeParse(native).data?.sdp;

/** The policy in `native`; undefined: as the agent's own config says. */
export const readSrtp = (native: Json | undefined): SrtpPolicy | undefined =>
  SipNative.safeParse(native).data?.srtp;

/** Undefined: a call that begins. */
export const readMoved = (native: Json | undefined): Moved | undefined =>
  SipNative.safeParse(native).data?.moved;
