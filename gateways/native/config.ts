import { z } from 'zod';
import { SUITES } from '../../src/proto/artp/keys.ts';

const port = z.number().int().min(0).max(65535);

/** The `native` slice of the config. */
export const nativeConfig = z.strictObject({
  address: z.string().default('0.0.0.0').describe('Address to listen on.'),
  port: port
    .default(7100)
    .describe('UDP port of all media of native members; 0 takes any free one.')
    .meta({ listens: 'udp' }),
  tlsPort: port
    .default(7101)
    .describe('TCP port where native members say hello, TLS 1.3; 0 takes any free one.')
    .meta({ listens: 'tcp' }),
  certFile: z
    .string()
    .optional()
    .describe('Certificate (chain) for it, PEM. Default: that of the web server, or one made at each start.')
    .meta({ examples: ['/etc/roombridge/native-cert.pem'] }),
  keyFile: z
    .string()
    .optional()
    .describe('Its private key, PEM.')
    .meta({ examples: ['/etc/roombridge/native-key.pem'] }),
  path: z
    .string()
    .startsWith('/')
    .default('/artp')
    .describe('WebSocket path on the HTTP server, for members that get through nothing else.'),
  suites: z
    .array(z.enum(SUITES))
    .min(1)
    .default([...SUITES])
    .describe('Media encryption that members may choose.'),
  maxLegs: z.number().int().positive().default(1000).describe('Native members at the same time.'),
  maxConnections: z.number().int().positive().default(2000).describe('TCP connections at the same time.'),
  maxPerAddress: z.number().int().positive().default(200).describe('Of these, from one address.'),
  hellosPerSecond: z
    .number()
    .positive()
    .default(20)
    .describe('How often one address may say hello, and come back by a ticket, per second.'),
});

export type NativeConfig = z.infer<typeof nativeConfig>;
