import { z } from 'zod';
import { backendKeys } from './config-backend.ts';
import { guardKeys } from './config-guard.ts';
import { listenKeys } from './config-listen.ts';
import { trunkKeys } from './trunks/config.ts';

const port = z.number().int().min(0).max(65535);

/** The `sip` slice of the config. */
export const sipConfig = z.strictObject({
  ...backendKeys,
  ...listenKeys,
  rtpPorts: z
    .strictObject({
      min: port.default(20_000).describe('First UDP port for media.'),
      max: port.default(29_999).describe('Last UDP port for media.'),
    })
    .prefault({})
    .describe('UDP ports for media, both ends included; 0 and 0 takes any free ones.'),
  codecs: z
    .array(z.enum(['opus', 'PCMU', 'PCMA', 'G722']))
    .min(1)
    .default(['opus', 'PCMU', 'PCMA', 'G722'])
    .describe('Codecs offered to phones, the best liked first.'),
  video: z.boolean().default(true).describe('Offer and take pictures; false: sound only.'),
  videoCodecs: z
    .array(z.enum(['H264', 'VP8']))
    .min(1)
    .default(['H264', 'VP8'])
    .describe('Codecs for pictures, the best liked first; of an offer the first that it has is taken.'),
  videoBps: z
    .number()
    .int()
    .min(64_000)
    .max(50_000_000)
    .default(2_000_000)
    .describe('Bits a second of pictures, each way and at most.'),
  srtp: z
    .enum(['off', 'optional', 'required'])
    .default('optional')
    .describe(
      'Encrypted media (SDES or DTLS-SRTP): off: none; optional: as the phone offers, and offered by us where the signalling runs over TLS; required: calls without it are refused.',
    ),
  sessionExpiresS: z
    .number()
    .int()
    .min(0)
    .max(86_400)
    .default(1800)
    .refine(s => s === 0 || s >= 90, 'must be 0 or at least 90 (RFC 4028)')
    .describe(
      'How often a call is asked whether it still stands (session timer), seconds; 0: only where the phone asks for it.',
    ),
  minSeS: z
    .number()
    .int()
    .min(90)
    .max(86_400)
    .default(90)
    .describe('The shortest session timer a phone may ask for, seconds; shorter ones get 422.'),
  maxLegs: z.number().int().positive().default(1000).describe('Calls at the same time.'),
  ...guardKeys,
  ...trunkKeys,
  serverName: z.string().default('Roombridge').describe('What the Server and User-Agent headers say.'),
});

export type SipConfig = z.infer<typeof sipConfig>;
