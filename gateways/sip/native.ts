import { z } from 'zod';
import type { Json } from '../../src/contract.ts';

/** What front and agent of this gateway say to each other through the seam: a session description. */
const SipNative = z.strictObject({ sdp: z.string() });

export const sipNative = (sdp: string): Json => ({ sdp });

/** The description in `native`; undefined when it holds none. */
export const readSdp = (native: Json): string | undefined => SipNative.safeParse(native).data?.sdp;
