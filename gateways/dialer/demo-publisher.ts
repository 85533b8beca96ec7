import { Camera } from './camera.ts';
import type { DemoMember, DemoPart } from './demo-member.ts';
import { openPart } from './demo-sounds.ts';
import { publish } from './rtmp-publish.ts';
import { openRtmpStream } from './rtmp-stream.ts';

/** A mini-program's push: RTMP with AAC and H.264. Rejects with a Refusal when the server does not take it. */
export async function publishAsMiniProgram(o: DemoPart): Promise<DemoMember> {
  const { place, user, clock } = o;
  const closers: (() => void)[] = [];
  const close = async (): Promise<void> => {
    for (const end of closers.splice(0).reverse()) end();
  };
  try {
    // Whatever cannot be coded here is said before anybody is called.
    const sound = await openPart(o.part, { codec: 'AAC', clockRate: 48_000, channels: 1 });
    const camera = o.studio && new Camera(o.studio, o.picture, o.say);
    if (camera) closers.push(() => camera.close());
    const token = await place.token?.(user);
    const query = token === undefined ? '' : `?token=${encodeURIComponent(token)}`;
    const stream = await openRtmpStream({
      ...place.rtmp,
      mode: 'publish',
      name: `${encodeURIComponent(place.room)}/${encodeURIComponent(user)}${query}`,
      clock,
    });
    closers.push(() => stream.close());
    closers.push(publish(stream, sound, clock, camera && { camera, ...o.picture }));
    return { gone: stream.gone, close };
  } catch (error) {
    await close();
    throw error;
  }
}
