/** RFC 3263: from a SIP URI to the addresses a request may be sent to, in the order they are to be tried. */
import { ipBytes } from '../../kit/ip.ts';
import type { Uri } from './uri.ts';
import { unbracketed } from './write.ts';

/** What a request can be sent over. */
export type Carrier = 'udp' | 'tcp' | 'tls';

export interface Target {
  readonly transport: Carrier;
  /** IP address, IPv6 without brackets. */
  readonly address: string;
  readonly port: number;
  /** The name a TLS certificate must hold (RFC 5922 §7.2): the domain that was asked for, not what SRV made of it. */
  readonly host: string;
}

export interface Question {
  readonly kind: 'naptr' | 'srv' | 'a' | 'aaaa';
  readonly name: string;
}

/** RFC 3403 §4.1, RFC 2782, and plain addresses: those of the kind that was asked for are set. */
export interface DnsRecord {
  /** Of A and AAAA. */
  readonly address?: string;
  /** Of SRV: the host; of NAPTR: the replacement. */
  readonly name?: string;
  readonly port?: number;
  readonly priority?: number;
  readonly weight?: number;
  readonly order?: number;
  readonly preference?: number;
  readonly service?: string;
  readonly flags?: string;
}

export interface LocateOptions {
  /** What we can send over, the best liked first: used where the domain has no NAPTR. */
  readonly transports: readonly Carrier[];
  readonly families: readonly (4 | 6)[];
  /** 0 ≤ x < 1. */
  readonly random: () => number;
}

/** Asks for records (yields), gets them (none: there are none), and returns the targets; none: the name leads nowhere. */
export type Locating = Generator<Question, readonly Target[], readonly DnsRecord[]>;

const MAX_TARGETS = 32;
/** Of one NAPTR or SRV answer: more would let a hostile domain make us ask for ever. */
const MAX_RECORDS = 8;
const SERVICE: Readonly<Record<Carrier, string>> = { udp: '_sip._udp', tcp: '_sip._tcp', tls: '_sips._tcp' };
/** §4.1: NAPTR services. */
const NAPTR: Readonly<Record<string, Carrier>> = { 'SIP+D2U': 'udp', 'SIP+D2T': 'tcp', 'SIPS+D2T': 'tls' };

const portOf = (transport: Carrier): number => (transport === 'tls' ? 5061 : 5060);

export function* locate(uri: Uri, o: LocateOptions): Locating {
  const host = unbracketed(uri.host);
  const secure = uri.scheme === 'sips';
  const asked = carrierOf(uri);
  if (asked !== undefined && !o.transports.includes(asked)) return [];
  // §4.1: "if no transport protocol is specified, but the TARGET is a numeric IP address [or] a port is provided, the client
  // SHOULD use UDP for a SIP URI, and TCP for a SIPS URI" (which is TLS).
  const plain = asked ?? (secure ? 'tls' : 'udp');
  if (ipBytes(host) !== undefined)
    return [{ transport: plain, address: host, port: uri.port ?? portOf(plain), host }];
  // §4.2: "If the TARGET was not a numeric IP address, but a port is present in the URI, the client performs an A or AAAA record lookup".
  if (uri.port !== undefined) return yield* addresses(host, plain, uri.port, host, o);
  const found: Target[] = [];
  if (asked !== undefined) found.push(...(yield* services(`${SERVICE[asked]}.${host}`, asked, host, o)));
  else {
    for (const { transport, name } of yield* byNaptr(host, secure, o))
      found.push(...(yield* services(name, transport, host, o)));
    // §4.1: "If no NAPTR records are found, the client constructs SRV queries for those transport protocols it supports".
    if (found.length === 0)
      for (const transport of o.transports)
        if (!secure || transport === 'tls')
          found.push(...(yield* services(`${SERVICE[transport]}.${host}`, transport, host, o)));
  }
  // §4.2: "If no SRV records were found, the client performs an A or AAAA record lookup of the domain name."
  if (found.length > 0) return found.slice(0, MAX_TARGETS);
  return yield* addresses(host, plain, portOf(plain), host, o);
}

/** §4.1: "If a URI specifies a transport protocol in the transport parameter, that transport protocol SHOULD be used." */
function carrierOf(uri: Uri): Carrier | undefined {
  const transport = uri.params.get('transport')?.toLowerCase();
  if (transport === 'tls' || (transport === 'tcp' && uri.scheme === 'sips')) return 'tls';
  return transport === 'tcp' || transport === 'udp' ? transport : undefined;
}

/** §4.1: the domain's own preference, of what both sides can do. */
function* byNaptr(
  domain: string,
  secure: boolean,
  o: LocateOptions,
): Generator<Question, { transport: Carrier; name: string }[], readonly DnsRecord[]> {
  const records = yield { kind: 'naptr', name: domain };
  return [...records]
    .sort((a, b) => (a.order ?? 0) - (b.order ?? 0) || (a.preference ?? 0) - (b.preference ?? 0))
    .flatMap(({ service, flags, name }) => {
      const transport = NAPTR[(service ?? '').toUpperCase()];
      const usable =
        transport !== undefined && o.transports.includes(transport) && (!secure || transport === 'tls');
      // "s": the next look-up is for SRV records of the replacement.
      return usable && flags?.toLowerCase() === 's' && name ? [{ transport, name }] : [];
    })
    .slice(0, MAX_RECORDS);
}

function* services(name: string, transport: Carrier, host: string, o: LocateOptions): Locating {
  const records = yield { kind: 'srv', name };
  // RFC 2782: "A Target of "." means that the service is decidedly not available at this domain."
  const usable = records.filter(r => r.name !== undefined && r.name !== '' && r.name !== '.');
  const found: Target[] = [];
  for (const r of orderSrv(usable, o.random).slice(0, MAX_RECORDS))
    found.push(...(yield* addresses(r.name as string, transport, r.port ?? portOf(transport), host, o)));
  return found;
}

function* addresses(
  name: string,
  transport: Carrier,
  port: number,
  host: string,
  o: LocateOptions,
): Locating {
  const found: Target[] = [];
  if (ipBytes(name) !== undefined) return [{ transport, address: name, port, host }];
  for (const family of o.families)
    for (const { address } of yield { kind: family === 6 ? 'aaaa' : 'a', name })
      if (address !== undefined) found.push({ transport, address, port, host });
  return found.slice(0, MAX_TARGETS);
}

/** Anything with a priority (the lowest first) and a weight (its share among equals). */
interface Weighted {
  readonly priority?: number;
  readonly weight?: number;
}

/**
 * RFC 2782: by priority; within one "arrange all SRV RRs … so that all those with weight 0 are placed at the beginning",
 * then draw one after the other by their running sum.
 */
export function orderSrv<T extends Weighted>(records: readonly T[], random: () => number): T[] {
  const ordered: T[] = [];
  const priorities = [...new Set(records.map(r => r.priority ?? 0))].sort((a, b) => a - b);
  for (const priority of priorities) {
    const left = records
      .filter(r => (r.priority ?? 0) === priority)
      .sort((a, b) => Math.sign(a.weight ?? 0) - Math.sign(b.weight ?? 0));
    while (left.length > 0) {
      const total = left.reduce((sum, r) => sum + (r.weight ?? 0), 0);
      // "choose a uniform random number between 0 and the sum computed (inclusive)".
      const drawn = Math.floor(random() * (total + 1));
      let sum = 0;
      const at = left.findIndex(r => (sum += r.weight ?? 0) >= drawn);
      ordered.push(...left.splice(Math.max(0, at), 1));
    }
  }
  return ordered;
}
