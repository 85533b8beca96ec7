import type { NameAddr, Via } from './address.ts';
import { parseNameAddr } from './address.ts';
import { bodyParts } from './body.ts';
import { split, textOf } from './grammar.ts';
import type { Uri } from './uri.ts';

/** RFC 3261 §7.3.3 and IANA: compact forms. */
const COMPACT: Readonly<Record<string, string>> = {
  a: 'accept-contact',
  b: 'referred-by',
  c: 'content-type',
  d: 'request-disposition',
  e: 'content-encoding',
  f: 'from',
  i: 'call-id',
  j: 'reject-contact',
  k: 'supported',
  l: 'content-length',
  m: 'contact',
  o: 'event',
  r: 'refer-to',
  s: 'subject',
  t: 'to',
  u: 'allow-events',
  v: 'via',
  x: 'session-expires',
  y: 'identity',
};

/** Written forms → canonical (lower-case) names: saves a toLowerCase for nearly every header on the wire. */
const CANONICAL = new Map<string, string>();
for (const [short, long] of Object.entries(COMPACT))
  CANONICAL.set(short, long).set(short.toUpperCase(), long);
for (const written of [
  ...['Via', 'From', 'To', 'Call-ID', 'CSeq', 'Contact', 'Max-Forwards', 'Content-Length', 'Content-Type'],
  ...['Route', 'Record-Route', 'Allow', 'Supported', 'Require', 'Proxy-Require', 'Accept', 'User-Agent'],
  ...['Server', 'Expires', 'Authorization', 'Proxy-Authorization', 'WWW-Authenticate', 'Proxy-Authenticate'],
  ...['Reason', 'Warning', 'Subject', 'Date', 'Content-Encoding', 'Content-Disposition', 'Allow-Events'],
  ...['Session-Expires', 'Min-SE', 'RSeq', 'RAck', 'Refer-To', 'Replaces', 'Event', 'Subscription-State'],
])
  CANONICAL.set(written, written.toLowerCase()).set(written.toLowerCase(), written.toLowerCase());

/** Lower-case long name of a header as written. */
export function canonical(written: string): string {
  const known = CANONICAL.get(written);
  if (known !== undefined) return known;
  const lower = written.toLowerCase();
  return CANONICAL.get(lower) ?? lower;
}

/** Header lines in the order they came: canonical name, raw value (unfolded, trimmed, a byte string). */
export class Headers {
  readonly names: string[] = [];
  readonly values: string[] = [];

  add(name: string, value: string): void {
    this.names.push(name);
    this.values.push(value);
  }

  /** First line of that name. */
  get(name: string): string | undefined {
    const i = this.names.indexOf(name);
    return i < 0 ? undefined : this.values[i];
  }

  count(name: string): number {
    let n = 0;
    for (const other of this.names) if (other === name) n++;
    return n;
  }

  /** Every value of a header that may be repeated or comma-separated; undefined when a quote never closes. */
  list(name: string): string[] | undefined {
    const all: string[] = [];
    for (let i = 0; i < this.names.length; i++) {
      if (this.names[i] !== name) continue;
      const parts = split(this.values[i] as string, ',');
      if (parts === undefined) return undefined;
      for (const part of parts) if (part !== '') all.push(part);
    }
    return all;
  }
}

interface Common {
  readonly headers: Headers;
  readonly body: Buffer;
  /** The topmost. */
  readonly via: Via;
  readonly from: NameAddr;
  readonly to: NameAddr;
  readonly callId: string;
  readonly cseq: number;
  /** Of the request, or of the request a response answers. */
  readonly method: string;
}

export interface SipRequest extends Common {
  readonly kind: 'request';
  readonly uri: Uri;
}

export interface SipResponse extends Common {
  readonly kind: 'response';
  readonly status: number;
  readonly reason: string;
}

export type SipMessage = SipRequest | SipResponse;

/** First Contact, or undefined when there is none (or it is `*` or malformed). */
export function contactOf(m: SipMessage): NameAddr | undefined {
  const first = m.headers.list('contact')?.[0];
  return first === undefined ? undefined : parseNameAddr(first);
}

/** Media type in lower case without parameters; '' when there is none. */
export const contentTypeOf = (headers: Headers): string =>
  (headers.get('content-type') ?? '').split(';', 1)[0]!.trim().toLowerCase();

/** The session description, if the message carries one: alone, or as a part of a multipart body (RFC 5621). */
export function sdpOf(m: SipMessage): string | undefined {
  if (m.body.length === 0) return undefined;
  if (contentTypeOf(m.headers) === 'application/sdp') return m.body.toString('utf8');
  return bodyParts(m)
    ?.find(part => part.type === 'application/sdp' && part.encoding === 'identity')
    ?.bytes.toString('utf8');
}

/** Whether a list header (Supported, Require, Allow) holds `token`, whatever its case. */
export function lists(headers: Headers, name: string, token: string): boolean {
  for (let i = 0; i < headers.names.length; i++) {
    if (headers.names[i] !== name) continue;
    for (const part of (headers.values[i] as string).split(','))
      if (part.trim().toLowerCase() === token) return true;
  }
  return false;
}

/** A header's value as real text. */
export const headerText = (m: { headers: Headers }, name: string): string | undefined => {
  const value = m.headers.get(name);
  return value === undefined ? undefined : textOf(value);
};
