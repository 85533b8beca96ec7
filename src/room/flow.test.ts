import { describe, expect, it } from 'vitest';
import { TrackFlow } from './flow.ts';

const packet = { seq: 1, pts: 0, marker: false, payload: new Uint8Array(1) };

function world() {
  const flow = new TrackFlow('anna', undefined, () => {});
  const told: [pts: number, captureMs: number][] = [];
  const pull = (): (() => void) =>
    flow.pull(
      () => {},
      (pts, captureMs) => void told.push([pts, captureMs]),
    ).close;
  return { flow, told, pull };
}

describe('the capture clock of a track', () => {
  it('is told to who pulls, at once, and when it is told anew', () => {
    const { flow, told, pull } = world();
    flow.clock(160, 1000, 0);
    expect(told).toEqual([]);
    const close = pull();
    expect(told).toEqual([[160, 1000]]);
    flow.clock(8160, 2000, 1000);
    expect(told.at(-1)).toEqual([8160, 2000]);
    close();
    flow.clock(16_160, 3000, 2000);
    expect(told.length).toBe(2);
  });

  it('goes on twice a second at most, the newest with a packet', () => {
    const { flow, told, pull } = world();
    pull();
    for (let now = 0; now <= 1100; now += 10) {
      flow.clock(now, now, now);
      flow.sink(packet, now);
    }
    expect(told).toEqual([
      [0, 0],
      [500, 500],
      [1000, 1000],
    ]);
    flow.sink(packet, 1490);
    expect(told.length).toBe(3);
    flow.sink(packet, 1500);
    expect(told.at(-1)).toEqual([1100, 1100]);
  });

  it('of another clock rate is forgotten', () => {
    const { flow, told, pull } = world();
    flow.clock(0, 0, 0);
    flow.clock(1, 1, 1);
    flow.forgetClock();
    pull();
    flow.sink(packet, 1000);
    expect(told).toEqual([]);
  });
});

describe('what the publisher is asked to send at most', () => {
  it('is what the best of all processes can take, and nothing once one takes all', () => {
    const asked: unknown[] = [];
    const flow = new TrackFlow('anna', undefined, f => void asked.push(f));
    const pull = () =>
      flow.pull(
        () => {},
        () => {},
      );
    const said = (): unknown[] => asked.splice(0).map(f => (f as { bps: number }).bps);
    const [a, b] = [pull(), pull()];
    a.feedback({ type: 'bitrate', bps: 300_000 });
    expect(said()).toEqual([]); // the other has told no limit
    b.feedback({ type: 'bitrate', bps: 700_000 });
    expect(said()).toEqual([700_000]);
    b.feedback({ type: 'bitrate', bps: 200_000 });
    expect(said()).toEqual([300_000]);
    a.close();
    expect(said()).toEqual([200_000]);
    pull();
    expect(said()).toEqual([10_000_000]);
    b.feedback({ type: 'keyframe' });
    expect(asked).toEqual([{ type: 'keyframe' }]);
  });
});
