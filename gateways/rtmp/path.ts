import { refuse } from '../../src/kit/refusal.ts';

/** What an RTMP address names: `room/<room>[/<user>[/screen]]`, with its query. */
export interface RtmpPath {
  readonly room: string;
  /** The publisher, or the member to play; absent: the whole room. */
  readonly user?: string;
  readonly screen: boolean;
  /** Who plays. */
  readonly as?: string;
  readonly token?: string;
}

const MAX_PART_LENGTH = 128;
const GRAMMAR = 'room/<room>[/<user>[/screen]]';

const bad = (text: string) => refuse('client', 'bad-path', text);

/**
 * Reads app and stream name as one path: clients split an address at different slashes, and put its query on either.
 * Throws a Refusal in words.
 */
export function parsePath(app: string, name: string): RtmpPath {
  const [appPath, appQuery] = cut(app);
  const [namePath, nameQuery] = cut(name);
  const parts = `${appPath}/${namePath}`
    .split('/')
    .filter(part => part !== '')
    .map(decode);
  const [first, room, user, last, ...more] = parts;
  if (first !== 'room' || room === undefined)
    throw bad(`The path "${parts.join('/').slice(0, 80)}" is not of the form ${GRAMMAR}.`);
  if (more.length > 0 || (last !== undefined && last !== 'screen'))
    throw bad(`After the user there may only stand "screen": ${GRAMMAR}.`);
  const query = new URLSearchParams([...new URLSearchParams(appQuery), ...new URLSearchParams(nameQuery)]);
  const as = query.get('as') ?? '';
  const token = query.get('token') ?? '';
  if (as !== '') check(as);
  return {
    room,
    ...(user !== undefined && { user }),
    screen: last === 'screen',
    ...(as !== '' && { as }),
    ...(token !== '' && { token }),
  };
}

/** The other direction, for tickets: path and query of an address, percent-encoded. */
export function formatPath(path: RtmpPath): string {
  const parts = ['room', path.room, ...(path.user === undefined ? [] : [path.user])];
  if (path.screen && path.user !== undefined) parts.push('screen');
  const query = [
    ...(path.as === undefined ? [] : [`as=${encodeURIComponent(path.as)}`]),
    ...(path.token === undefined ? [] : [`token=${encodeURIComponent(path.token)}`]),
  ];
  return `/${parts.map(encodeURIComponent).join('/')}${query.length > 0 ? `?${query.join('&')}` : ''}`;
}

/** For logs and ladders: what `app` or `name` says, without its token. */
export const maskToken = (text: string): string => text.replace(/((?:^|[?&])token=)[^&]*/g, '$1…');

function cut(text: string): [path: string, query: string] {
  const at = text.indexOf('?');
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}

function decode(part: string): string {
  let text: string;
  try {
    text = decodeURIComponent(part);
  } catch {
    throw bad(`"${part.slice(0, 40)}" is not percent-encoded UTF-8.`);
  }
  check(text);
  return text;
}

function check(text: string): void {
  if (text.length > MAX_PART_LENGTH)
    throw bad(`A name in the path is longer than ${MAX_PART_LENGTH} characters.`);
  if (/[\u0000-\u001f\u007f/]/.test(text))
    throw bad('A name in the path holds a slash or control character.');
}
