/**
 * STOMP 1.2 frames (stomp.github.io, "STOMP Protocol Specification, Version 1.2").
 * ```
 * COMMAND LF
 * header:value LF        repeated; \r \n \c \\ escaped (not in CONNECT/CONNECTED); the first of a name counts
 * LF
 * body NUL               content-length bytes, or up to the first NUL
 * ```
 * A lone LF between frames is a heart-beat.
 */
export interface StompFrame {
  readonly command: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** What a stranger may make us hold. */
export const STOMP_LIMITS = { frameBytes: 64 * 1024, headers: 32, lineBytes: 4096 } as const;

export type StompRead =
  | { readonly frame: StompFrame }
  | { readonly heartbeat: true }
  | { readonly junk: string };

/** Reads one WebSocket message, which is one frame or one heart-beat. Never throws. */
export function readFrame(bytes: Buffer): StompRead {
  if (bytes.length > STOMP_LIMITS.frameBytes)
    return { junk: `a frame has ${STOMP_LIMITS.frameBytes} bytes at most` };
  let at = 0;
  while (at < bytes.length && (bytes[at] === 10 || bytes[at] === 13)) at++;
  if (at === bytes.length) return { heartbeat: true };
  const command = readLine(bytes, at);
  if (command === undefined) return { junk: 'the command line does not end' };
  const headers: Record<string, string> = Object.create(null);
  at = command.next;
  for (let count = 0; ; count++) {
    const line = readLine(bytes, at);
    if (line === undefined) return { junk: 'the headers do not end' };
    at = line.next;
    if (line.text === '') break;
    if (count >= STOMP_LIMITS.headers) return { junk: `a frame has ${STOMP_LIMITS.headers} headers at most` };
    const header = readHeader(line.text, command.text !== 'CONNECT' && command.text !== 'STOMP');
    if (header === undefined) return { junk: 'a header is not name:value' };
    headers[header.name] ??= header.value; // repeated headers: the first counts
  }
  const end = bodyEnd(bytes, at, headers['content-length']);
  if (end === undefined) return { junk: 'the body does not end where it should' };
  for (let after = end + 1; after < bytes.length; after++)
    if (bytes[after] !== 10 && bytes[after] !== 13) return { junk: 'something follows the end of the frame' };
  return { frame: { command: command.text, headers, body: bytes.toString('utf8', at, end) } };
}

function readLine(bytes: Buffer, at: number): { text: string; next: number } | undefined {
  const end = bytes.indexOf(10, at);
  if (end < 0 || end - at > STOMP_LIMITS.lineBytes) return undefined;
  const last = end > at && bytes[end - 1] === 13 ? end - 1 : end;
  return { text: bytes.toString('utf8', at, last), next: end + 1 };
}

function readHeader(line: string, escaped: boolean): { name: string; value: string } | undefined {
  const colon = line.indexOf(':');
  if (colon < 1) return undefined;
  const name = escaped ? unescapeHeader(line.slice(0, colon)) : line.slice(0, colon);
  const value = escaped ? unescapeHeader(line.slice(colon + 1)) : line.slice(colon + 1);
  return name === undefined || value === undefined ? undefined : { name, value };
}

/** Where the NUL behind the body is. */
function bodyEnd(bytes: Buffer, at: number, contentLength: string | undefined): number | undefined {
  if (contentLength === undefined) {
    const end = bytes.indexOf(0, at);
    return end < 0 ? undefined : end;
  }
  if (!/^\d{1,6}$/.test(contentLength)) return undefined;
  const end = at + Number(contentLength);
  return end < bytes.length && bytes[end] === 0 ? end : undefined;
}

const ESCAPES: Readonly<Record<string, string>> = { '\\r': '\r', '\\n': '\n', '\\c': ':', '\\\\': '\\' };

/** Undefined when an escape is none of the four: the specification calls that a fatal error. */
function unescapeHeader(text: string): string | undefined {
  if (!text.includes('\\')) return text;
  let bad = false;
  const plain = text.replace(/\\(?:.|$)/gs, e => {
    const c = ESCAPES[e];
    bad ||= c === undefined;
    return c ?? '';
  });
  return bad ? undefined : plain;
}

const escapeHeader = (text: string): string =>
  text.replace(/[\\\r\n:]/g, c => (c === '\\' ? '\\\\' : c === '\r' ? '\\r' : c === '\n' ? '\\n' : '\\c'));

/** One frame as text, content-length included. */
export function writeFrame(command: string, headers: Readonly<Record<string, string>>, body = ''): string {
  const raw = command === 'CONNECTED';
  let out = `${command}\n`;
  for (const [name, value] of Object.entries(headers))
    out += raw ? `${name}:${value}\n` : `${escapeHeader(name)}:${escapeHeader(value)}\n`;
  if (body !== '') out += `content-length:${Buffer.byteLength(body)}\n`;
  return `${out}\n${body}\0`;
}
