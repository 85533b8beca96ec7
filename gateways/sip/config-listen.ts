import { isIP } from 'node:net';
import { z } from 'zod';

const port = z.number().int().min(0).max(65535);
const address = z.string().refine(a => isIP(a) !== 0, 'must be an IP address of this host');
const file = z.string().min(1);

/** Where the SIP side listens: keys of the `sip` slice. */
export const listenKeys = {
  address: address
    .optional()
    .describe('Address to listen on, for media too. Default: all of this host, IPv4 and IPv6.')
    .meta({ examples: ['192.0.2.10'] }),
  port: port.default(5060).describe('Port for UDP and TCP; 0 takes any free one.'),
  tcp: z.boolean().default(true).describe('Listen on TCP as well as UDP.'),
  tlsPort: port
    .optional()
    .describe('Port for TLS; 0 takes any free one. Default: the one after port.')
    .meta({ listens: 'tcp', examples: [5061] }),
  alsoListen: z
    .array(
      z.strictObject({
        address: address.describe('Another address of this host.'),
        port: port.optional().describe('Its port for UDP and TCP. Default: that of the first.'),
        tlsPort: port.optional().describe('Its port for TLS. Default: the one after its port.'),
      }),
    )
    .default([])
    .describe('More addresses to listen on. Answers leave from the address they were asked at.'),
  webSocketPath: z
    .string()
    .startsWith('/')
    .default('/sip')
    .describe('Path on the web server where SIP over WebSocket is spoken.'),
  maxConnections: z
    .number()
    .int()
    .positive()
    .default(2000)
    .describe('TCP, TLS and WebSocket connections at the same time.'),
  maxPerAddress: z.number().int().positive().default(200).describe('Of these, from one address.'),
  tls: z
    .strictObject({
      enabled: z.boolean().default(true).describe('Listen for TLS.'),
      certFile: file
        .optional()
        .describe(
          'Certificate chain in PEM; files are read again when they change. Default: that of the web server.',
        )
        .meta({ examples: ['/etc/roombridge/sip-fullchain.pem'] }),
      keyFile: file
        .optional()
        .describe('Private key of certFile in PEM.')
        .meta({ examples: ['/etc/roombridge/sip-privkey.pem'] }),
      caFile: file
        .optional()
        .describe('Authorities in PEM that are trusted beside those of the system.')
        .meta({ examples: ['/etc/roombridge/sip-ca.pem'] }),
      clientCertificates: z
        .enum(['none', 'request', 'require'])
        .default('none')
        .describe(
          'Whether those who connect show a certificate. request: one that is shown must be good; require: and one must be shown.',
        ),
      verifyServers: z
        .boolean()
        .default(true)
        .describe('Servers called over TLS must show a certificate of a trusted authority for their name.'),
      servers: z
        .array(
          z.strictObject({
            name: z.string().min(1).describe('The name a client asks for (SNI).'),
            certFile: file.describe('Certificate chain for it in PEM.'),
            keyFile: file.describe('Private key of that certificate in PEM.'),
          }),
        )
        .default([])
        .describe('Certificates for more names.'),
    })
    .prefault({})
    .superRefine((tls, context) => {
      if ((tls.certFile === undefined) === (tls.keyFile === undefined)) return;
      const path = [tls.certFile === undefined ? 'certFile' : 'keyFile'];
      context.addIssue({ code: 'custom', path, message: 'is needed too: certFile and keyFile go together' });
    })
    .describe('SIP over TLS.'),
};
