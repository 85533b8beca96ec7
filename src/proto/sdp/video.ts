/** Offer and answer of one video stream (RFC 3264), as pure functions over sections. */
import type { Format, VideoCodec } from '../../contract.ts';
import {
  h264Accepted,
  h264Answer,
  h264Choice,
  h264Distance,
  h264Offer,
  h264Twin,
  type Mode,
} from './h264.ts';
import {
  acceptKeying,
  answerKeying,
  bestSection,
  type Keying,
  type KeyingLocal,
  type KeyingWay,
  offerKeying,
  type SrtpPolicy,
} from './keying.ts';
import type { Bandwidth, Direction, Sdp, SdpCodec, Section } from './sdp.ts';
import {
  common,
  directionOf,
  echoed,
  is,
  listed,
  liveVideo,
  receivable,
  receives,
  reverse,
  type Targets,
  targets,
} from './section.ts';

/** What our end has to say of pictures. */
export interface VideoLocal {
  /** Allowed codecs, the best liked first. */
  readonly codecs: readonly VideoCodec[];
  readonly direction: Direction;
  /** What we take and send at most. */
  readonly maxBps: number;
  /** Without it media is plain, whatever comes. */
  readonly keying?: KeyingLocal;
}

/** What a section may be: the camera's (or whatever is shown first), or slides beside it (RFC 4796). */
export type VideoPart = 'main' | 'slides';

/** What both ends agreed on, from our side. */
export interface VideoPlan extends Targets {
  /** Index of the `m=` line. */
  readonly index: number;
  readonly peer: Direction;
  readonly direction: Direction;
  /** What may be sent and as what, the best liked first; the formats are what the peer accepts. */
  readonly send: readonly { readonly payloadType: number; readonly format: Format }[];
  /** Payload types that may come. */
  readonly receive: ReadonlyMap<number, Format>;
  readonly feedback: VideoFeedback;
  /** What the peer takes, and we send, at most. */
  readonly maxBps: number;
}

/** RTCP feedback both ends speak: RFC 4585 NACK and PLI, RFC 5104 FIR and TMMBR. */
export interface VideoFeedback {
  readonly nack: boolean;
  readonly pli: boolean;
  readonly fir: boolean;
  /** RFC 5104 §3.5.4: each end may tell the other what to send at most. */
  readonly tmmbr?: true;
}

const CLOCK_HZ = 90_000;
const FEEDBACK = { nack: 'nack', pli: 'nack pli', fir: 'ccm fir', tmmbr: 'ccm tmmbr' } as const;
/** Of a limit for a whole session: what its sound may take. */
const SOUND_BPS = 64_000;
/** `b=AS` counts the headers of IP, UDP and RTP, which are a twentieth of full packets (RFC 3890 §1.1.2). */
const HEADERS = 0.05;

/** Where a description has video that can be had: the first of each part. */
export function videoSections(
  sdp: Sdp,
  codecs: readonly VideoCodec[],
  policy: SrtpPolicy = 'off',
): Partial<Readonly<Record<VideoPart, number>>> {
  const first = (part: VideoPart): number =>
    bestSection(
      sdp.sections,
      policy,
      s => liveVideo(s) && partOf(s) === part && chosen(s.codecs, codecs).length > 0,
    );
  const [main, slides] = [first('main'), first('slides')];
  return { ...(main >= 0 && { main }), ...(slides >= 0 && { slides }) };
}

export const partOf = (s: Section): VideoPart =>
  s.content?.split(',').includes('slides') ? 'slides' : 'main';

/** Answers section `index` of `offer`, which `videoSections` found. `port`: ours; `before`: the protection that holds. */
export function answerVideo(
  offer: Sdp,
  index: number,
  local: VideoLocal,
  port: number,
  before?: Keying,
): { section: Section; plan: VideoPlan } {
  const offered = offer.sections[index] as Section;
  const codecs = chosen(offered.codecs, local.codecs);
  const { said, keying } = answerKeying(offered, local.keying, before);
  const to = targets(offered, offered.rtcpMux === true, keying);
  const plan = planOf(offer, index, codecs, local, local.direction, to);
  return {
    section: {
      kind: 'video',
      port,
      ...said,
      ...echoed(offered),
      ...listed(codecs.map(c => (is(c, 'H264') ? { ...c, fmtp: h264Answer(c) } : { ...c, fmtp: {} }))),
      direction: plan.direction,
      bandwidth: limits(local.maxBps),
      ...echoedFeedback(offered, codecs),
    },
    plan: { ...plan, receive: new Map(plan.send.map(s => [s.payloadType, s.format])) },
  };
}

/** Offers every codec of `local`, protected in `way`; `known`, our section before, keeps what payload types mean. */
export function offerVideo(
  local: VideoLocal,
  port: number,
  way: KeyingWay,
  known?: Section,
  before?: Keying,
): Section {
  const taken = new Set(known?.codecs.map(c => c.payloadType));
  const place = (mine: Omit<SdpCodec, 'payloadType'>, preferred: number): SdpCodec => {
    const before = twinOf({ ...mine, payloadType: preferred }, known?.codecs ?? []);
    let { payloadType } = before ?? { payloadType: preferred };
    while (before === undefined && taken.has(payloadType)) payloadType++;
    taken.add(payloadType);
    return { ...mine, payloadType, fmtp: before?.fmtp ?? mine.fmtp };
  };
  const h264 = (mode: Mode) => ({ name: 'H264', clockRate: CLOCK_HZ, channels: 1, fmtp: h264Offer(mode) });
  const codecs = local.codecs.flatMap(name =>
    name === 'H264'
      ? [place(h264('1'), 97), place(h264('0'), 98)]
      : [place({ name, clockRate: CLOCK_HZ, channels: 1, fmtp: {} }, 99)],
  );
  return {
    kind: 'video',
    port,
    // AVP with rtcp-fb all the same: phones that know only AVP refuse AVPF, the others read it.
    ...offerKeying(local.keying, way, known, before),
    ...(known && echoed(known)),
    ...listed(codecs),
    direction: local.direction,
    bandwidth: limits(local.maxBps),
    feedback: Object.values(FEEDBACK).map(type => ({ payloadType: '*' as const, type })),
    rtcpMux: true,
  };
}

/** Takes the peer's answer to section `index` of `offer` (ours); undefined when it wants no picture. */
export function acceptVideo(
  answer: Sdp,
  offer: Sdp,
  index: number,
  local: VideoLocal,
  before?: Keying,
): VideoPlan | undefined {
  const [mine, theirs] = [offer.sections[index], answer.sections[index]];
  if (mine === undefined || theirs === undefined || !liveVideo(theirs)) return undefined;
  const keying = acceptKeying(theirs, mine, local.keying, before);
  if (typeof keying === 'string') return undefined;
  const codecs = chosen(theirs.codecs, local.codecs);
  if (codecs.length === 0) return undefined;
  const mux = mine.rtcpMux === true && theirs.rtcpMux === true;
  const plan = planOf(answer, index, codecs, local, mine.direction, targets(theirs, mux, keying));
  const both = (type: string): boolean => has(mine, mine.codecs, type) && has(theirs, codecs, type);
  return {
    ...plan,
    receive: receivable(mine, c => twinOf(c, theirs.codecs), accepted),
    feedback: {
      nack: both(FEEDBACK.nack),
      pli: both(FEEDBACK.pli),
      fir: both(FEEDBACK.fir),
      ...(both(FEEDBACK.tmmbr) && { tmmbr: true }),
    },
  };
}

/** As what a picture in `format` goes out: the nearest profile that decodes it, or any of its codec. */
export function sendAs(plan: Pick<VideoPlan, 'send'>, format: Format): number | undefined {
  const same = plan.send.filter(s => s.format.codec === format.codec);
  if (format.codec !== 'H264') return same[0]?.payloadType;
  const distance = (s: VideoPlan['send'][number]): number => h264Distance(s.format, format);
  const able = same.filter(s => distance(s) >= 0).sort((a, b) => distance(a) - distance(b));
  return (able[0] ?? same.at(-1))?.payloadType;
}

function planOf(
  theirs: Sdp,
  index: number,
  codecs: readonly SdpCodec[],
  local: VideoLocal,
  ours: Direction,
  to: Targets,
): VideoPlan {
  const section = theirs.sections[index] as Section;
  const maxBps = Math.min(local.maxBps, limitOf(section, theirs));
  const agreed = common(reverse(directionOf(section)), ours);
  return {
    index,
    ...to,
    peer: directionOf(section),
    // RFC 8866 §5.8 knows no word for it, but b=AS:0 is how some say "nothing".
    direction: maxBps > 0 ? agreed : receives(agreed) ? 'recvonly' : 'inactive',
    send: codecs.map(c => ({ payloadType: c.payloadType, format: accepted(c) })),
    receive: new Map(),
    feedback: {
      nack: has(section, codecs, FEEDBACK.nack),
      pli: has(section, codecs, FEEDBACK.pli),
      fir: has(section, codecs, FEEDBACK.fir),
      ...(has(section, codecs, FEEDBACK.tmmbr) && { tmmbr: true }),
    },
    maxBps,
  };
}

/** One codec, the best liked that is there; of H.264 all profiles that can be had, so that most pictures pass untouched. */
function chosen(codecs: readonly SdpCodec[], allowed: readonly VideoCodec[]): SdpCodec[] {
  const sane = codecs.filter(c => c.clockRate === CLOCK_HZ);
  for (const name of allowed) {
    const found = name === 'H264' ? h264Choice(sane) : sane.filter(c => is(c, name)).slice(0, 1);
    if (found.length > 0) return found;
  }
  return [];
}

const twinOf = (mine: SdpCodec, others: readonly SdpCodec[]): SdpCodec | undefined =>
  is(mine, 'H264') ? h264Twin(mine, others) : others.find(c => is(c, mine.name));

const accepted = (c: SdpCodec): Format => (is(c, 'H264') ? h264Accepted(c) : acceptedVp8(c));

function acceptedVp8(c: SdpCodec): Format {
  const said = ['max-fs', 'max-fr'].filter(key => /^\d{1,9}$/.test(c.fmtp[key] ?? '')); // RFC 7741 §6.1
  const fmtp = Object.fromEntries(said.map(key => [key, c.fmtp[key] as string]));
  return { codec: 'VP8', clockRate: CLOCK_HZ, ...(said.length > 0 && { fmtp }) };
}

const has = (s: Section, codecs: readonly SdpCodec[], type: string): boolean =>
  s.feedback?.some(
    f => f.type === type && (f.payloadType === '*' || codecs.some(c => c.payloadType === f.payloadType)),
  ) === true;

/** RFC 4585 §4.2: an answer repeats what it takes of the offer, for the same payload types. */
function echoedFeedback(s: Section, codecs: readonly SdpCodec[]): Pick<Section, 'feedback'> {
  const feedback = Object.values(FEEDBACK).flatMap(type =>
    (['*', ...codecs.map(c => c.payloadType)] as const)
      .filter(payloadType => s.feedback?.some(f => f.type === type && f.payloadType === payloadType))
      .map(payloadType => ({ payloadType, type })),
  );
  return feedback.length > 0 ? { feedback } : {};
}

/** What the other end takes of pictures, by the `b=` lines of the section and of the session. */
function limitOf(section: Section, sdp: Sdp): number {
  return Math.floor(Math.min(limitBy(section), Math.max(0, limitBy(sdp) - SOUND_BPS)));
}

/** Of two lines TIAS is the exact one (RFC 3890 §6.4). */
function limitBy({ bandwidth = [] }: Pick<Section, 'bandwidth'>): number {
  const value = (type: Bandwidth['type']): number | undefined => bandwidth.find(b => b.type === type)?.value;
  const [exact, gross] = [value('TIAS'), value('AS') ?? value('CT')];
  return exact ?? (gross === undefined ? Number.POSITIVE_INFINITY : gross * 1000 * (1 - HEADERS));
}

const limits = (maxBps: number): readonly Bandwidth[] => [
  { type: 'AS', value: Math.ceil((maxBps * (1 + HEADERS)) / 1000) },
  { type: 'TIAS', value: maxBps },
];
