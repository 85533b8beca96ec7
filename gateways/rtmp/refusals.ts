import type { Termination } from '../../src/contract.ts';
import type { StatusCode } from '../../src/proto/rtmp/status.ts';

/** Slugs that mean "you may not", whoever says so. */
const denied =
  /^(auth|unauthori[sz]ed|forbidden|denied|token|credential|banned|kicked|wrong-pin|pin|locked|room-locked)/;
const notFound = /^(no-such|not-found|unknown)-?(member|stream|participant|track|room)?$/;

/** The `onStatus` code a refused `publish` or `play` gets; the sentence goes into its description. */
export function statusOf(asked: 'publish' | 'play', why: Termination): StatusCode {
  if (asked === 'publish')
    return denied.test(why.reason) ? 'NetStream.Publish.Denied' : 'NetStream.Publish.BadName';
  return notFound.test(why.reason) ? 'NetStream.Play.StreamNotFound' : 'NetStream.Play.Failed';
}
