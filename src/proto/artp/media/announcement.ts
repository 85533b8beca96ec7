import { KIND, kindOf, MAX_FLOW } from './ssrc.ts';
import type { Announcement } from './types.ts';

const MAX_CLOCK_RATE = 1_000_000;

/** What the other side said is read by a schema; the values are judged here. */
export const isAnnouncement = (a: Announcement): boolean =>
  Number.isSafeInteger(a.track) &&
  a.track >= 0 &&
  Number.isInteger(a.ssrc) &&
  a.ssrc > 0 &&
  a.ssrc <= 0xffffffff &&
  kindOf(a.ssrc) === KIND.media &&
  (a.ssrc & MAX_FLOW) > 0 &&
  Number.isSafeInteger(a.seq) &&
  Number.isSafeInteger(a.pts) &&
  Number.isFinite(a.clockRate) &&
  a.clockRate > 0 &&
  a.clockRate <= MAX_CLOCK_RATE &&
  (a.kind === 'audio' || a.kind === 'video');
