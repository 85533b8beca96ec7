/** The keys `sip.trunks` and `sip.dialOut`: lines to a PBX or a provider. */
import { z } from 'zod';
import { ipBytes } from '../../../src/kit/ip.ts';
import { compilePattern } from '../../../src/proto/sip/number-rules.ts';
import { parseUri } from '../../../src/proto/sip/uri.ts';

const CIDR = /^(.+)\/(\d{1,3})$/;
const HOST = /^(?=.{1,253}$)[A-Za-z0-9_]([A-Za-z0-9_-]{0,62})(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,62}))*$/;

function isSource(text: string): boolean {
  const [, network, bits] = CIDR.exec(text) ?? [];
  if (network === undefined) return ipBytes(text) !== undefined || HOST.test(text);
  const length = ipBytes(network)?.length;
  return length !== undefined && Number(bits) <= length * 8;
}

function isSipUri(text: string): boolean {
  const uri = parseUri(text);
  return uri !== undefined && (uri.scheme === 'sip' || uri.scheme === 'sips') && uri.headers === undefined;
}

const proxyUri = z
  .string()
  .refine(isSipUri, 'must be a SIP address such as sip:pbx.example.org or sip:192.0.2.1:5070;transport=tcp');

const password = (of: string) =>
  z
    .string()
    .min(1)
    .max(256)
    .optional()
    .describe(of)
    .meta({ secret: true, examples: ['secret'] });

const rule = z.strictObject({
  match: z
    .string()
    .min(1)
    .max(256)
    .refine(m => compilePattern(m) !== undefined, 'is no regular expression')
    .describe('Regular expression for the whole number, such as `\\+4930123(\\d{2})`.')
    .meta({ examples: ['\\+4930123(\\d{2})'] }),
  strip: z
    .number()
    .int()
    .min(0)
    .max(32)
    .optional()
    .describe('Digits to take off the front.')
    .meta({ examples: [0] }),
  prefix: z
    .string()
    .max(32)
    .optional()
    .describe('What to put before the rest.')
    .meta({ examples: [''] }),
  to: z
    .string()
    .min(1)
    .max(128)
    .optional()
    .describe('The whole result, `$1` for what the first parentheses caught; instead of strip and prefix.')
    .meta({ examples: ['10$1'] }),
});

const inbound = z.strictObject({
  sources: z
    .array(z.string().refine(isSource, 'must be an address, a network such as 192.0.2.0/24, or a host name'))
    .default([])
    .describe(
      'Where its calls come from: addresses, networks, host names. Empty, and without username: from its proxies and its registrar.',
    ),
  username: z
    .string()
    .min(1)
    .max(128)
    .optional()
    .describe('Its calls are admitted by digest with this name, wherever they come from.')
    .meta({ examples: ['pbx'] }),
  password: password('Digest password of that name.'),
  number: z
    .enum(['request', 'to', 'diversion'])
    .default('request')
    .describe('Which number the rules look at: Request-URI, To, or the newest Diversion.'),
  numbers: z
    .array(rule)
    .default([])
    .describe(
      'Number to room; the first rule that matches counts. Empty, and without room: the number is the room.',
    ),
  room: z
    .string()
    .min(1)
    .max(128)
    .optional()
    .describe('Room of calls no rule takes. Absent: they are refused with 404, if there are rules.')
    .meta({ examples: ['1000'] }),
});

const outbound = z.strictObject({
  proxies: z
    .array(
      z.strictObject({
        uri: proxyUri.describe('Its address.').meta({ examples: ['sip:pbx.example.org'] }),
        priority: z.number().int().min(0).max(65_535).default(0).describe('The lowest is tried first.'),
        weight: z
          .number()
          .int()
          .min(0)
          .max(65_535)
          .default(1)
          .describe('Share of the calls among proxies of one priority.'),
      }),
    )
    .min(1)
    .describe('Where calls go.')
    .meta({ examples: [[{ uri: 'sip:pbx.example.org' }]] }),
  username: z
    .string()
    .min(1)
    .max(128)
    .optional()
    .describe('Name for its digest challenges.')
    .meta({ examples: ['roombridge'] }),
  password: password('Digest password of that name.'),
  callerId: z
    .string()
    .max(64)
    .optional()
    .describe('Number in From. Default: username, or `roombridge`.')
    .meta({ examples: ['+4930123456'] }),
  assertedIdentity: z
    .string()
    .max(64)
    .optional()
    .describe('Number in P-Asserted-Identity (RFC 3325), where the provider asks for it.')
    .meta({ examples: ['+4930123456'] }),
  numbers: z
    .array(rule)
    .default([])
    .describe(
      'Which numbers go here, and how they are written here. Empty: every number, as E.164 where that is known.',
    ),
});

const register = z.strictObject({
  registrar: proxyUri.describe('Where to register.').meta({ examples: ['sip:pbx.example.org'] }),
  accounts: z
    .array(
      z.strictObject({
        user: z
          .string()
          .min(1)
          .max(128)
          .describe('Number or name.')
          .meta({ examples: ['100'] }),
        authUser: z
          .string()
          .min(1)
          .max(128)
          .optional()
          .describe('Name for digest, where it is another.')
          .meta({ examples: ['100'] }),
        password: password('Its password.'),
        room: z
          .string()
          .min(1)
          .max(128)
          .optional()
          .describe('Room of calls to this account. Default: what the rules of inbound say of its user.')
          .meta({ examples: ['1000'] }),
      }),
    )
    .min(1)
    .max(1000)
    .describe('What to register.')
    .meta({ examples: [[{ user: '100', password: 'secret', room: '1000' }]] }),
  expiresS: z
    .number()
    .int()
    .min(60)
    .max(86_400)
    .default(600)
    .describe('How long a registration is asked for, seconds.'),
});

const health = z.strictObject({
  everyS: z
    .number()
    .min(0)
    .max(3600)
    .default(30)
    .describe('How often each proxy is asked by OPTIONS whether it lives, seconds; 0: never.'),
  downAfter: z
    .number()
    .int()
    .min(1)
    .max(20)
    .default(2)
    .describe('Questions without answer until it counts as down.'),
});

const plan = z.strictObject({
  countryCode: z
    .string()
    .regex(/^[1-9]\d{0,2}$/)
    .optional()
    .describe('Country of numbers written without one.')
    .meta({ examples: ['49'] }),
  internationalPrefix: z
    .string()
    .regex(/^\d{0,4}$/)
    .default('00')
    .describe('What stands before a country code.'),
  nationalPrefix: z
    .string()
    .regex(/^\d{0,3}$/)
    .default('0')
    .describe('What stands before an area code.'),
});

const trunkConfig = z
  .strictObject({
    name: z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/)
      .describe('Its name, for the API and the log.')
      .meta({ examples: ['office'] }),
    domain: z
      .string()
      .regex(HOST)
      .optional()
      .describe('Host in From and To. Default: that of the registrar or of the first proxy.')
      .meta({ examples: ['pbx.example.org'] }),
    transport: z
      .enum(['udp', 'tcp', 'tls'])
      .optional()
      .describe('For proxies and registrars whose address names none. Default: as DNS says, else UDP.')
      .meta({ examples: ['udp'] }),
    tcpOver1300: z
      .boolean()
      .default(false)
      .describe('Requests of more than 1300 bytes go by TCP where that connects (RFC 3261 18.1.1).'),
    srtp: z
      .enum(['off', 'optional', 'required'])
      .optional()
      .describe(
        'Encrypted media on this trunk. Default: sip.srtp; required where every proxy is reached by TLS.',
      )
      .meta({ examples: ['optional'] }),
    numberPlan: plan
      .prefault({})
      .describe('How numbers are written here.')
      .meta({ examples: [{ countryCode: '49' }] }),
    inbound: inbound
      .optional()
      .describe('Calls from it. Absent: they are strangers’ calls.')
      .meta({
        examples: [{ sources: ['192.0.2.0/24'], numbers: [{ match: '\\+4930123(\\d{2})', to: '10$1' }] }],
      }),
    outbound: outbound
      .optional()
      .describe('Calls to it.')
      .meta({
        examples: [{ proxies: [{ uri: 'sip:pbx.example.org' }], username: 'roombridge', password: 'secret' }],
      }),
    register: register
      .optional()
      .describe('Accounts to register.')
      .meta({
        examples: [{ registrar: 'sip:pbx.example.org', accounts: [{ user: '100', password: 'secret' }] }],
      }),
    health: health
      .prefault({})
      .describe('Whether its proxies live.')
      .meta({ examples: [{ everyS: 30 }] }),
  })
  .superRefine((t, context) => {
    const both = (
      at: 'inbound' | 'outbound',
      section: { username?: string | undefined; password?: string | undefined } | undefined,
    ): void => {
      if (section === undefined || (section.username === undefined) === (section.password === undefined))
        return;
      const missing = section.username === undefined ? 'username' : 'password';
      context.addIssue({
        code: 'custom',
        path: [at, missing],
        message: 'is missing: name and password belong together',
      });
    };
    both('inbound', t.inbound);
    both('outbound', t.outbound);
    if (t.inbound === undefined && t.outbound === undefined && t.register === undefined)
      context.addIssue({
        code: 'custom',
        path: ['outbound'],
        message: 'is missing: a trunk needs inbound, outbound or register',
      });
  });

export type TrunkConfig = z.output<typeof trunkConfig>;

const dialOut = z.strictObject({
  allow: z
    .array(
      z
        .string()
        .regex(
          /^sips?:[^@\s]+@[^@\s]+$/,
          'must be an address such as sip:*@example.org, `*` for any characters',
        ),
    )
    .default([])
    .describe(
      'SIP addresses that may be called without a trunk, `*` for any characters. A host with `*` in it must not lead into private networks.',
    )
    .meta({ examples: [['sip:*@example.org']] }),
  transfers: z
    .boolean()
    .default(false)
    .describe(
      'Phones in a room may have others called into it by REFER (transfer), wherever calls out may go; whoever may call in can then use the trunks.',
    ),
  tryNextAfterS: z
    .number()
    .min(0.5)
    .max(32)
    .default(4)
    .describe('A proxy that says nothing for this long is passed over, seconds.'),
  ringS: z
    .number()
    .int()
    .min(5)
    .max(180)
    .default(60)
    .describe('How long it may ring, seconds, if the request does not say.'),
  penaltyS: z
    .number()
    .min(0)
    .max(3600)
    .default(60)
    .describe('How long an address that did not serve is tried last, seconds.'),
});

/** What the `sip` slice of the config gets from here. */
export const trunkKeys = {
  trunks: z
    .array(trunkConfig)
    .max(100)
    .default([])
    .superRefine((trunks, context) => {
      trunks.forEach((t, i) => {
        if (trunks.findIndex(other => other.name === t.name) !== i)
          context.addIssue({ code: 'custom', path: [i, 'name'], message: `repeats the trunk ${t.name}` });
      });
    })
    .describe('Lines to a PBX or a provider.'),
  dialOut: dialOut.prefault({}).describe('Calls out of rooms.'),
};
