import { z } from 'zod';

export const webrtcConfig = z.strictObject({
  address: z.string().default('0.0.0.0').describe('Address the media port listens on.'),
  port: z
    .number()
    .int()
    .min(0)
    .max(65535)
    .default(8189)
    .describe('UDP port of all WebRTC media; 0 takes any free one.')
    .meta({ listens: 'udp' }),
  maxLegs: z
    .number()
    .int()
    .positive()
    .default(1000)
    .describe('Browsers sending and receiving at the same time; one that does both counts twice.'),
  maxSlots: z
    .number()
    .int()
    .min(1)
    .max(64)
    .default(16)
    .describe(
      'Members one player may hear, and see, side by side; audio and video lines beyond it are refused.',
    ),
  videoCodecs: z
    .array(z.enum(['H264', 'VP8']))
    .refine(codecs => new Set(codecs).size === codecs.length, 'Name each codec once.')
    .default(['H264', 'VP8'])
    .describe(
      'Codecs for pictures, the preferred one first; phones and mini-programs take H264 untouched. Empty: sound only.',
    ),
  maxPerAddress: z
    .number()
    .int()
    .positive()
    .default(300)
    .describe('WHIP and WHEP sessions of one address at the same time.'),
  iceServers: z
    .array(z.string().regex(/^(stun|stuns|turn|turns):[^\s<>"]+$/))
    .default([])
    .describe('STUN and TURN servers told to WHIP and WHEP clients, such as `stun:stun.example.org`.'),
});

export type WebRtcConfig = z.infer<typeof webrtcConfig>;
