import { z } from 'zod';

/** Who speaks SIP on the wire: keys of the `sip` slice. */
export const backendKeys = {
  backend: z
    .enum(['own', 'drachtio'])
    .default('own')
    .describe(
      'Who speaks SIP on the wire: own, the stack of this program; drachtio, a drachtio-server, whose config then has the addresses.',
    ),
  drachtio: z
    .strictObject({
      host: z.string().min(1).default('127.0.0.1').describe('Where drachtio-server takes applications.'),
      port: z
        .number()
        .int()
        .min(1)
        .max(65535)
        .default(9022)
        .describe('Its admin port.')
        .meta({ listens: 'none' }),
      secret: z
        .string()
        .optional()
        .describe('Its admin secret. Default: the one drachtio-server has before it is given another.')
        .meta({ secret: true, examples: ['a-secret'] }),
    })
    .prefault({})
    .describe('The drachtio-server, with backend: drachtio.'),
};
