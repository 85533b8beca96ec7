import { parseParams } from './grammar.ts';

/** One part of a message body: the body itself when it is not multipart. */
export interface BodyPart {
  /** Media type in lower case without parameters; '' when the message says none. */
  readonly type: string;
  /** RFC 5621 §8.1: without `handling=optional` a part must be understood. */
  readonly optional: boolean;
  /** `identity` when it says none. */
  readonly encoding: string;
  readonly bytes: Buffer;
}

/** What a stranger may nest: a session description with a location and ISUP is three. */
const MAX_PARTS = 16;

/** The parts of a body in order: one, unless it is multipart. Undefined when a multipart body cannot be taken apart. */
export function bodyParts(m: {
  readonly headers: { get(name: string): string | undefined };
  readonly body: Buffer;
}): BodyPart[] | undefined {
  if (m.body.length === 0) return [];
  const field = (name: string): string => m.headers.get(name) ?? '';
  const contentType = field('content-type');
  if (!/^\s*multipart\//i.test(contentType)) return [part(field, m.body)];
  const boundary = boundaryOf(contentType);
  return boundary === undefined ? undefined : partsBetween(m.body, boundary);
}

const typeOf = (value: string): string => value.split(';', 1)[0]!.trim().toLowerCase();

function part(field: (name: string) => string, bytes: Buffer): BodyPart {
  return {
    type: typeOf(field('content-type')),
    optional: /;\s*handling\s*=\s*"?optional/i.test(field('content-disposition')),
    encoding: field('content-encoding').trim().toLowerCase() || 'identity',
    bytes,
  };
}

/** RFC 2046 §5.1.1: one to seventy characters. */
function boundaryOf(contentType: string): string | undefined {
  const semicolon = contentType.indexOf(';');
  const boundary = semicolon < 0 ? undefined : parseParams(contentType.slice(semicolon + 1))?.get('boundary');
  return boundary !== undefined && boundary.length > 0 && boundary.length <= 70 ? boundary : undefined;
}

/** RFC 2046 §5.1.1: `--boundary` at the beginning of a line opens a part, `--boundary--` ends the last. */
function partsBetween(body: Buffer, boundary: string): BodyPart[] | undefined {
  const text = `\r\n${body.toString('latin1')}`;
  const mark = `\r\n--${boundary}`;
  const parts: BodyPart[] = [];
  for (let at = text.indexOf(mark); at >= 0; ) {
    const begin = at + mark.length;
    if (text.startsWith('--', begin)) return parts;
    const line = text.indexOf('\r\n', begin);
    const next = text.indexOf(mark, begin);
    if (line < 0 || next < 0 || parts.length === MAX_PARTS) return undefined;
    parts.push(readPart(text.slice(line, next)));
    at = next;
  }
  return undefined; // never closed
}

/** `text` begins with the CRLF behind the boundary. */
function readPart(text: string): BodyPart {
  const blank = text.indexOf('\r\n\r\n');
  const head = blank < 0 ? '' : text.slice(0, blank);
  const lines = head.replace(/\r\n[ \t]+/g, ' ').split('\r\n');
  const field = (name: string): string => {
    const line = lines.find(l => l.toLowerCase().startsWith(`${name}:`));
    return line === undefined ? '' : line.slice(name.length + 1);
  };
  return part(field, Buffer.from(blank < 0 ? text : text.slice(blank + 4), 'latin1'));
}
