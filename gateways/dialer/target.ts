import { refuse } from '../../src/kit/refusal.ts';
import { flowOfUri, type Transport } from '../../src/proto/sip/flow.ts';
import { dialTarget } from '../../src/proto/sip/outgoing.ts';

export interface SipTarget {
  readonly kind: 'sip';
  /** The Request-URI. */
  readonly uri: string;
  readonly host: string;
  readonly port: number;
  readonly transport: Transport;
}

export interface WhipTarget {
  readonly kind: 'whip';
  /** `https:` or `http:`, for WHIP; and where the same room is played. */
  readonly whip: URL;
  readonly whep: URL;
  readonly host: string;
  readonly port: number;
}

/** Stream names behind `rtmp://host/room/`, encoded, with their queries. */
export interface RtmpTarget {
  readonly kind: 'rtmp';
  readonly host: string;
  readonly port: number;
  /** Who publishes, or plays. */
  readonly user: string;
  /** Absent: the address only plays. */
  readonly publish: string | undefined;
  /** What is listened to: the room, or one member. */
  readonly play: string;
  /** What is published, played back. */
  readonly own: string;
}

export interface ArtpTarget {
  readonly kind: 'artp';
  readonly url: string;
  readonly host: string;
  readonly port: number;
  readonly user: string;
}

export type Target = SipTarget | WhipTarget | RtmpTarget | ArtpTarget;

const KNOWN =
  'sip:1000@host[:port][;transport=tcp], whip+https://host:8443/whip/1000?user=alice, rtmp://host/room/1000/alice or artp://host:7101/1000';
const RTMP_PORT = 1935;
const ARTP_PORT = 7101;

/** `user` is who calls when the address does not say. Throws a Refusal (`bad-usage`). */
export function readTarget(text: string, user: string): Target {
  if (/^sip:/i.test(text)) return sipTarget(text);
  if (/^whip\+https?:\/\//i.test(text)) return whipTarget(text, user);
  if (/^rtmp:\/\//i.test(text)) return rtmpTarget(text, user);
  if (/^artp:\/\//i.test(text)) return artpTarget(text, user);
  const scheme = /^[a-z][a-z0-9+.-]*(?=:)/i.exec(text)?.[0];
  throw misuse(
    scheme === undefined
      ? `${text} is no address to dial: write ${KNOWN}.`
      : `${scheme}: addresses cannot be dialled: write ${KNOWN}.`,
  );
}

function sipTarget(text: string): SipTarget {
  const uri = dialTarget(text);
  if (uri === undefined) throw misuse(`${text} is no SIP address: write ${KNOWN}.`);
  const transport = uri.params.get('transport')?.toLowerCase() ?? 'udp';
  if (transport !== 'udp' && transport !== 'tcp')
    throw misuse(`The dialer speaks SIP over udp and tcp, not over ${transport}.`);
  const { host, port } = flowOfUri(uri);
  return { kind: 'sip', uri: uri.raw, host, port, transport };
}

function whipTarget(text: string, user: string): WhipTarget {
  const address = text.slice('whip+'.length);
  const whip = URL.canParse(address) ? new URL(address) : undefined;
  const room = whip && /\/whip\/[^/]+$/.exec(whip.pathname);
  if (!whip || !room) throw misuse(`${text} names no room to publish into: write ${KNOWN}.`);
  const host = whip.hostname.replace(/^\[|\]$/g, '');
  if (whip.protocol === 'http:' && !isThisMachine(host))
    throw misuse(`${host} is not this machine: whip+http:// is for localhost, write whip+https://.`);
  const name = whip.searchParams.get('user') || user;
  whip.searchParams.set('user', name);
  const whep = new URL(whip);
  whep.pathname = `${whip.pathname.slice(0, room.index)}/whep/${room[0].slice('/whip/'.length)}`;
  whep.search = '';
  whep.searchParams.set('as', name);
  return {
    kind: 'whip',
    whip,
    whep,
    host,
    port: Number(whip.port) || (whip.protocol === 'http:' ? 80 : 443),
  };
}

/**
 * `rtmp://host/room/1000[/alice[/screen]]` publishes as alice (or `user`) and plays the room; with `?as=` nothing is
 * published, and the room or the member named is played.
 */
function rtmpTarget(text: string, user: string): RtmpTarget {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const [first, room, member, screen, ...more] = url?.pathname.split('/').filter(part => part !== '') ?? [];
  if (!url || first !== 'room' || !room || more.length > 0 || (screen !== undefined && screen !== 'screen'))
    throw misuse(`${text} names no room: write rtmp://host/room/<room>[/<user>[/screen]].`);
  const as = url.searchParams.get('as');
  const token = url.searchParams.get('token');
  const query = (who: string): string =>
    `?as=${encodeURIComponent(who)}${token === null ? '' : `&token=${encodeURIComponent(token)}`}`;
  const path = [
    room,
    ...(member === undefined ? [] : [member]),
    ...(screen === undefined ? [] : [screen]),
  ].join('/');
  const shared = {
    kind: 'rtmp',
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: Number(url.port) || RTMP_PORT,
  } as const;
  if (as) return { ...shared, user: as, publish: undefined, play: `${path}${query(as)}`, own: '' };
  const who = member === undefined ? user : decodeURIComponent(member);
  const stream = member === undefined ? `${room}/${encodeURIComponent(who)}` : path;
  const publish = `${stream}${token === null ? '' : `?token=${encodeURIComponent(token)}`}`;
  return { ...shared, user: who, publish, play: `${room}${query(who)}`, own: `${stream}${query(who)}` };
}

/** `artp://host[:7101]/<room>[?user=alice]`. */
function artpTarget(text: string, user: string): ArtpTarget {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url?.hostname || !/^\/[^/]+$/.test(url.pathname))
    throw misuse(`${text} names no room: write artp://host[:${ARTP_PORT}]/<room>.`);
  return {
    kind: 'artp',
    url: text,
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: Number(url.port) || ARTP_PORT,
    user: url.searchParams.get('user') || user,
  };
}

/** A name or address that never leaves the host. */
export const isThisMachine = (host: string): boolean =>
  host === 'localhost' || host.endsWith('.localhost') || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);

const misuse = (text: string) => refuse('client', 'bad-usage', text);
