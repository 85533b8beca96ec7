import { z } from 'zod';

const port = z.number().int().min(0).max(65535);

/** The `sip` slice of the config. */
export const sipConfig = z.strictObject({
  address: z.string().default('0.0.0.0').describe('Address to listen on.'),
  port: port.default(5060).describe('Port for UDP and TCP; 0 takes any free one.'),
  tcp: z.boolean().default(true).describe('Listen on TCP as well as UDP.'),
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
  maxLegs: z.number().int().positive().default(1000).describe('Calls at the same time.'),
  callsPerSecond: z
    .number()
    .positive()
    .default(200)
    .describe(
      'New calls (and other requests outside calls) one address may send a second; five times as many at once.',
    ),
  messagesPerSecond: z
    .number()
    .positive()
    .default(10_000)
    .describe('SIP messages one address may send a second; what is beyond is dropped unread.'),
  serverName: z.string().default('Roombridge').describe('What the Server and User-Agent headers say.'),
});

export type SipConfig = z.infer<typeof sipConfig>;
