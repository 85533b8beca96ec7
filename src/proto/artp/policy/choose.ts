import type { Choice, PolicyInput } from './choice.ts';
import { chooseAudio } from './choose-audio.ts';
import { chooseVideo } from './choose-video.ts';

/**
 * What to spend against loss: every candidate is played over what really happened on the paths in the last 10 s; the
 * cheapest that leaves at most 1 % missing, within the delay budget and the rate the path takes; else the best that fits.
 * Pure: the same input gives the same choice.
 */
export const choosePolicy = (input: PolicyInput): Choice =>
  input.media === 'audio' ? chooseAudio(input) : chooseVideo(input);
