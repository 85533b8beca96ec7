import { unescapeUri } from './uri.ts';

/** Which dialog a call takes the place of: RFC 3891 §3, tags as its owner sees them. */
export interface Replaces {
  readonly callId: string;
  /** The tag of the one who is asked: its own. */
  readonly toTag: string;
  readonly fromTag: string;
  /** Only while it is not answered. */
  readonly earlyOnly: boolean;
}

/** A Replaces header: `call-id;to-tag=…;from-tag=…[;early-only]`. Undefined when malformed. */
export function parseReplaces(value: string): Replaces | undefined {
  const [callId = '', ...params] = value.split(';').map(part => part.trim());
  const found = new Map<string, string>();
  for (const param of params) {
    const equals = param.indexOf('=');
    const name = (equals < 0 ? param : param.slice(0, equals)).trim().toLowerCase();
    if (found.has(name)) return undefined;
    found.set(name, equals < 0 ? '' : param.slice(equals + 1).trim());
  }
  const toTag = found.get('to-tag');
  const fromTag = found.get('from-tag');
  if (callId === '' || /[\s,]/.test(callId) || !toTag || !fromTag) return undefined;
  return { callId, toTag, fromTag, earlyOnly: found.has('early-only') };
}

export const writeReplaces = (r: Replaces): string =>
  `${r.callId};to-tag=${r.toTag};from-tag=${r.fromTag}${r.earlyOnly ? ';early-only' : ''}`;

/** What a Refer-To's URI asks: where to call, and what the call is to take the place of (RFC 3515 §2.1, RFC 3891 §1). */
export interface ReferTarget {
  /** Without the header part. */
  readonly to: string;
  readonly replaces: Replaces | undefined;
}

/** Undefined when the Replaces in it is malformed. Other headers in the URI are passed over: a stranger is not to write ours. */
export function referTarget(uri: {
  readonly raw: string;
  readonly headers: string | undefined;
}): ReferTarget | undefined {
  if (uri.headers === undefined) return { to: uri.raw, replaces: undefined };
  const to = uri.raw.slice(0, uri.raw.length - uri.headers.length - 1);
  for (const header of uri.headers.split('&')) {
    const equals = header.indexOf('=');
    if (header.slice(0, equals).toLowerCase() !== 'replaces') continue;
    const replaces = parseReplaces(unescapeUri(header.slice(equals + 1)));
    return replaces && { to, replaces };
  }
  return { to, replaces: undefined };
}

/** A Refer-To value. */
export const referTo = (to: string, replaces: Replaces | undefined): string =>
  replaces === undefined ? `<${to}>` : `<${to}?Replaces=${encodeURIComponent(writeReplaces(replaces))}>`;
