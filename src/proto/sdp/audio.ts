/** Offer and answer of one audio stream (RFC 3264), as pure functions. */
import type { AudioCodec, Format } from '../../contract.ts';
import { type Refusal, refuse } from '../../kit/refusal.ts';
import {
  acceptKeying,
  answerKeying,
  bestSection,
  type Keying,
  type KeyingLocal,
  type KeyingWay,
  offerKeying,
  wayOf,
  whyUnprotected,
} from './keying.ts';
import type { Direction, Sdp, SdpCodec, Section } from './sdp.ts';
import {
  common,
  directionOf,
  echoed,
  is,
  listed,
  live,
  receivable,
  rejected,
  reverse,
  type Targets,
  targets,
} from './section.ts';

/** What rooms carry of sound. */
export type PhoneCodec = Exclude<AudioCodec, 'AAC'>;

/** What our end has to say. */
export interface AudioLocal {
  readonly sessionId: string;
  /** Numeric: what the peer sends to. */
  readonly address: string;
  readonly port: number;
  /** Allowed codecs; in an offer also their order. */
  readonly codecs: readonly PhoneCodec[];
  /** `sendonly` for a leg that only plays, `recvonly` for one that only listens to its peer. */
  readonly direction: Direction;
  /** Without it media is plain, whatever comes. */
  readonly keying?: KeyingLocal;
}

/** What both ends agreed on, from our side. */
export interface AudioPlan extends Targets {
  /** Index of the `m=` line. */
  readonly index: number;
  /** What the peer asks for, from its side: `sendonly` and `inactive` are the faces of hold. */
  readonly peer: Direction;
  /** What is agreed, from our side. */
  readonly direction: Direction;
  readonly send: { readonly payloadType: number; readonly format: Format; readonly ptimeMs: number };
  /** Payload types that may come. */
  readonly receive: ReadonlyMap<number, Format>;
  /** Payload types of telephone-event that may come, with their clock rates; and the one to send. */
  readonly events: ReadonlyMap<number, number>;
  readonly sendEvents: { readonly payloadType: number; readonly clockRate: number } | undefined;
}

export interface AudioAnswer {
  readonly sdp: Sdp;
  readonly plan: AudioPlan;
}

const CLOCK: Readonly<Record<PhoneCodec, number>> = {
  opus: 48000,
  G722: 8000,
  PCMU: 8000,
  PCMA: 8000,
};
const PTIMES = { opus: [10, 20, 40, 60], other: [10, 20, 30, 40, 50, 60] };
const DEFAULT_PTIME_MS = 20;

/**
 * Answers the first audio section that can be had: one codec, the first of the offer that `local.codecs` allows,
 * and telephone-event beside it. Every other section is rejected in its place. A Refusal when nothing can be had.
 * `before`: the protection that holds.
 */
export function answerAudio(offer: Sdp, local: AudioLocal, before?: Keying): AudioAnswer | Refusal {
  const has = (s: Section): boolean => live(s) && chosen(s, local.codecs) !== undefined;
  const index = bestSection(offer.sections, policyOf(local), has);
  const section = offer.sections[index];
  const codec = section && chosen(section, local.codecs);
  if (section === undefined || codec === undefined) return noAudio(offer.sections, local, 'offer');
  const { said, keying } = answerKeying(section, local.keying, before);
  const format = formatOf(codec);
  const event = eventFor(section, format);
  const direction = common(reverse(directionOf(section)), local.direction);
  const sendPtime = ptimeFor(section, format);
  const answered: Section = {
    kind: 'audio',
    port: local.port,
    ...said,
    ...echoed(section),
    ...listed([ours(format, codec.payloadType), ...(event ? [ourEvent(event)] : [])]),
    direction,
    ptimeMs: sendPtime,
  };
  return {
    sdp: {
      sessionId: local.sessionId,
      version: 0,
      address: local.address,
      sections: offer.sections.map((s, i) => (i === index ? answered : rejected(s))),
    },
    plan: {
      index,
      ...targets(section, section.rtcpMux === true, keying),
      peer: directionOf(section),
      direction,
      send: { payloadType: codec.payloadType, format, ptimeMs: sendPtime },
      receive: new Map([[codec.payloadType, format]]),
      events: new Map(event && [[event.payloadType, event.clockRate]]),
      sendEvents: event,
    },
  };
}

/**
 * Offers every codec of `local`. In a session that is up, `previous` (our last description) keeps the place of
 * every section and the meaning of every payload type (RFC 3264 §8), `first` names the codec now in use, and `before`
 * the protection.
 */
export function offerAudio(local: AudioLocal, previous?: Sdp, first?: PhoneCodec, before?: Keying): Sdp {
  const index = previous === undefined ? 0 : Math.max(0, previous.sections.findIndex(live));
  const known = previous?.sections[index];
  const names = [...local.codecs].sort((a, b) => Number(b === first) - Number(a === first));
  const taken = new Set(known?.codecs.map(c => c.payloadType));
  const place = (name: string, clockRate: number, preferred: number): number => {
    const before = known?.codecs.find(c => is(c, name) && c.clockRate === clockRate);
    if (before !== undefined) return before.payloadType;
    let payloadType = preferred;
    while (taken.has(payloadType)) payloadType++;
    taken.add(payloadType);
    return payloadType;
  };
  const codecs = names.map(name => {
    const format: Format = { codec: name, clockRate: CLOCK[name], ...(name === 'opus' && { channels: 2 }) };
    return ours(format, place(name, CLOCK[name], { opus: 96, G722: 9, PCMU: 0, PCMA: 8 }[name]));
  });
  const clocks = [...new Set(names.map(name => CLOCK[name]))];
  const events = clocks.map(clockRate =>
    ourEvent({ clockRate, payloadType: place('telephone-event', clockRate, clockRate === 8000 ? 101 : 102) }),
  );
  const offered: Section = {
    kind: 'audio',
    port: local.port,
    ...offerKeying(local.keying, wayToOffer(local), known, before),
    ...listed([...codecs, ...events]),
    direction: local.direction,
    ptimeMs: DEFAULT_PTIME_MS,
    ...(known?.mid !== undefined && { mid: known.mid }),
    rtcpMux: true,
  };
  const sections = previous?.sections.map((s, i) => (i === index ? offered : rejected(s))) ?? [offered];
  return { sessionId: local.sessionId, version: 0, address: local.address, sections };
}

/** Takes the peer's answer to `offer` (ours). A Refusal when it leaves no audio or breaks the rules. */
export function acceptAudio(
  answer: Sdp,
  offer: Sdp,
  local: AudioLocal,
  before?: Keying,
): AudioPlan | Refusal {
  const index = offer.sections.findIndex(live);
  const offered = offer.sections[index];
  const section = answer.sections[index];
  if (offered === undefined || section === undefined)
    return refuse('client', 'bad-answer', 'The answer has fewer m= lines than the offer (RFC 3264 §6).');
  const codec = live(section) ? chosen(section, local.codecs) : undefined;
  if (codec === undefined) return noAudio([section], local, 'answer');
  const keying = acceptKeying(section, offered, local.keying, before);
  if (typeof keying === 'string')
    return refuse('client', 'bad-answer', `The answer cannot be used: for audio, ${keying}.`);
  const format = formatOf(codec);
  const mux = offered.rtcpMux === true && section.rtcpMux === true;
  const event = eventFor(section, format);
  return {
    index,
    ...targets(section, mux, keying),
    peer: directionOf(section),
    direction: common(reverse(directionOf(section)), offered.direction),
    send: { payloadType: codec.payloadType, format, ptimeMs: ptimeFor(section, format) },
    receive: receivable(offered, mine => (isEvent(mine) ? undefined : same(section, mine)), formatOf),
    events: new Map(
      [...offered.codecs, ...section.codecs].filter(isEvent).map(c => [c.payloadType, c.clockRate]),
    ),
    sendEvents: event,
  };
}

const policyOf = (local: AudioLocal): KeyingLocal['policy'] => local.keying?.policy ?? 'off';

/** RFC 4568 over what hides the keys, or where nothing else will do; else what every phone takes. */
const wayToOffer = (local: AudioLocal): KeyingWay =>
  /^(preferred|required)$/.test(policyOf(local)) ? 'sdes' : 'none';

const same = (s: Section, mine: SdpCodec): SdpCodec | undefined =>
  s.codecs.find(c => is(c, mine.name) && c.clockRate === mine.clockRate);
const isEvent = (c: SdpCodec): boolean => is(c, 'telephone-event');

/** The first codec of the section that is allowed. */
function chosen(s: Section, allowed: readonly PhoneCodec[]): SdpCodec | undefined {
  return s.codecs.find(c => allowed.some(name => is(c, name) && c.clockRate === CLOCK[name]));
}

function formatOf(c: SdpCodec): Format {
  const codec = (Object.keys(CLOCK) as PhoneCodec[]).find(name => is(c, name)) as PhoneCodec;
  return {
    codec,
    clockRate: c.clockRate,
    ...(codec === 'opus' && { channels: 2 as const }), // RFC 7587 §7: always /2, whatever is inside
    ...(Object.keys(c.fmtp).length > 0 && { fmtp: c.fmtp }),
  };
}

/** RFC 4733 §2.1: events count with the clock of the audio beside them; some phones offer only 8000. */
function eventFor(s: Section, f: Format): { payloadType: number; clockRate: number } | undefined {
  const all = s.codecs.filter(isEvent);
  const event = all.find(c => c.clockRate === f.clockRate) ?? all[0];
  return event && { payloadType: event.payloadType, clockRate: event.clockRate };
}

/** What the peer wants to be sent, as far as the codec has such frames. */
function ptimeFor(s: Section, f: Format): number {
  const most = s.maxptimeMs ?? 60;
  const wanted = Math.min(s.ptimeMs ?? DEFAULT_PTIME_MS, most);
  const possible = f.codec === 'opus' ? PTIMES.opus : PTIMES.other;
  return possible.findLast(ms => ms <= wanted) ?? 10;
}

const ours = (f: Format, payloadType: number): SdpCodec => ({
  payloadType,
  name: f.codec,
  clockRate: f.clockRate,
  channels: f.channels ?? 1,
  fmtp: f.codec === 'opus' ? { useinbandfec: '1' } : {},
});

const ourEvent = (e: { payloadType: number; clockRate: number }): SdpCodec => ({
  payloadType: e.payloadType,
  name: 'telephone-event',
  clockRate: e.clockRate,
  channels: 1,
  fmtp: { '0-15': '' },
});

/** Why nothing of these sections can be had, in words. */
function noAudio(sections: readonly Section[], local: AudioLocal, what: 'offer' | 'answer'): Refusal {
  const audio = sections.filter(live);
  if (audio.length === 0) {
    const others = sections.map(s => `${s.kind} ${s.protocol}`).join(', ') || 'nothing';
    return refuse('client', 'no-audio', `The ${what} has no audio but ${others}; a room needs audio.`);
  }
  const policy = policyOf(local);
  if (!audio.some(s => wayOf(s, policy) !== undefined)) {
    const { reason, text } = whyUnprotected(audio, policy, what, 'audio');
    return refuse('client', reason, text);
  }
  const codecs = audio.flatMap(s => s.codecs.filter(c => !isEvent(c)).map(c => `${c.name}/${c.clockRate}`));
  const text = `The ${what} has audio in ${[...new Set(codecs)].join(', ') || 'no known codec'}; this gateway is set to ${local.codecs.join(', ')}: allow one of them on the other end, or here under sip.codecs.`;
  return refuse('client', 'no-common-codec', text);
}
