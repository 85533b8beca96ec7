import { isToken, NO_PARAMS, type Params, textOf } from './grammar.ts';

/** RFC 3261 §19.1. `host` is lower case; an IPv6 one keeps its brackets. Other schemes (tel) have only `scheme`, `opaque`, `raw`. */
export interface Uri {
  readonly scheme: string;
  /** Still escaped; see `userOf`. */
  readonly user: string | undefined;
  readonly host: string;
  readonly port: number | undefined;
  readonly params: Params;
  /** After the `?`, unparsed. */
  readonly headers: string | undefined;
  readonly raw: string;
}

const HOST = /^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_\-.]+)$/;

/** Undefined when malformed. Never throws. */
export function parseUri(raw: string): Uri | undefined {
  const colon = raw.indexOf(':');
  if (colon < 1 || /[\s<>"]/.test(raw)) return undefined;
  const scheme = raw.slice(0, colon).toLowerCase();
  if (!/^[a-z][a-z0-9+.-]*$/.test(scheme) || colon + 1 === raw.length) return undefined;
  if (scheme !== 'sip' && scheme !== 'sips')
    return {
      scheme,
      user: undefined,
      host: '',
      port: undefined,
      params: NO_PARAMS,
      headers: undefined,
      raw,
    };
  const at = raw.indexOf('@', colon);
  // §19.1.1: an @ inside any part is escaped, so a second one has no meaning.
  if (at >= 0 && raw.indexOf('@', at + 1) >= 0) return undefined;
  let user: string | undefined;
  if (at >= 0) {
    const password = raw.indexOf(':', colon + 1);
    user = raw.slice(colon + 1, password >= 0 && password < at ? password : at);
    if (user === '') return undefined;
  }
  let rest = raw.slice((at >= 0 ? at : colon) + 1);
  const question = rest.indexOf('?');
  const headers = question < 0 ? undefined : rest.slice(question + 1);
  if (question >= 0) rest = rest.slice(0, question);
  const semicolon = rest.indexOf(';');
  const params = semicolon < 0 ? NO_PARAMS : uriParams(rest.slice(semicolon + 1));
  const where = parseHostPort(semicolon < 0 ? rest : rest.slice(0, semicolon));
  if (where === undefined || params === undefined) return undefined;
  return { scheme, user, host: where.host, port: where.port, params, headers, raw };
}

export interface HostPort {
  readonly host: string;
  readonly port: number | undefined;
}

/** `host`, `host:port`, `[v6]:port`. */
export function parseHostPort(s: string): HostPort | undefined {
  const colon = s.indexOf(':', s.charCodeAt(0) === 91 ? s.indexOf(']') + 1 : 0);
  const host = colon < 0 ? s : s.slice(0, colon).trimEnd();
  if (!HOST.test(host)) return undefined;
  if (colon < 0) return { host: host.toLowerCase(), port: undefined };
  const digits = s.slice(colon + 1).trimStart();
  if (!/^\d{1,5}$/.test(digits) || Number(digits) > 65535) return undefined;
  return { host: host.toLowerCase(), port: Number(digits) };
}

/** URI parameters hold no quotes; values may be escaped. An empty one (`;;`, seen from phones) is passed over. */
function uriParams(s: string): Params | undefined {
  const params = new Map<string, string | undefined>();
  for (const part of s.split(';')) {
    if (part === '') continue;
    const equals = part.indexOf('=');
    const name = unescapeUri(equals < 0 ? part : part.slice(0, equals)).toLowerCase();
    if (!isToken(name) && !/^[\w[\]/:&+$.!~*'()-]+$/.test(name)) return undefined;
    if (!params.has(name)) params.set(name, equals < 0 ? undefined : part.slice(equals + 1));
  }
  return params;
}

/** %-escapes undone octet by octet; a bad escape stays as it stands. */
export const unescapeUri = (s: string): string =>
  s.indexOf('%') < 0
    ? s
    : s.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));

/** The user part as text: unescaped, UTF-8 decoded. */
export const userOf = (uri: Uri): string | undefined =>
  uri.user === undefined ? undefined : textOf(unescapeUri(uri.user));

/** Text → user part: everything but the unreserved set of §25.1 is escaped. */
export const escapeUser = (text: string): string =>
  encodeURIComponent(text).replace(/%(26|3D|2B|24|2C|3B|3F|2F)/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
