/** Offer and answer of a whole call: sound, and the pictures that go with it. */
import { Refusal } from '../../kit/refusal.ts';
import {
  type AudioLocal,
  type AudioPlan,
  acceptAudio,
  answerAudio,
  offerAudio,
  type PhoneCodec,
} from './audio.ts';
import type { KeyingWay } from './keying.ts';
import type { Sdp, Section } from './sdp.ts';
import { live, liveVideo } from './section.ts';
import {
  acceptVideo,
  answerVideo,
  offerVideo,
  partOf,
  type VideoLocal,
  type VideoPart,
  type VideoPlan,
  videoSections,
} from './video.ts';

export interface CallLocal {
  readonly audio: AudioLocal;
  readonly video: VideoLocal;
  /** The parts of video we have a port for; without one a part is neither offered nor answered. */
  readonly videoPorts: Partial<Readonly<Record<VideoPart, number>>>;
}

export interface CallPlan {
  readonly audio: AudioPlan;
  readonly video: Partial<Readonly<Record<VideoPart, VideoPlan>>>;
}

const PARTS: readonly VideoPart[] = ['main', 'slides'];

/** Sound must be had, or the call is refused; video that cannot be had is rejected in its place. `before`: what holds. */
export function answerCall(
  offer: Sdp,
  local: CallLocal,
  before?: CallPlan,
): { sdp: Sdp; plan: CallPlan } | Refusal {
  const answered = answerAudio(offer, local.audio, before?.audio.keying);
  if (answered instanceof Refusal) return answered;
  const sections = [...answered.sdp.sections];
  const where = videoSections(offer, local.video.codecs, local.video.keying?.policy);
  const video: Partial<Record<VideoPart, VideoPlan>> = {};
  for (const part of PARTS) {
    const [index, port] = [where[part], local.videoPorts[part]];
    if (index === undefined || port === undefined) continue;
    const { section, plan } = answerVideo(offer, index, local.video, port, before?.video[part]?.keying);
    sections[index] = section;
    video[part] = plan;
  }
  return { sdp: { ...answered.sdp, sections }, plan: { audio: answered.plan, video } };
}

/**
 * `previous` (our last description) keeps every section in its place; `before`: what holds. Video goes where it was,
 * else into a place of video that is free, else behind the rest (RFC 3264 §8.1); new, it is protected as the sound is.
 */
export function offerCall(local: CallLocal, previous?: Sdp, before?: CallPlan): Sdp {
  const inUse = before?.audio.send.format.codec as PhoneCodec | undefined;
  const offer = offerAudio(local.audio, previous, inUse, before?.audio.keying);
  const way = wayIn(offer);
  const sections = [...offer.sections];
  const free = (): number => sections.findIndex(s => s.kind === 'video' && s.port === 0);
  for (const part of PARTS) {
    const port = local.videoPorts[part];
    if (port === undefined) continue;
    const known = previous && ownVideo(previous, part);
    const index = known?.index ?? free();
    sections[index < 0 ? sections.length : index] = offerVideo(
      local.video,
      port,
      way,
      known?.section,
      before?.video[part]?.keying,
    );
  }
  return { ...offer, sections };
}

/** A Refusal when the answer leaves no sound or breaks the rules; without video in it there is none. `before`: what holds. */
export function acceptCall(answer: Sdp, offer: Sdp, local: CallLocal, before?: CallPlan): CallPlan | Refusal {
  const audio = acceptAudio(answer, offer, local.audio, before?.audio.keying);
  if (audio instanceof Refusal) return audio;
  const video: Partial<Record<VideoPart, VideoPlan>> = {};
  for (const part of PARTS) {
    const index = ownVideo(offer, part)?.index;
    const held = before?.video[part]?.keying;
    const plan = index === undefined ? undefined : acceptVideo(answer, offer, index, local.video, held);
    if (plan !== undefined) video[part] = plan;
  }
  return { audio, video };
}

/** How the sound of a description of ours is protected. */
function wayIn(sdp: Sdp): KeyingWay {
  const audio = sdp.sections.find(live);
  return audio?.crypto ? 'sdes' : audio?.fingerprints ? 'dtls' : 'none';
}

/** Where a description of ours has a part of video. */
function ownVideo(sdp: Sdp, part: VideoPart): { index: number; section: Section } | undefined {
  const index = sdp.sections.findIndex(s => liveVideo(s) && partOf(s) === part);
  const section = sdp.sections[index];
  return section && { index, section };
}
