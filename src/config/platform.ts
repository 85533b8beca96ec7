import { isIP } from 'node:net';
import { z } from 'zod';
import { duration } from './duration.ts';
import { ALL_ROLES, missingRoles, ROLES, roleProblem } from './roles.ts';

const port = (of: 'tcp' | 'udp') => z.int().min(0).max(65_535).meta({ listens: of });
const count = (max: number) => z.int().min(1).max(max);
const address = () =>
  z
    .string()
    .refine(a => isIP(a) !== 0, 'must be an IP address such as 192.0.2.10 or 2001:db8::10')
    .meta({ examples: ['0.0.0.0'] });

const HOST_NAME = /^(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]{0,62})(\.[A-Za-z0-9]([A-Za-z0-9-]{0,62}))*$/;

const log = z.strictObject({
  level: z
    .enum(['debug', 'info', 'warn', 'error'])
    .prefault('info')
    .describe('The least important lines to write.'),
  pretty: z
    .boolean()
    .optional()
    .describe('Lines for a person instead of JSON. Default: true on a terminal.')
    .meta({ examples: [true] }),
  ladders: count(100_000)
    .prefault(2000)
    .describe('The newest legs whose signalling steps are kept for the API; 32 MB of them at most.'),
});

const http = z
  .strictObject({
    address: address().optional().describe('Address to listen on. Default: all of this host, IPv4 and IPv6.'),
    httpsPort: port('tcp')
      .prefault(8443)
      .describe('Page, API, WHIP/WHEP and STOMP over TLS; 0: any free port.'),
    httpPort: port('tcp')
      .prefault(8080)
      .describe('The same in the clear for this host; others are sent to https. 0: any free port.'),
    certFile: z
      .string()
      .optional()
      .describe('Certificate chain in PEM. Default: a self-signed one is made and kept in dataDir.')
      .meta({ examples: ['/etc/roombridge/fullchain.pem'] }),
    keyFile: z
      .string()
      .optional()
      .describe('Private key of certFile in PEM.')
      .meta({ examples: ['/etc/roombridge/privkey.pem'] }),
  })
  .superRefine((h, context) => {
    if ((h.certFile === undefined) === (h.keyFile === undefined)) return;
    const missing = h.certFile === undefined ? 'certFile' : 'keyFile';
    const other = h.certFile === undefined ? 'keyFile' : 'certFile';
    context.addIssue({
      code: 'custom',
      path: [missing],
      message: `is missing: http.${other} is set, and a certificate needs both`,
    });
  });

const bus = z.strictObject({
  url: z
    .string()
    .regex(/^(nats|tls):\/\/[^\s/]+/, 'must be a NATS address such as nats://127.0.0.1:4222')
    .optional()
    .describe(
      'NATS server that joins several processes, or the servers of a cluster, separated by commas; with tls:// give host names. Default: none, everything in this process.',
    )
    .meta({ examples: ['nats://127.0.0.1:4222'] }),
  credentials: z
    .string()
    .optional()
    .describe('`user:password`, a token, an nkey seed, or the text of a NATS .creds file.')
    .meta({ secret: true, examples: ['user:password'] }),
  caFile: z
    .string()
    .optional()
    .describe(
      'PEM file of the authority that signed the certificate of a tls:// server. Default: the public ones.',
    )
    .meta({ examples: ['/etc/roombridge/nats-ca.pem'] }),
  replicas: z
    .int()
    .min(1)
    .max(5)
    .optional()
    .describe(
      'Servers of a NATS cluster that keep who hosts which room, and the events: fewer than half of them may die. Default: 3 in a cluster, and what was made with another number stays.',
    )
    .meta({ examples: [3] }),
});

const app = z.strictObject({
  key: z
    .string()
    .min(1)
    .max(128)
    .describe('Name of the app; its tokens carry it in the claim `app`.')
    .meta({ examples: ['my-app'] }),
  secrets: z
    .array(
      // RFC 7518 §3.2: a key of the size of the hash output or larger MUST be used with HS256.
      z
        .string()
        .refine(s => Buffer.byteLength(s) >= 32, 'must have at least 32 bytes (RFC 7518 section 3.2)'),
    )
    .min(1)
    .max(2)
    .describe('One live secret, or two while one is being replaced. `openssl rand -hex 32` makes one.')
    .meta({ secret: true, examples: [['at-least-32-bytes-of-randomness!']] }),
});

const auth = z.strictObject({
  apps: z
    .array(app)
    .max(100)
    .prefault([])
    .superRefine((apps, context) => {
      apps.forEach((a, i) => {
        if (apps.findIndex(b => b.key === a.key) !== i)
          context.addIssue({
            code: 'custom',
            path: [i, 'key'],
            message: `repeats the app ${a.key}: give it one entry`,
          });
      });
    })
    .describe('Apps whose tokens are accepted. With none, rooms are open to everyone who reaches this host.'),
  adminKey: z
    .string()
    .min(16)
    .optional()
    .describe('Bearer key of the HTTP API. Default: a random one is made and kept in dataDir.')
    .meta({ secret: true, examples: ['at-least-16-characters'] }),
});

const webhook = z.strictObject({
  url: z
    .string()
    .regex(/^https?:\/\/[^\s]+$/, 'must be an address such as https://example.org/roombridge')
    .describe('Where each event is posted as JSON; 2xx takes it, anything else is tried again for a day.')
    .meta({ examples: ['https://example.org/roombridge'] }),
  secret: z
    .string()
    .min(16)
    .describe('Signs each request: the header roombridge-signature is t=TIME,v1=HMAC-SHA256 of TIME.BODY.')
    .meta({ secret: true, examples: ['at-least-16-characters'] }),
});

const rooms = z.strictObject({
  maxRooms: count(1_000_000).prefault(1000).describe('Rooms at one time.'),
  maxParticipants: count(100_000).prefault(200).describe('Participants of one room; a room may set less.'),
  sessionKeep: duration('0s', '1h')
    .prefault('120s')
    .describe('How long a member whose connection was lost keeps the seat.'),
  banTime: duration('0s', '7d').prefault('5m').describe('How long a kicked member stays out.'),
  newRoomsPerMinute: count(1_000_000)
    .prefault(60)
    .describe('New rooms that callers from one address may make in a minute.'),
  promptLanguages: z
    .array(z.enum(['en', 'zh']))
    .min(1)
    .max(2)
    .prefault(['en', 'zh'])
    .describe('What a phone is asked for a PIN in; with two, one after the other.'),
});

const artp = z.strictObject({
  address: address().optional().describe('Address to listen on. Default: all IPv4 addresses of this host.'),
  port: port('udp')
    .prefault(7110)
    .describe('Media between processes, opened only where bus.url joins several; 0: any free port.'),
  tlsPort: port('tcp').prefault(7111).describe('Control of the same, TLS; 0: any free port.'),
});

const router = z.strictObject({
  address: address().optional().describe('Address to listen on. Default: all IPv4 addresses of this host.'),
  port: port('udp')
    .prefault(7120)
    .describe('Relays aRTP for other processes and native members, with the role router; 0: any free port.'),
});

const section = <T extends z.ZodType>(schema: T, what: string) =>
  (schema as z.ZodType<z.output<T>, Record<string, never>>).prefault({}).describe(what);

const role = z.string().superRefine((word, context) => {
  const message = roleProblem(word);
  if (message !== undefined) context.addIssue({ code: 'custom', message });
});

/** The keys of the platform; each gateway adds a section of its own. */
export const platformShape = {
  externalAddress: z
    .string()
    .refine(a => isIP(a) !== 0 || HOST_NAME.test(a), 'must be an IP address or a host name, without a port')
    .optional()
    .describe('The address others reach this host by, when it stands behind NAT.')
    .meta({ examples: ['203.0.113.7'] }),
  dataDir: z
    .string()
    .min(1)
    .optional()
    .describe(
      'Keeps the certificate and the admin key. Default: $XDG_DATA_HOME/roombridge or ~/.local/share/roombridge.',
    )
    .meta({ examples: ['/var/lib/roombridge'] }),
  roles: z
    .array(role)
    .min(1)
    .prefault([...ALL_ROLES])
    .describe(
      `What this process does: ${ROLES.join(', ')}; \`front\` is all that signals, with manager and api, \`agent\` all that carries media. Less than all needs bus.url.`,
    ),
  region: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,64}$/, 'must be a word of letters, digits, - and _')
    .prefault('default')
    .describe('Where this process stands. Calls are placed in their own region while it has room.')
    .meta({ examples: ['eu-west'] }),
  drainMs: z
    .int()
    .min(0)
    .max(600_000)
    .prefault(4000)
    .describe('Milliseconds that live legs get to end politely when the process is told to stop.'),
  log: section(log, 'What is written about itself.'),
  http: section(http, 'The web server.'),
  bus: section(bus, 'How several processes find each other.'),
  auth: section(auth, 'Who may come in.'),
  rooms: section(rooms, 'Limits of rooms.'),
  webhooks: z
    .array(webhook)
    .max(20)
    .prefault([])
    .describe(
      'Who is told of every event: rooms, participants, legs, agents. By the processes with the role api.',
    ),
  artp: section(artp, 'The transport between processes.'),
  router: section(router, 'The relay of aRTP, opened only where bus.url joins several processes.'),
};

export type Platform = z.output<z.ZodObject<typeof platformShape>>;

/** Rules that need more than one section. */
export function crossChecks(config: Platform, problem: (path: string[], message: string) => void): void {
  const missing = missingRoles(config.roles);
  if (config.bus.url === undefined && missing.length > 0)
    problem(
      ['roles'],
      `leaves work to other processes (${missing.join(', ')}), and bus.url is not set: set it to the NATS server they share`,
    );
  if (config.bus.url === undefined && config.bus.caFile !== undefined)
    problem(['bus', 'caFile'], 'says whom to trust, and bus.url is not set: set it, or leave this out');
  if (config.bus.url === undefined && config.bus.replicas !== undefined)
    problem(
      ['bus', 'replicas'],
      'is about a NATS cluster, and bus.url is not set: set it, or leave this out',
    );
}
