import { expect, it } from 'vitest';
import type { MediaPacket } from '../../src/contract.ts';
import { h264Packetizer } from '../h264/packetize.ts';
import { Mailbox } from './mailbox.ts';
import type { CodedPicture } from './wire.ts';

const SPS = Uint8Array.of(0x67, 1, 2, 3, 4);
const IDR = Uint8Array.of(0x65, 0x88, 0x84, 9);
const P = Uint8Array.of(0x41, 0x9a, 0x24, 9);

function open() {
  const letters: CodedPicture[][] = [];
  let working = true;
  let keys = 0;
  const mailbox = new Mailbox('H264', {
    post(pictures) {
      if (working) letters.push(pictures);
      return working;
    },
    keyNeeded: () => keys++,
  });
  const pack = h264Packetizer();
  let seq = 0;
  let pts = 0;
  /** The next picture at `now`. */
  const picture = (now: number, key = false): void => {
    pack(key ? [SPS, IDR] : [P], key, (payload, frame) => {
      const packet: MediaPacket = { seq: seq++, pts, marker: frame.end, payload, frame };
      mailbox.push(packet, now);
    });
    pts += 3000;
  };
  return {
    mailbox,
    picture,
    sizes: () => letters.map(l => l.length),
    letters,
    keys: () => keys,
    work: (on: boolean) => {
      working = on;
    },
  };
}

it('posts two at once, gathers what comes meanwhile, and posts that as one', () => {
  const m = open();
  for (let i = 0; i < 6; i++) m.picture(i, i === 0);
  expect(m.sizes()).toEqual([1, 1]);
  m.mailbox.answered(false);
  expect(m.sizes()).toEqual([1, 1, 4]);
  m.mailbox.answered(false);
  m.mailbox.answered(false);
  m.picture(7);
  expect(m.sizes()).toEqual([1, 1, 4, 1]);
  expect([...m.letters[0]![0]!.bytes]).toEqual([0, 0, 0, 1, ...SPS, 0, 0, 0, 1, ...IDR]);
  expect([m.mailbox.dropped, m.keys()]).toEqual([0, 0]);
});

it('what waits longer than 250 ms is dropped, with all up to the next keyframe', () => {
  const m = open();
  m.picture(0, true);
  for (const now of [33, 66, 100, 300, 310]) m.picture(now);
  expect([m.sizes(), m.mailbox.dropped, m.keys()]).toEqual([[1, 1], 0, 0]);
  m.picture(316);
  m.mailbox.answered(false);
  expect(m.sizes()).toEqual([1, 1, 5]);
  m.picture(330);
  m.picture(340);
  m.picture(591);
  m.picture(600);
  expect([m.mailbox.dropped, m.keys()]).toEqual([4, 1]);
  m.mailbox.answered(false);
  m.picture(700, true);
  expect(m.sizes()).toEqual([1, 1, 5, 1]);
});

it('a keyframe that comes late makes up for all that wait', () => {
  const m = open();
  m.picture(0, true);
  for (const now of [10, 20, 30]) m.picture(now);
  m.picture(400, true);
  m.mailbox.answered(false);
  expect([m.sizes(), m.mailbox.dropped, m.keys()]).toEqual([[1, 1, 1], 2, 0]);
  expect(m.letters.at(-1)?.map(p => p.key)).toEqual([true]);
});

it('a malformed picture, or another worker: on from a keyframe', () => {
  const m = open();
  m.picture(0, true);
  m.mailbox.answered(true);
  m.picture(33);
  expect([m.sizes(), m.keys(), m.mailbox.dropped]).toEqual([[1], 1, 1]);
  m.picture(66, true);
  m.work(false);
  m.picture(100);
  m.work(true);
  m.mailbox.replaced();
  expect([m.keys(), m.mailbox.dropped]).toEqual([2, 2]);
  m.picture(133);
  m.picture(166, true);
  m.picture(200);
  m.picture(233);
  expect([m.sizes(), m.mailbox.dropped]).toEqual([[1, 1, 1, 1], 3]);
});

it('an old letter that comes back broken does no harm to a keyframe behind it', () => {
  const m = open();
  m.picture(0, true);
  m.picture(10);
  m.mailbox.restart();
  m.picture(20, true);
  m.picture(30);
  m.mailbox.answered(true);
  m.mailbox.answered(true);
  m.picture(40);
  expect([m.sizes(), m.keys(), m.mailbox.dropped]).toEqual([[1, 1, 2, 1], 0, 0]);
});

it('a source that begins anew waits for its keyframe', () => {
  const m = open();
  m.picture(0, true);
  m.mailbox.restart();
  m.picture(33);
  m.picture(66, true);
  expect([m.sizes(), m.mailbox.dropped]).toEqual([[1, 1], 1]);
});
