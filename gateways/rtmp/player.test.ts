import { describe, expect, it } from 'vitest';
import { h264Packetizer } from '../../codecs/h264/packetize.ts';
import type { Clock, LadderStep, LegRequest } from '../../src/contract.ts';
import { readVideoTag } from '../../src/proto/rtmp/flv.ts';
import type { ServerInput } from '../../src/proto/rtmp/server-types.ts';
import { Events, FakeSeat, fakeHost } from '../../test/harness/fakes.ts';
import type { Peer } from './peer.ts';
import { Player } from './player.ts';

const SPS = Buffer.from('6742c01ed90280bfe5c044000003000400000300c83c58b920', 'hex');
const PPS = Buffer.from('68cb83cb20', 'hex');

/** A room player on a peer whose queue the test fills, in time the test makes. */
function stage(soundKnown = true, ladder: (step: LadderStep) => void = () => {}) {
  let now = 0;
  const due: { when: number; run: () => void }[] = [];
  const clock: Clock = {
    now: () => now,
    at(when, run) {
      const item = { when, run };
      due.push(item);
      return () => void due.splice(due.indexOf(item), 1);
    },
  };
  const sent: ServerInput[] = [];
  let queuedBytes = 0;
  const peer: Peer = {
    id: 'c1',
    address: '127.0.0.1',
    asked: Promise.resolve(undefined),
    ended: new Promise(() => {}),
    get queuedBytes() {
      return queuedBytes;
    },
    send: input => void sent.push(input),
    attach() {},
  };
  const host = fakeHost({ clock, ladder: (_, step) => ladder(step) });
  const seat = new FakeSeat();
  const events = new Events();
  const path = { room: '1000', screen: false };
  const player = new Player(host, { leg: 'l1' } as LegRequest, seat, events.emit, peer, {
    path,
    maxPictureBps: 1e6,
  });
  player.begin();
  const [sound, picture] = seat.subscriptions;
  if (soundKnown) sound!.on({ type: 'idle' });
  picture!.on({ type: 'serving', how: 'passthrough', format: { codec: 'H264', clockRate: 90000 } });
  const pack = h264Packetizer();
  let seq = 0;
  return {
    host,
    events,
    sent,
    sound: sound!,
    picture: picture!,
    /** One picture of `bytes` now; the connection sends nothing, so it stays queued. */
    frame(key: boolean, bytes: number): void {
      const unit = Buffer.alloc(bytes, key ? 0x65 : 0x41);
      pack(key ? [SPS, PPS, unit] : [unit], key, (payload, mark) =>
        picture!.sink({ seq: seq++, pts: now * 90, marker: mark.end, payload, frame: mark }, now),
      );
    },
    pass(ms: number): void {
      now += ms;
      for (const item of due.splice(0)) item.when <= now ? item.run() : due.push(item);
    },
    queue(bytes: number): void {
      queuedBytes = bytes;
    },
    pictures: () =>
      sent.flatMap(s => {
        if (s.type !== 'media' || s.media !== 'video') return [];
        const tag = readVideoTag(Buffer.concat(s.parts));
        return tag.type === 'frame' ? [tag.key ? 'key' : 'inter'] : [];
      }),
  };
}

it('the beginning tells of sound and picture, however late the sound is', () => {
  const s = stage(false);
  s.frame(true, 500);
  s.frame(false, 300);
  s.pass(100);
  expect(s.sent.map(i => i.type)).toEqual(['accept']);
  const format = { codec: 'AAC', clockRate: 48000, channels: 1, fmtp: { config: '1188' } } as const;
  s.sound.on({ type: 'serving', how: 'mix', format });
  s.pass(20);
  s.sound.sink({ seq: 0, pts: 0, marker: false, payload: Buffer.of(0x21) }, 120);
  expect(
    s.sent
      .slice(1)
      .map(i =>
        i.type === 'media' ? `${i.media} ${Buffer.concat(i.parts).subarray(0, 2).toString('hex')}` : i.type,
      ),
  ).toEqual(['metadata', 'audio af00', 'video 1700', 'video 1701', 'video 2701', 'audio af01']);
  expect(s.sent[1]).toMatchObject({ values: { audiocodecid: 10, videocodecid: 7 } });
});

it('sound and picture stand where the room says that they belong, however late they come', () => {
  const s = stage();
  s.sound.time = pts => 10 + pts / 48;
  s.picture.time = pts => pts / 90 - 490;
  const format = { codec: 'AAC', clockRate: 48000, channels: 1, fmtp: { config: '1188' } } as const;
  s.sound.on({ type: 'serving', how: 'mix', format });
  s.pass(700);
  s.frame(true, 500); // pts of 700 ms, which belong to 210 ms
  s.sound.sink({ seq: 0, pts: 48 * 200, marker: false, payload: Buffer.of(0x21) }, 700);
  s.pass(40);
  s.frame(false, 500);
  const times = (media: string): number[] =>
    s.sent.flatMap(i => (i.type === 'media' && i.media === media ? [i.timestampMs] : []));
  const [picture, next] = times('video').slice(1);
  expect(times('audio').at(-1)).toBe(picture);
  expect(next! - picture!).toBe(40);
});

it('times that went back stay where they were; a room that knows none leaves it to arrival', () => {
  const s = stage();
  s.pass(100);
  s.frame(true, 500);
  s.picture.time = pts => pts / 90 - 1000;
  s.pass(40);
  s.frame(false, 500);
  const [config, first, second] = s.sent.flatMap(i => (i.type === 'media' ? [i.timestampMs] : []));
  expect(config).toBe(first);
  expect(second).toBe(first);
});

it('what the room cannot give is told, and the picture goes on', () => {
  const steps: string[] = [];
  const s = stage(true, step => steps.push(step.summary));
  s.frame(true, 500);
  s.picture.on({ type: 'lacking', why: { blame: 'server', reason: 'no-grid', text: 'There is no grid.' } });
  s.pass(40);
  s.frame(false, 500);
  expect(s.pictures()).toEqual(['key', 'inter']);
  expect(steps).toContain('video: There is no grid.');
});

it('a player whose room says nothing is told so after half a second', () => {
  const s = stage(false);
  s.pass(499);
  expect(s.sent.map(i => i.type)).toEqual(['accept']);
  s.pass(1);
  expect(s.sent.map(i => i.type)).toEqual(['accept', 'metadata']);
});

it('a picture that is being made ready is announced; none is not', () => {
  const announced = (s: ReturnType<typeof stage>): unknown => {
    const told = s.sent.findLast(i => i.type === 'metadata');
    return told?.type === 'metadata' && 'videocodecid' in told.values;
  };
  const s = stage(false);
  s.pass(500);
  expect(announced(s)).toBe(true);
  s.picture.on({ type: 'idle' });
  expect(announced(s)).toBe(false);
});

describe('a slow RTMP player', () => {
  it('loses what is late, counted, and goes on live at a keyframe that was asked for', () => {
    const s = stage();
    s.frame(true, 500);
    for (let i = 0; i < 30; i++) {
      s.pass(40);
      s.queue(500 + i * 500); // nothing leaves
      s.frame(false, 500);
    }
    const shown = s.pictures().length;
    expect(shown).toBeLessThan(28);
    expect(s.host.counts).toContain('dropped/slow-player');
    s.pass(40);
    s.queue(0);
    s.frame(false, 500); // caught up, but this picture hangs on one that was dropped
    s.pass(1);
    expect(s.picture.asked).toContainEqual({ type: 'keyframe' });
    expect(s.pictures()).toHaveLength(shown);
    s.pass(40);
    s.frame(true, 500);
    s.pass(40);
    s.frame(false, 500);
    expect(s.pictures().slice(shown)).toEqual(['key', 'inter']);
  });

  it('is closed when it reads nothing at all', () => {
    const s = stage();
    s.frame(true, 500);
    s.queue(1_000_000);
    s.pass(16_000);
    s.frame(false, 500);
    expect(s.events.all.at(-1)).toMatchObject({ type: 'closed', why: { reason: 'player-stalled' } });
  });
});
