/**
 * RFC 3261 §25.1 building blocks. Inside the core every header is a *byte string*: one char per octet (latin1), so that
 * what is echoed (Via, To, From, Call-ID) comes out bit for bit. `textOf` and `bytesOf` cross to and from real text.
 */
export type Params = ReadonlyMap<string, string | undefined>;
export const NO_PARAMS: Params = new Map();

const NON_ASCII = /[\x80-\uffff]/;
const TOKEN = /^[A-Za-z0-9\-.!%*_+`'~]+$/;

export const isToken = (s: string): boolean => TOKEN.test(s);

/** UTF-8 octets → text. */
export const textOf = (bytes: string): string =>
  NON_ASCII.test(bytes) ? Buffer.from(bytes, 'latin1').toString('utf8') : bytes;

/** Text → UTF-8 octets, on one line: CR, LF and NUL become spaces, so that no value can begin a header of its own. */
export function bytesOf(text: string): string {
  const line = /[\r\n\0]/.test(text) ? text.replace(/[\r\n\0]+/g, ' ') : text;
  return NON_ASCII.test(line) ? Buffer.from(line, 'utf8').toString('latin1') : line;
}

/** `"a \"b\""` → `a "b"`; anything else as it is. */
export const unquote = (s: string): string =>
  s.length >= 2 && s.charCodeAt(0) === QUOTE ? s.slice(1, -1).replace(/\\([\s\S])/g, '$1') : s;

/** Text → quoted-string in octets. */
export const quote = (text: string): string => `"${bytesOf(text).replace(/["\\]/g, '\\$&')}"`;

const QUOTE = 34;
const BACKSLASH = 92;
const LESS = 60;
const GREATER = 62;

/** Where the quoted-string that opens at `open` closes, or -1. */
export function closingQuote(s: string, open: number): number {
  for (let i = open + 1; i < s.length; i++) {
    const c = s.charCodeAt(i);
    if (c === BACKSLASH) i++;
    else if (c === QUOTE) return i;
  }
  return -1;
}

/** Splits at `separator` outside quotes and angle brackets; undefined when a quote never closes. */
export function split(s: string, separator: ',' | ';'): string[] | undefined {
  if (s.indexOf(separator) < 0) return s.indexOf('"') < 0 || quotesClose(s) ? [s.trim()] : undefined;
  const at = separator.charCodeAt(0);
  const parts: string[] = [];
  let angle = 0;
  let start = 0;
  for (let i = 0; i < s.length; i++) {
    const c = s.charCodeAt(i);
    if (c === QUOTE) {
      i = closingQuote(s, i);
      if (i < 0) return undefined;
    } else if (c === LESS) angle++;
    else if (c === GREATER) angle--;
    else if (c === at && angle <= 0) {
      parts.push(s.slice(start, i).trim());
      start = i + 1;
    }
  }
  parts.push(s.slice(start).trim());
  return parts;
}

function quotesClose(s: string): boolean {
  for (let i = s.indexOf('"'); i >= 0; i = s.indexOf('"', i + 1)) {
    i = closingQuote(s, i);
    if (i < 0) return false;
  }
  return true;
}

/** `a=1;b;c="x"` (what follows the first semicolon) → lower-case names, unquoted values; undefined when malformed. */
export function parseParams(s: string): Params | undefined {
  const parts = split(s, ';');
  if (parts === undefined) return undefined;
  const params = new Map<string, string | undefined>();
  for (const part of parts) {
    const equals = part.indexOf('=');
    const name = equals < 0 ? part : part.slice(0, equals).trimEnd();
    if (!isToken(name)) return undefined;
    const value = equals < 0 ? undefined : part.slice(equals + 1).trimStart();
    if (value !== undefined && (value === '' || !isParamValue(value))) return undefined;
    const key = name.toLowerCase();
    if (!params.has(key)) params.set(key, value === undefined ? undefined : unquote(value));
  }
  return params;
}

/** A quoted-string, or a token or host: in practice anything without space, comma or quote (Asterisk, Teams, Cisco). */
const isParamValue = (v: string): boolean =>
  v.charCodeAt(0) === QUOTE ? closingQuote(v, 0) === v.length - 1 : !/[\s",<>]/.test(v);

/** Decimal, no sign, at most `max`; undefined otherwise. */
export function parseNumber(s: string, max: number): number | undefined {
  if (s.length === 0 || s.length > 10 || !/^\d+$/.test(s)) return undefined;
  const value = Number(s);
  return value <= max ? value : undefined;
}
