import { type NameAddr, parseNameAddr, parseVia, type Via } from './address.ts';
import { isToken, parseNumber } from './grammar.ts';
import { canonical, Headers, type SipMessage } from './message.ts';
import { parseUri } from './uri.ts';

/** Bounds on what a stranger can make us hold. */
export const MAX_HEAD_BYTES = 65_535;
export const MAX_HEADERS = 200;
const MAX_CSEQ = 2 ** 31 - 1;
const NO_BODY = Buffer.alloc(0);

/**
 * A malformed message. `status` 0: drop it (nothing to answer, or an answer would go nowhere);
 * otherwise `answer` is enough to answer it with.
 */
export interface Malformed {
  readonly ok: false;
  readonly status: number;
  readonly reason: string;
  readonly answer?: { readonly headers: Headers; readonly via: Via };
}
export type Parsed = { readonly ok: true; readonly message: SipMessage } | Malformed;

/** The method names of RFC 3261 and its kin, for telling 400 from 501 (RFC 4475 §3.1.2.17). */
const KNOWN =
  /^(?:INVITE|ACK|BYE|CANCEL|REGISTER|OPTIONS|INFO|UPDATE|PRACK|REFER|NOTIFY|SUBSCRIBE|MESSAGE|PUBLISH)$/;

/** One whole message: a datagram, or what the splitter cut from a stream. Never throws. */
export function parseMessage(bytes: Buffer): Parsed {
  let start = 0;
  while (bytes[start] === 13 || bytes[start] === 10) start++; // §7.5: CRLF before the start line is ignored
  if (start === bytes.length) return drop('keep-alive');
  const end = bytes.indexOf('\r\n\r\n', start, 'latin1');
  if (end < 0) return drop('no end of headers');
  if (end - start > MAX_HEAD_BYTES) return drop('header too large');
  const head = bytes.toString('latin1', start, end);
  const firstEnd = head.indexOf('\r\n');
  if (firstEnd < 0) return drop('no headers');
  const headers = new Headers();
  const headerTrouble = readHeaders(head, firstEnd, headers);
  return assemble(head.slice(0, firstEnd), headers, headerTrouble, bytes.subarray(end + 4));
}

/** Fills `headers`; returns what was wrong with the first bad line. Bad lines are passed over. */
function readHeaders(head: string, from: number, headers: Headers): string | undefined {
  let trouble: string | undefined;
  for (let at = from; at < head.length; ) {
    const start = at + 2;
    at = head.indexOf('\r\n', start);
    if (at < 0) at = head.length;
    let folded = false;
    // §7.3.1: a line that begins with SP or HT continues the one before.
    while (at < head.length && (head.charCodeAt(at + 2) === 32 || head.charCodeAt(at + 2) === 9)) {
      folded = true;
      at = head.indexOf('\r\n', at + 2);
      if (at < 0) at = head.length;
    }
    if (headers.names.length >= MAX_HEADERS) return 'Too many headers';
    const colon = head.indexOf(':', start);
    if (colon < 0 || colon >= at) {
      trouble ??= 'Header line without a colon';
      continue;
    }
    const written = head.slice(start, colon).trimEnd();
    const name = canonical(written);
    if (!isToken(written)) {
      trouble ??= 'Bad header name';
      continue;
    }
    const value = head.slice(colon + 1, at);
    headers.add(name, (folded ? value.replace(/\r\n[ \t]+/g, ' ') : value).trim());
  }
  return trouble;
}

function assemble(first: string, headers: Headers, headerTrouble: string | undefined, rest: Buffer): Parsed {
  const isResponse = first.startsWith('SIP/');
  const via = topVia(headers);
  if (via === undefined) return drop('no usable Via');
  const bad = (status: number, reason: string): Malformed =>
    // §8.2.7, §17: responses and ACKs are never answered.
    isResponse || first.startsWith('ACK ')
      ? drop(reason)
      : { ok: false, status, reason, answer: { headers, via } };

  const missing = missingOrRepeated(headers);
  if (missing !== undefined) return missing.answerable ? bad(400, missing.reason) : drop(missing.reason);
  const start = isResponse ? statusLine(first) : requestLine(first);
  if (typeof start === 'string') return bad(400, start);
  // §21.5.7: the SIP version used in the request is not supported.
  if (start.version !== 'SIP/2.0') return bad(505, 'Version Not Supported');
  if (headerTrouble !== undefined) return bad(400, headerTrouble);
  const body = bodyOf(headers, rest);
  if (typeof body === 'string') return bad(400, body);

  const from = parseNameAddr(headers.get('from') as string);
  if (from === undefined) return bad(400, 'Bad From');
  const to = parseNameAddr(headers.get('to') as string);
  if (to === undefined) return bad(400, 'Bad To');
  const cseq = parseCseq(headers.get('cseq') as string);
  if (cseq === undefined) return bad(400, 'Bad CSeq');
  const callId = headers.get('call-id') as string;
  if (callId === '' || /\s/.test(callId)) return bad(400, 'Bad Call-ID');
  const common = { headers, body, via, from, to, callId, cseq: cseq.number, method: cseq.method };

  if (start.kind === 'response')
    return {
      ok: true,
      message: { kind: 'response', status: start.status, reason: start.reason, ...common },
    };
  // §8.1.1.5: the CSeq method matches that of the request.
  if (cseq.method !== start.method)
    return bad(KNOWN.test(start.method) ? 400 : 501, 'CSeq method is not the request method');
  const uri = parseUri(start.uri);
  if (uri === undefined) return bad(400, 'Bad Request-URI');
  // §19.1.1 table 1: headers are not allowed in a Request-URI.
  if (uri.headers !== undefined) return bad(400, 'Headers in the Request-URI');
  const trouble = badOptional(headers);
  if (trouble !== undefined) return bad(400, trouble);
  return { ok: true, message: { kind: 'request', uri, ...common } };
}

const drop = (reason: string): Malformed => ({ ok: false, status: 0, reason });

function topVia(headers: Headers): Via | undefined {
  const line = headers.get('via');
  if (line === undefined) return undefined;
  const comma = line.indexOf(',');
  return parseVia(comma < 0 ? line : (headers.list('via')?.[0] ?? ''));
}

/** §8.1.1: the six (with Via) that every message carries; §7.3.1: those that may not be repeated. */
function missingOrRepeated(headers: Headers): { reason: string; answerable: boolean } | undefined {
  for (const name of ['call-id', 'cseq', 'from', 'to']) {
    const n = headers.count(name);
    // An answer must echo all of them; without one there is nothing the sender could match it to.
    if (n === 0) return { reason: `Missing ${name}`, answerable: name !== 'call-id' && name !== 'cseq' };
    if (n > 1) return { reason: `Repeated ${name}`, answerable: true };
  }
  return headers.count('max-forwards') > 1
    ? { reason: 'Repeated max-forwards', answerable: true }
    : undefined;
}

interface RequestLine {
  readonly kind: 'request';
  readonly method: string;
  readonly uri: string;
  readonly version: string;
}
interface StatusLine {
  readonly kind: 'response';
  readonly status: number;
  readonly reason: string;
  readonly version: string;
}

/** §7.1: method SP Request-URI SP SIP-Version, single spaces, nothing before or behind. */
function requestLine(s: string): RequestLine | string {
  const one = s.indexOf(' ');
  const two = s.indexOf(' ', one + 1);
  if (one < 1 || two < 0 || s.indexOf(' ', two + 1) >= 0) return 'Bad request line';
  const method = s.slice(0, one);
  const version = s.slice(two + 1);
  if (!isToken(method) || !/^SIP\/\d+\.\d+$/i.test(version)) return 'Bad request line';
  return { kind: 'request', method, uri: s.slice(one + 1, two), version: version.toUpperCase() };
}

/** §7.2: SIP-Version SP Status-Code SP Reason-Phrase. */
function statusLine(s: string): StatusLine | string {
  const m = /^(SIP\/\d+\.\d+) ([1-6]\d\d)(?: ([^\r\n]*))?$/.exec(s);
  if (m === null) return 'Bad status line';
  return { kind: 'response', status: Number(m[2]), reason: m[3] ?? '', version: m[1] as string };
}

/** §18.3: over UDP the body ends with the datagram; a Content-Length beyond it is an error, octets behind it are cut off. */
function bodyOf(headers: Headers, rest: Buffer): Buffer | string {
  const value = headers.get('content-length');
  if (value === undefined) return rest;
  const length = parseNumber(value, 0xffff_ffff);
  if (length === undefined) return 'Bad Content-Length';
  for (let i = 0; i < headers.names.length; i++)
    if (headers.names[i] === 'content-length' && headers.values[i] !== value)
      return 'Conflicting Content-Length';
  if (length > rest.length) return 'Content-Length beyond the message';
  // Not an empty piece of the datagram: that would keep all of it for as long as the message is remembered.
  return length === 0 ? NO_BODY : rest.subarray(0, length);
}

function parseCseq(s: string): { number: number; method: string } | undefined {
  const m = /^(\d{1,10})[ \t]+([^ \t]+)$/.exec(s);
  if (m === null || !isToken(m[2] as string)) return undefined;
  const number = Number(m[1]);
  return number <= MAX_CSEQ ? { number, method: m[2] as string } : undefined;
}

/** Headers a request may leave out, but not get wrong: a bad one would be misread further in. */
function badOptional(headers: Headers): string | undefined {
  for (let i = 0; i < headers.names.length; i++) {
    const value = headers.values[i] as string;
    switch (headers.names[i]) {
      case 'max-forwards':
        if (parseNumber(value, 255) === undefined) return 'Bad Max-Forwards';
        break;
      case 'contact':
        if (value !== '*' && !addresses(headers, 'contact')) return 'Bad Contact';
        break;
      case 'route':
      case 'record-route':
        if (!addresses(headers, headers.names[i] as string)) return `Bad ${headers.names[i]}`;
        break;
      case 'date':
        // §20.17: only GMT.
        if (!/ GMT$/.test(value)) return 'Bad Date';
        break;
      case 'expires':
        if (!/^\d+$/.test(value)) return 'Bad Expires';
    }
  }
  return undefined;
}

function addresses(headers: Headers, name: string): NameAddr[] | undefined {
  const list = headers.list(name);
  if (list === undefined) return undefined;
  const all: NameAddr[] = [];
  for (const value of list) {
    const a = parseNameAddr(value);
    if (a === undefined) return undefined;
    all.push(a);
  }
  return all;
}
