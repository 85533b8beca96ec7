import { type Refusal, refuse, type Termination } from '../../src/kit/refusal.ts';
import type { Facts } from './facts.ts';

/** Where a dial can break, in the order of the way. */
type Hop =
  | 'name-resolution'
  | 'transport'
  | 'signalling'
  | 'ice'
  | 'dtls'
  | 'media-out'
  | 'media-in'
  | 'tone'
  | 'picture-out'
  | 'picture-in'
  | 'interrupted';

/** How a hop fails: thrown by the callers, read by `judge`. */
export const failed = (hop: Hop, text: string): Refusal => refuse('upstream', hop, text);

export interface Verdict {
  readonly pass: boolean;
  /** The hop that failed; a reason of another kind (a missing codec) stands as it is. */
  readonly hop?: string;
  /** One sentence. */
  readonly text: string;
}

/** An expected tone is heard from here on, dBFS. */
const EXPECTED_DB = -40;

/** What a dial came to. `failure`: what ended it before its time. */
export function judge(f: Facts, failure?: Termination): Verdict {
  if (failure !== undefined) return no(failure.reason, failure.text ?? failure.reason);
  return sound(f) ?? picture(f) ?? { pass: true, text: 'Every hop held.' };
}

function sound(f: Facts): Verdict | undefined {
  const nothingIn = f.in.packets === 0;
  if (f.proof === 'none' || f.proof === 'playback') return streamed(f, nothingIn);
  if (nothingIn && !f.out.reported)
    return no('media-out', `Media: nothing went through either way${toward(f)}; ${PATH}.`);
  if (nothingIn)
    return no(
      'media-in',
      `Media in: the server hears us, but no packet of it came in ${secs(f.talkedMs)}; a firewall or NAT on the way back, or it was told a wrong address.`,
    );
  if (!f.out.reported)
    return no(
      'media-out',
      f.out.reports > 0
        ? `Media out: the server sends and reports, but none of its ${f.out.reports} RTCP reports says it received any of our ${f.out.packets} packets${toward(f)}; ${PATH}.`
        : `Media out: the server sends, but no RTCP report came in ${secs(f.talkedMs)}, so nobody knows whether our ${f.out.packets} packets arrive${toward(f)}; see whether RTCP is blocked, and dial longer.`,
    );
  if (f.out.lossPercent === 100)
    return no('media-out', `Media out: the server reports every packet lost${toward(f)}; ${PATH}.`);
  return missed(f);
}

/** RTMP: over TCP, so that what was not refused arrives; the proof is that it can be played. */
function streamed(f: Facts, nothingIn: boolean): Verdict | undefined {
  if (f.proof === 'playback' && !f.out.reported)
    return no(
      'media-out',
      `Media out: the server took the stream, but our tone was not in what it plays of it in ${secs(f.talkedMs)}; see its log for what it says of our sound.`,
    );
  if (nothingIn)
    return no(
      'media-in',
      `Media in: the server plays, but no sound came in ${secs(f.talkedMs)}; see its log for what it says of the player.`,
    );
  return missed(f);
}

const missed = (f: Facts): Verdict | undefined =>
  f.expectHz !== undefined && (f.in.expectedDb ?? Number.NEGATIVE_INFINITY) < EXPECTED_DB
    ? no('tone', unheard(f, f.expectHz))
    : undefined;

function picture({
  pictureOut: out,
  pictureIn: seen,
  expectPicture,
  proof,
  ...f
}: Facts): Verdict | undefined {
  if (out !== undefined && out.packets === 0)
    return no('picture-out', 'Picture out: none could be made here; sound went. See the notes.');
  if (out !== undefined && !out.reported)
    return no(
      'picture-out',
      proof === 'playback'
        ? `Picture out: the server took the stream, but our picture was not in what it plays of it in ${secs(f.talkedMs)}; see its log for what it says of our picture.`
        : `Picture out: sound arrives, but the server does not say that it received any of our ${out.packets} packets of ${out.codec}; see whether UDP to its other media ports is blocked.`,
    );
  if (out?.lossPercent === 100)
    return no('picture-out', 'Picture out: the server reports every packet of our picture lost.');
  if (seen !== undefined && seen.packets > 0 && seen.pictures === 0)
    return no(
      'picture-in',
      `Picture in: ${seen.packets} packets of ${seen.codec ?? 'a picture'} came, but no picture could be decoded of them (keyframes asked for: ${seen.keyframesAsked}); see whether its sender sends keyframes.`,
    );
  if (expectPicture && !((seen?.pictures ?? 0) > 0))
    return no(
      'picture-in',
      `Picture in: none came in ${secs(f.talkedMs)}; see whether somebody in the room shows one, and the notes.`,
    );
  return undefined;
}

const PATH = 'UDP to its media ports is blocked on the way, or its externalAddress is wrong';

const no = (hop: string, text: string): Verdict => ({ pass: false, hop, text });
const toward = ({ mediaTo }: Facts): string => (mediaTo === undefined ? '' : ` (sent to ${mediaTo})`);
const secs = (ms: number): string => `${Math.max(1, Math.round(ms / 1000))} s`;

function unheard({ in: { expectedDb, levelDb, strongestHz } }: Facts, hz: number): string {
  const heard =
    strongestHz === undefined || levelDb === undefined
      ? 'there was only silence'
      : `the strongest sound was ${strongestHz} Hz at ${levelDb.toFixed(0)} dBFS`;
  const level = expectedDb === undefined ? '' : ` (it was at ${expectedDb.toFixed(0)} dBFS)`;
  return `Tone: ${hz} Hz was not heard at ${EXPECTED_DB} dBFS or more${level}; ${heard}: see whether its sender is in the room, unmuted, all the while.`;
}
