import type { Clock } from '../contract.ts';
import type { Flow } from './flow.ts';
import { MadeFlow } from './made-flow.ts';
import type { VideoCodecs } from './video-codecs.ts';
import { VideoFeed } from './video-feed.ts';
import type { VideoTarget } from './video-target.ts';

/** What is needed to make pictures. */
export interface Workshop {
  readonly codecs: VideoCodecs;
  readonly clock: Clock;
}

/**
 * The pictures of `from` in another codec, size or bit rate, made once for all of this process who want them so.
 * `done` gives `from` back. `how`: as told to legs, unless it is the transcode that matters.
 */
export function transcodeFlow(
  from: Flow,
  target: VideoTarget,
  { codecs, clock }: Workshop,
  done: () => void,
  how = `transcode ${from.format.codec}→${target.format.codec}`,
): MadeFlow {
  const { cache: source } = from;
  let feed: VideoFeed | undefined;
  /** Of a kept group no second time: if the worker was too slow for it, it would be again. */
  const asks = source.group === undefined;
  let keyNeeded = false;
  const whole = target.classBps === undefined;
  const flow = new MadeFlow(how, target, {
    ...(!whole && { limits: source.tap }),
    timeOf: pts => from.timeOf(pts), // transcoders keep the times of pictures
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
      codecs.openVideoTranscoder(from.format, target.format, {
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
