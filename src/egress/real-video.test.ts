import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { gridCells } from '../../codecs/video/fit.ts';
import { openPattern, type Pattern } from '../../codecs/video/pattern.ts';
import type { PatternColour } from '../../codecs/video/pattern-code.ts';
import { h264, openViewer, realClock, vp8 } from '../../codecs/video/testing/tape.ts';
import { closeVideoWorkers } from '../../codecs/video/transcoder.ts';
import type { Format, MediaPacket, Want } from '../contract.ts';
import { Restamp } from '../media/restamp.ts';
import { RoomEgress } from './room-egress.ts';
import { FakeRoom } from './testing/room.ts';

/** Members whose cameras show patterns, and legs that decode what they get: real codecs, real workers. */
class Site {
  readonly room = new FakeRoom();
  readonly egress = new RoomEgress(this.room, { clock: realClock });
  #closed = false;
  readonly cameras: { id: string; pattern: Pattern; asked: number }[] = [];

  async camera(id: string, colour: PatternColour, format: Format, width: number, height: number) {
    const codec = format.codec as 'H264';
    const pattern = await openPattern({ codec, width, height, fps: 15, colour });
    const camera = { id, pattern, asked: 0 };
    this.cameras.push(camera);
    this.room.add({ id, source: 'camera', format });
  }

  /** A picture of each, all keyframes asked for are given, and a tick. */
  step(): void {
    for (const camera of this.cameras) {
      const asked = this.room.asked.filter(
        a => a.track === camera.id && a.feedback.type === 'keyframe',
      ).length;
      if (asked > camera.asked) camera.pattern.requestKey();
      camera.asked = asked;
      const now = realClock.now();
      camera.pattern.send(0, (p: MediaPacket) => this.room.send(camera.id, p, now), now);
    }
    this.egress.tick(realClock.now());
  }

  /** Steps until so many pictures were seen; workers take real time. */
  async until(fulfilled: () => boolean): Promise<void> {
    while (!fulfilled() && !this.#closed) {
      this.step();
      await new Promise(resolve => setTimeout(resolve, 10));
    }
  }

  async leg(want: Want, codec: 'H264' | 'VP8', areas?: Parameters<typeof openViewer>[1]) {
    const viewer = await openViewer(codec, areas);
    const restamp = new Restamp({ clockRate: 90_000, seq: 1, timestamp: 0 });
    const told: string[] = [];
    const subscription = this.egress.want(
      'viewer',
      want,
      (packet, now) => {
        restamp.map(packet, now);
        viewer.push({ ...packet, seq: restamp.seq, pts: restamp.timestamp });
      },
      e => {
        told.push(e.type === 'serving' ? `${e.track?.id ?? 'all'} ${e.how}` : e.type);
        restamp.restart();
      },
    );
    const colours = () => viewer.seen.map(s => s.patterns[0]?.colour);
    return { viewer, told, subscription, colours };
  }

  close(): void {
    this.#closed = true;
    this.egress.close();
    for (const { pattern } of this.cameras) pattern.close();
  }
}

let site: Site | undefined;
afterEach(() => site?.close());
afterAll(closeVideoWorkers);

describe('real codecs', () => {
  it('who speaks is seen whatever the codec, transcoded or not, without a damaged picture between', async () => {
    site = new Site();
    await site.camera('alice', 'green', vp8({ 'x-size': '640x480' }), 640, 480);
    await site.camera('bob', 'red', h264({ 'x-size': '640x360' }), 640, 360);
    const accept = [h264()];
    site.room.speak('alice');
    const phone = await site.leg(
      { kind: 'picture', source: 'speaker', accept, maxBps: Number.POSITIVE_INFINITY },
      'H264',
    );
    const browser = await site.leg(
      { kind: 'picture', source: 'speaker', accept: [vp8()], maxBps: Number.POSITIVE_INFINITY },
      'VP8',
    );
    const both = (colour: string, n: number) => () =>
      [phone, browser].every(leg => leg.colours().filter(c => c === colour).length >= n);
    await site.until(both('green', 10));
    site.room.speak('bob');
    await site.until(both('red', 10));
    for (const leg of [phone, browser]) {
      const colours = leg.colours();
      const turn = colours.indexOf('red');
      expect(new Set(colours.slice(0, turn))).toEqual(new Set(['green']));
      expect(new Set(colours.slice(turn))).toEqual(new Set(['red']));
      const numbers = leg.viewer.seen.slice(turn).map(s => s.patterns[0]!.frameNumber);
      expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
    }
    expect(phone.told).toEqual(['alice transcode VP8→H264', 'bob passthrough']);
    expect(browser.told).toEqual(['alice passthrough', 'bob transcode H264→VP8']);
    expect(phone.viewer.seen.at(-1)).toMatchObject({ width: 640, height: 360 });
  });

  it('a grid shows all of them, each in its place', async () => {
    site = new Site();
    await site.camera('alice', 'green', vp8({ 'x-size': '640x480' }), 640, 480);
    await site.camera('bob', 'red', h264({ 'x-size': '640x360' }), 640, 360);
    const want = {
      kind: 'picture',
      source: 'grid',
      accept: [h264()],
      maxBps: Number.POSITIVE_INFINITY,
    } as const;
    // The pattern of alice stands in the middle of its cell, 4:3.
    const leg = await site.leg(want, 'H264', size => {
      const [first, second] = gridCells(2, size) as [never, never];
      return [inside(first, 640, 480), inside(second, 640, 360)];
    });
    const seen = () => leg.viewer.seen.at(-1)?.patterns.map(p => p?.colour);
    await site.until(() => JSON.stringify(seen()) === '["green","red"]');
    expect(leg.told).toEqual(['all grid']);
    expect(leg.viewer.seen.at(-1)).toMatchObject({ width: 1280, height: 720 });
  });
});

const inside = (
  cell: { x: number; y: number; width: number; height: number },
  width: number,
  height: number,
) => {
  const scale = Math.min(cell.width / width, cell.height / height);
  const [w, h] = [Math.round(width * scale), Math.round(height * scale)];
  return { x: cell.x + (cell.width - w) / 2, y: cell.y + (cell.height - h) / 2, width: w, height: h };
};
