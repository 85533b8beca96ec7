import type { Clock, Format } from '../contract.ts';
import { MadeFlow } from './made-flow.ts';
import type { PictureCache } from './picture-cache.ts';
import type { VideoCodecs } from './video-codecs.ts';
import { VideoFeed } from './video-feed.ts';
import type { VideoTarget } from './video-target.ts';

/** What is needed to make pictures. */
export interface Workshop {
  readonly codecs: VideoCodecs;
  readonly clock: Clock;
}

/**
 * Pictures of format `from` in another codec, size or bit rate, made once for all of this process who want them so.
 * `done` gives `source`, the pictures as they are, back.
 */
export function transcodeFlow(
  from: Format,
  source: PictureCache,
  target: VideoTarget,
  { codecs, clock }: Workshop,
  done: () => void,
): MadeFlow {
  let feed: VideoFeed | undefined;
  /** Of a kept group no second time: if the worker was too slow for it, it would be again. */
  const asks = source.group === undefined;
  let keyNeeded = false;
  const whole = target.classBps === undefined;
  const flow = new MadeFlow(`transcode ${from.codec}→${target.format.codec}`, target, {
    ...(!whole && { limits: source.tap }),
    tick(now) {
      if (keyNeeded) feed?.refresh(now);
      keyNeeded = false;
      feed?.tick(now);
    },
    close() {
      feed?.close();
      source.tap.limit(flow, undefined);
      done();
    },
  });
  if (whole) source.tap.limit(flow, Number.POSITIVE_INFINITY);
  flow.open(
    on =>
      codecs.openVideoTranscoder(from, target.format, {
        ...on,
        maxFps: target.maxFps,
        onKeyNeeded: () => void (keyNeeded = asks),
        clock,
      }),
    transcoder => {
      feed = new VideoFeed(
        source,
        (packet, now) => transcoder.push(packet, now),
        () => transcoder.restart(),
        Number.POSITIVE_INFINITY,
      );
      feed.start(clock.now());
    },
  );
  return flow;
}
