import { z } from 'zod';

/** The `rtmp` slice of the config. */
export const rtmpConfig = z.strictObject({
  address: z.string().default('0.0.0.0').describe('Address to listen on.'),
  port: z
    .number()
    .int()
    .min(0)
    .max(65535)
    .default(1935)
    .describe('TCP port; 0 takes any free one.')
    .meta({ listens: 'tcp' }),
  maxConnections: z.number().int().positive().default(2000).describe('TCP connections at the same time.'),
  maxPerAddress: z
    .number()
    .int()
    .positive()
    .default(200)
    .describe('TCP connections of one address; a member has one for its push and one for each play.'),
  maxLegs: z
    .number()
    .int()
    .positive()
    .default(1000)
    .describe('Streams published and played at the same time.'),
  handshakeTimeoutMs: z
    .number()
    .int()
    .positive()
    .default(10_000)
    .describe('A connection that has not asked to publish or play by then is closed.'),
  idleTimeoutMs: z
    .number()
    .int()
    .positive()
    .default(30_000)
    .describe('A publisher that sends nothing at all, not even an answer to a ping, for so long is gone.'),
  chunkSize: z
    .number()
    .int()
    .min(128)
    .max(65_536)
    .default(4096)
    .describe(
      'Chunk size of what is sent, bytes; larger costs less, smaller lets sound pass between pictures.',
    ),
  maxPictureBps: z
    .number()
    .int()
    .positive()
    .default(2_500_000)
    .describe('Bitrate of the picture a player of the whole room is sent at most, bits per second.'),
  bFrames: z
    .enum(['transcode', 'refuse'])
    .default('transcode')
    .describe('What becomes of a picture with B-frames, which phones and browsers cannot show.'),
});

export type RtmpConfig = z.infer<typeof rtmpConfig>;
