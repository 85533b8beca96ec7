/** Shown in the place of a credential. */
const MASK = '***';

const SECRET_FIELD =
  /^(token|ticket|credentials?|secret|secrets|password|passwd|pin|authorization|cookie|admin_?key|private_?key|ice_?pwd|api_?key)$/i;

/** Every repetition that may fail late is bounded: a stranger's text must not cost more than its length. */
const RULES: readonly [RegExp, string][] = [
  // Query and SIP URI parameters, RTMP stream names: ?token=…, ;token=…
  [/([?&;](?:token|ticket|credential|secret|password|pin|key)=)[^&;\s"'<>]*/gi, `$1${MASK}`],
  // HTTP and SIP credentials. Digest: the response is what an offline guess works on.
  [/(\b(?:Bearer|Basic)\s+)[\w.~+/=-]+/gi, `$1${MASK}`],
  [/(\b(?:response|cnonce)=")[^"]*/gi, `$1${MASK}`],
  // scheme://user:password@host
  [/(\b[a-z][a-z0-9+.-]{0,20}:\/\/[^\s/:@]*:)[^\s/@]+(?=@)/gi, `$1${MASK}`],
  // JWTs and tickets wherever they stand
  [/\beyJ[\w-]{5,1000}\.[\w-]{1,4000}\.[\w-]*/g, MASK],
  [/\btk_[\w-]{16,}/g, MASK],
  // SDP keys: ice-pwd, crypto inline
  [/(a=ice-pwd:)\S+/gi, `$1${MASK}`],
  [/(\binline:)[\w+/=]+/gi, `$1${MASK}`],
];

/** A text without credentials: for logs, ladders and URLs that are shown. */
export function maskText(text: string): string {
  for (const [pattern, replacement] of RULES) text = text.replace(pattern, replacement);
  return text;
}

/** A copy of log fields without credentials, by name of the field and by look of the text. Errors keep name, message and stack. */
export function maskFields(value: unknown, depth = 0): unknown {
  if (typeof value === 'string') return maskText(value);
  if (typeof value === 'bigint') return String(value);
  if (typeof value !== 'object' || value === null) return value;
  if (depth > 6) return '…';
  if (value instanceof Error)
    return { type: value.name, message: maskText(value.message), stack: maskText(value.stack ?? '') };
  if (value instanceof Uint8Array) return `(${value.length} bytes)`;
  if (Array.isArray(value)) return value.slice(0, 100).map(v => maskFields(v, depth + 1));
  return Object.fromEntries(
    Object.entries(value).map(([k, v]) => [
      k,
      SECRET_FIELD.test(k) && v !== undefined && v !== null ? MASK : maskFields(v, depth + 1),
    ]),
  );
}
