import type { Termination } from '../../src/contract.ts';
import type { StatusCode } from '../../src/proto/rtmp/status.ts';

/** Reasons that mean "you may not", whoever says so. */
const DENIED = new Set([
  'not-authorized',
  'not-permitted',
  'too-many-tries',
  'wrong-pin',
  'room-locked',
  'banned',
  'kicked',
]);
const NOT_FOUND = new Set(['no-such-member', 'no-such-participant', 'no-such-room']);

/** The `onStatus` code a refused `publish` or `play` gets; the sentence goes into its description. */
export function statusOf(asked: 'publish' | 'play', why: Termination): StatusCode {
  if (asked === 'publish')
    return DENIED.has(why.reason) ? 'NetStream.Publish.Denied' : 'NetStream.Publish.BadName';
  return NOT_FOUND.has(why.reason) ? 'NetStream.Play.StreamNotFound' : 'NetStream.Play.Failed';
}
