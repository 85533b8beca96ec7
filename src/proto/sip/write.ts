import type { Via } from './address.ts';
import { bytesOf } from './grammar.ts';
import type { Headers } from './message.ts';

/** Name as it goes on the wire, value as text or byte string: it is put on one line. */
export type HeaderLine = readonly [name: string, value: string];

export interface Body {
  readonly type: string;
  readonly content: string | Buffer;
}

export const sdpBody = (sdp: string | undefined | null): Body | undefined =>
  sdp === undefined || sdp === null ? undefined : { type: 'application/sdp', content: sdp };

export interface OutgoingRequest {
  readonly method: string;
  readonly uri: string;
  readonly via: string;
  readonly from: string;
  readonly to: string;
  readonly callId: string;
  readonly cseq: number;
  readonly routes: readonly string[];
  readonly headers: readonly HeaderLine[];
  readonly body?: Body | undefined;
}

/** Everything a client sends. Max-Forwards is 70 (RFC 3261 §8.1.1.6). */
export function writeRequest(r: OutgoingRequest): Buffer {
  let head = `${r.method} ${r.uri} SIP/2.0\r\nVia: ${r.via}\r\nMax-Forwards: 70\r\n`;
  for (const route of r.routes) head += `Route: ${route}\r\n`;
  head += `From: ${r.from}\r\nTo: ${r.to}\r\nCall-ID: ${r.callId}\r\nCSeq: ${r.cseq} ${r.method}\r\n`;
  return finish(head, r.headers, r.body);
}

export interface ResponseParts {
  readonly reason?: string | undefined;
  /** Added to a To that has none. */
  readonly toTag?: string | undefined;
  /** The topmost Via as `markVia` left it. */
  readonly topVia: string;
  /** True where the response may make a dialog: Record-Route is echoed (RFC 3261 §12.1.1). */
  readonly dialog?: boolean;
  readonly headers?: readonly HeaderLine[] | undefined;
  readonly body?: Body | undefined;
}

/** RFC 3261 §8.2.6: Via, From, To, Call-ID and CSeq go back as they came. Needs no more of the request than these. */
export function writeResponse(
  request: { readonly headers: Headers },
  status: number,
  p: ResponseParts,
): Buffer {
  const h = request.headers;
  let head = `SIP/2.0 ${status} ${bytesOf(p.reason ?? reasonPhrase(status))}\r\nVia: ${p.topVia}\r\n`;
  const vias = h.list('via') ?? [];
  for (let i = 1; i < vias.length; i++) head += `Via: ${vias[i]}\r\n`;
  if (p.dialog === true)
    for (const route of h.list('record-route') ?? []) head += `Record-Route: ${route}\r\n`;
  const from = h.get('from');
  if (from !== undefined) head += `From: ${from}\r\n`;
  const to = h.get('to');
  if (to !== undefined)
    head += p.toTag === undefined || hasTag(to) ? `To: ${to}\r\n` : `To: ${to};tag=${p.toTag}\r\n`;
  head += `Call-ID: ${h.get('call-id')}\r\nCSeq: ${h.get('cseq')}\r\n`;
  return finish(head, p.headers ?? [], p.body);
}

/** Good enough for a To that may be malformed: after the address, a tag parameter. */
const hasTag = (to: string): boolean => /;\s*tag\s*=/i.test(to.slice(to.lastIndexOf('>') + 1));

function finish(head: string, headers: readonly HeaderLine[], body: Body | undefined): Buffer {
  for (const [name, value] of headers) head += `${name}: ${isBytes(value) ? value : bytesOf(value)}\r\n`;
  if (body === undefined) return Buffer.from(`${head}Content-Length: 0\r\n\r\n`, 'latin1');
  const content = typeof body.content === 'string' ? Buffer.from(body.content, 'utf8') : body.content;
  head += `Content-Type: ${body.type}\r\nContent-Length: ${content.length}\r\n\r\n`;
  const out = Buffer.allocUnsafe(head.length + content.length);
  out.write(head, 0, 'latin1');
  out.set(content, head.length);
  return out;
}

const isBytes = (s: string): boolean => /^[\x20-\x7e\t]*$/.test(s);

/**
 * RFC 3261 §18.2.1 and RFC 3581 §4: says in the Via where the request really came from, so that the response finds back.
 * A `received` or filled `rport` that came with the request is not believed.
 */
export function markVia(via: Via, host: string, port: number): string {
  const asksRport = via.params.has('rport');
  if (!asksRport && !via.params.has('received') && via.host === bracketed(host)) return via.raw;
  const bare = via.raw.replace(/;\s*(?:received|rport)\s*(?:=\s*[^;]*)?(?=;|$)/gi, '');
  return `${bare};received=${host}${asksRport ? `;rport=${port}` : ''}`;
}

/** Host as it stands in URIs and Via: IPv6 in brackets. */
export const bracketed = (host: string): string =>
  host.includes(':') && host[0] !== '[' ? `[${host}]` : host;
export const unbracketed = (host: string): string => (host[0] === '[' ? host.slice(1, -1) : host);

const REASONS: Readonly<Record<number, string>> = {
  100: 'Trying',
  180: 'Ringing',
  181: 'Call Is Being Forwarded',
  182: 'Queued',
  183: 'Session Progress',
  200: 'OK',
  202: 'Accepted',
  301: 'Moved Permanently',
  302: 'Moved Temporarily',
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  406: 'Not Acceptable',
  407: 'Proxy Authentication Required',
  408: 'Request Timeout',
  413: 'Request Entity Too Large',
  415: 'Unsupported Media Type',
  416: 'Unsupported URI Scheme',
  420: 'Bad Extension',
  421: 'Extension Required',
  422: 'Session Interval Too Small',
  480: 'Temporarily Unavailable',
  481: 'Call/Transaction Does Not Exist',
  482: 'Loop Detected',
  483: 'Too Many Hops',
  484: 'Address Incomplete',
  486: 'Busy Here',
  487: 'Request Terminated',
  488: 'Not Acceptable Here',
  489: 'Bad Event',
  491: 'Request Pending',
  500: 'Server Internal Error',
  501: 'Not Implemented',
  503: 'Service Unavailable',
  504: 'Server Time-out',
  505: 'Version Not Supported',
  600: 'Busy Everywhere',
  603: 'Decline',
};

export const reasonPhrase = (status: number): string => REASONS[status] ?? 'Unknown';
