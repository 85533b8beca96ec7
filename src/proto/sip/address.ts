import { closingQuote, isToken, NO_PARAMS, type Params, parseParams, textOf, unquote } from './grammar.ts';
import { parseHostPort, parseUri, type Uri } from './uri.ts';

/** From, To, Contact, Route, Record-Route: `"Alice" <sip:alice@host>;tag=x`, RFC 3261 §20.10. */
export interface NameAddr {
  /** Real text. */
  readonly display: string | undefined;
  readonly uri: Uri;
  readonly params: Params;
  /** As received. */
  readonly raw: string;
}

export const tagOf = (a: NameAddr): string | undefined => a.params.get('tag');

/** Undefined when malformed. Never throws. */
export function parseNameAddr(value: string): NameAddr | undefined {
  const raw = value.trim();
  let open = raw.indexOf('<');
  if (raw.charCodeAt(0) === 34) {
    const close = closingQuote(raw, 0);
    if (close < 0) return undefined;
    open = raw.indexOf('<', close);
    if (open < 0 || raw.slice(close + 1, open).trim() !== '') return undefined;
  }
  return open < 0 ? addrSpec(raw) : nameAddr(raw, open);
}

function nameAddr(raw: string, open: number): NameAddr | undefined {
  const close = raw.indexOf('>', open);
  if (close < 0) return undefined;
  const name = raw.slice(0, open).trim();
  if (name !== '' && name.charCodeAt(0) !== 34 && !name.split(/\s+/).every(isDisplayToken)) return undefined;
  const uri = parseUri(raw.slice(open + 1, close));
  const rest = raw.slice(close + 1).trim();
  if (uri === undefined || (rest !== '' && rest.charCodeAt(0) !== 59)) return undefined;
  const params = rest === '' ? NO_PARAMS : parseParams(rest.slice(1));
  if (params === undefined) return undefined;
  return { display: name === '' ? undefined : textOf(unquote(name)), uri, params, raw };
}

/** Unquoted display names of real phones hold UTF-8 and dots; only what would confuse the parser is refused. */
const isDisplayToken = (word: string): boolean => isToken(word) || /^[^\s"<>;,:@\\()]+$/.test(word);

/** §20: without <>, parameters belong to the header, and a URI holding a comma or question mark needs the brackets. */
function addrSpec(raw: string): NameAddr | undefined {
  const semicolon = raw.indexOf(';');
  const spec = semicolon < 0 ? raw : raw.slice(0, semicolon).trimEnd();
  if (/[,?]/.test(spec)) return undefined;
  const uri = parseUri(spec);
  const params = semicolon < 0 ? NO_PARAMS : parseParams(raw.slice(semicolon + 1));
  return uri && params && { display: undefined, uri, params, raw };
}

/** RFC 3261 §20.42: `SIP/2.0/UDP host:port;branch=z9hG4bK…`. */
export interface Via {
  /** Upper case: UDP, TCP, TLS, WS, WSS, or something unknown. */
  readonly transport: string;
  readonly host: string;
  readonly port: number | undefined;
  readonly params: Params;
  readonly raw: string;
}

export function parseVia(value: string): Via | undefined {
  const raw = value.trim();
  const m = /^SIP\s*\/\s*2\.0\s*\/\s*([A-Za-z0-9\-.!%*_+`'~]+)\s+/i.exec(raw);
  if (m === null) return undefined;
  const rest = raw.slice(m[0].length);
  const semicolon = rest.indexOf(';');
  const where = parseHostPort((semicolon < 0 ? rest : rest.slice(0, semicolon)).trimEnd());
  const params = semicolon < 0 ? NO_PARAMS : viaParams(rest.slice(semicolon + 1));
  if (where === undefined || params === undefined) return undefined;
  return { transport: (m[1] as string).toUpperCase(), host: where.host, port: where.port, params, raw };
}

/** The common case first: every message carries at least one Via, nearly always `branch=…;rport` and the like. */
function viaParams(s: string): Params | undefined {
  if (/[\s"]/.test(s)) return parseParams(s);
  const params = new Map<string, string | undefined>();
  for (const part of s.split(';')) {
    const equals = part.indexOf('=');
    if (equals < 0 ? !isToken(part) : !isToken(part.slice(0, equals)) || equals + 1 === part.length)
      return undefined;
    const name = (equals < 0 ? part : part.slice(0, equals)).toLowerCase();
    if (!params.has(name)) params.set(name, equals < 0 ? undefined : part.slice(equals + 1));
  }
  return params;
}
