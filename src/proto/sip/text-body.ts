/** What a person wrote, taken out of the body of a MESSAGE. */
import { type BodyPart, bodyParts } from './body.ts';
import { Headers } from './message.ts';

/** For Accept. Of a multipart body and of a wrapper (RFC 3862) the plain part is taken. */
export const TEXT_TYPES = ['text/plain', 'message/cpim', 'multipart/mixed', 'multipart/alternative'];

const DECODERS: Readonly<Record<string, 'utf8' | 'latin1'>> = {
  'utf-8': 'utf8', // RFC 3261 §7.4.1: what SIP means where nothing is said
  'us-ascii': 'utf8',
  'iso-8859-1': 'latin1',
};

/** The first text in it, '' when the body is empty; undefined: there is none that can be read. */
export function plainText(m: Parameters<typeof bodyParts>[0]): string | undefined {
  if (m.body.length === 0) return '';
  const wrapped = isCpim(m.headers.get('content-type')) ? unwrapped(m.body) : m;
  if (wrapped === undefined) return undefined;
  const part = bodyParts(wrapped)?.find(isText);
  const charset = /;\s*charset\s*=\s*"?([^\s";]+)/i.exec(wrapped.headers.get('content-type') ?? '')?.[1];
  // Charsets of the parts of a multipart body are not looked at: UTF-8 is what they are written in.
  const decoder = DECODERS[(charset ?? 'utf-8').toLowerCase()];
  return decoder === undefined ? undefined : part?.bytes.toString(decoder);
}

/** A body that says no type is one of text (RFC 2045 §5.2). */
const isText = (p: BodyPart): boolean =>
  (p.type === 'text/plain' || p.type === '') && p.encoding === 'identity';

const isCpim = (type = ''): boolean => /^\s*message\/cpim\s*(?:;|$)/i.test(type);

/**
 * ```
 * From: <im:alice@example.com>     headers of the wrapper
 *
 * Content-Type: text/plain         headers of what is wrapped
 *
 * Hello
 * ```
 */
function unwrapped(body: Buffer): { headers: Headers; body: Buffer } | undefined {
  const outer = body.indexOf('\r\n\r\n');
  const inner = outer < 0 ? -1 : body.indexOf('\r\n\r\n', outer + 4);
  if (inner < 0) return undefined;
  const headers = new Headers();
  for (const line of body.toString('latin1', outer + 4, inner).split('\r\n')) {
    const colon = line.indexOf(':');
    if (colon > 0) headers.add(line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim());
  }
  return { headers, body: body.subarray(inner + 4) };
}
