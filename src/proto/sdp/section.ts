/** What every section has, whatever it carries: direction, addresses, its place. */
import type { Keying } from './keying.ts';
import type { Direction, SdpCodec, Section } from './sdp.ts';

interface Target {
  readonly address: string;
  readonly port: number;
}

/** Where a peer wants media, and how it is protected. */
export interface Targets {
  readonly keying: Keying;
  /** Undefined: nowhere that can be sent to (0.0.0.0, a name). */
  readonly remote: Target | undefined;
  /** The same for RTCP; equal to `remote` when `mux`. */
  readonly remoteRtcp: Target | undefined;
  /** RTCP on the RTP port (RFC 5761). */
  readonly mux: boolean;
}

/** Audio that is not disabled. */
export const live = (s: Section): boolean => s.kind === 'audio' && s.port !== 0;

/** Video that is not disabled. */
export const liveVideo = (s: Section): boolean => s.kind === 'video' && s.port !== 0;

/** Codec names are compared without case (RFC 8866 §6.6). */
export const is = (c: SdpCodec, name: string): boolean => c.name.toLowerCase() === name.toLowerCase();

/** RFC 3264 §6: a section answered with "no", in its place and with its formats. */
export const rejected = (m: Section): Section => ({
  kind: m.kind,
  port: 0,
  protocol: m.protocol,
  formats: m.formats,
  codecs: [],
  direction: 'inactive',
});

/** The direction a section asks for, from its sender's side. RFC 3264 §8.4: `c=0.0.0.0` is a hold, whatever `a=` says. */
export function directionOf(s: Section): Direction {
  return isUnspecified(s.address) ? directed(sends(s.direction), false) : s.direction;
}

export const sends = (d: Direction): boolean => d === 'sendrecv' || d === 'sendonly';
export const receives = (d: Direction): boolean => d === 'sendrecv' || d === 'recvonly';

const directed = (send: boolean, receive: boolean): Direction =>
  send ? (receive ? 'sendrecv' : 'sendonly') : receive ? 'recvonly' : 'inactive';

/** The same stream seen from the other end. */
export const reverse = (d: Direction): Direction => directed(receives(d), sends(d));

/** What both allow. */
export const common = (a: Direction, b: Direction): Direction =>
  directed(sends(a) && sends(b), receives(a) && receives(b));

export function targets(s: Section, mux: boolean, keying: Keying): Targets {
  const remote = target(s.address, s.port);
  const rtcp = s.rtcp ?? { port: s.port + 1 };
  return { keying, remote, remoteRtcp: mux ? remote : target(rtcp.address ?? s.address, rtcp.port), mux };
}

/** What of a section its answer repeats. */
export const echoed = (s: Section): Partial<Pick<Section, 'mid' | 'label' | 'content' | 'rtcpMux'>> => ({
  ...(s.mid !== undefined && { mid: s.mid }),
  ...(s.label !== undefined && { label: s.label }),
  ...(s.content !== undefined && { content: s.content }),
  ...(s.rtcpMux && { rtcpMux: true }),
});

/** The end of an `m=` line, and what it means. */
export const listed = (codecs: readonly SdpCodec[]): Pick<Section, 'formats' | 'codecs'> => ({
  formats: codecs.map(c => String(c.payloadType)),
  codecs,
});

/**
 * RFC 3264 §5.1: the peer sends with the numbers of our offer; its own are understood too where they are free.
 * `twin` finds what the answer makes of one of ours.
 */
export function receivable<F>(
  offered: Section,
  twin: (mine: SdpCodec) => SdpCodec | undefined,
  formatOf: (c: SdpCodec) => F,
): Map<number, F> {
  const formats = new Map<number, F>();
  for (const mine of offered.codecs) {
    const theirs = twin(mine);
    if (theirs === undefined) continue;
    formats.set(mine.payloadType, formatOf(theirs));
    if (!offered.codecs.some(c => c.payloadType === theirs.payloadType))
      formats.set(theirs.payloadType, formatOf(theirs));
  }
  return formats;
}

const target = (address: string | undefined, port: number): Target | undefined =>
  address !== undefined && isNumeric(address) && !isUnspecified(address) && port > 0 && port < 65536
    ? { address, port }
    : undefined;

/** Names are not looked up: a description must not make us ask anybody anything. */
const isNumeric = (address: string): boolean =>
  /^\d{1,3}(\.\d{1,3}){3}$|^[\da-f:.]*:[\da-f:.]*$/i.test(address);

const isUnspecified = (address: string | undefined): boolean => address === '0.0.0.0' || address === '::';
