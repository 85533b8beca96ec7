import { BlockList, isIP } from 'node:net';
import { z } from 'zod';

/** `192.0.2.0/24`, `2001:db8::/32`, or one address. */
const network = z
  .string()
  .refine(text => networks([text]) !== undefined, 'must be an address or a network such as 192.0.2.0/24');

/** Whom the SIP side listens to, and how much: keys of the `sip` slice. */
export const guardKeys = {
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
  sources: z
    .array(network)
    .default([])
    .describe('Networks of the phones and servers of this site: never banned, and always answered.')
    .meta({ examples: [['192.0.2.0/24', '2001:db8::/32']] }),
  unknownSources: z
    .enum(['answer', 'silent'])
    .default('answer')
    .describe('silent: only sources, trunks and this host get an answer; others hear nothing.'),
  scanners: z
    .enum(['drop', 'answer'])
    .default('drop')
    .describe('Programs that look for open SIP servers are known by their User-Agent. drop: and banned.'),
  ban: z
    .strictObject({
      failuresPerMinute: z
        .number()
        .int()
        .min(0)
        .default(30)
        .describe(
          'Wrong passwords, PINs and rooms, and malformed messages, of one address in a minute; at more it is banned. 0: never.',
        ),
      forSeconds: z.number().int().positive().default(600).describe('How long it is not heard then.'),
    })
    .prefault({})
    .describe('When an address that keeps failing is no longer heard.'),
};

/** A list to ask; undefined when one of them is no network. */
export function networks(texts: readonly string[]): BlockList | undefined {
  const list = new BlockList();
  for (const text of texts) {
    const [address = '', bits, more] = text.split('/');
    const version = isIP(address);
    const most = version === 6 ? 128 : 32;
    if (version === 0 || more !== undefined || (bits !== undefined && !/^\d{1,3}$/.test(bits)))
      return undefined;
    if (Number(bits ?? 0) > most) return undefined;
    list.addSubnet(address, Number(bits ?? most), version === 6 ? 'ipv6' : 'ipv4');
  }
  return list;
}

/** `host`: a numeric address. */
export const isWithin = (list: BlockList, host: string): boolean =>
  isIP(host) !== 0 && list.check(host, isIP(host) === 6 ? 'ipv6' : 'ipv4');
