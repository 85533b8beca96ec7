import { describe, expect, it } from 'vitest';
import { Refusal } from '../../src/kit/refusal.ts';
import type { Facts } from './facts.ts';
import { report } from './report.ts';
import { failed, judge } from './verdict.ts';

const GOOD: Facts = {
  target: 'sip:1000@192.0.2.1',
  steps: [
    { name: '100', atMs: 12.34, detail: 'Trying' },
    { name: '200', atMs: 40, detail: 'OK' },
  ],
  notes: [],
  codec: 'opus',
  mediaTo: '192.0.2.1:20000',
  talkedMs: 5020,
  rttMs: 30,
  out: { packets: 250, reports: 2, reported: true, lossPercent: 0, jitterMs: 1 },
  in: { packets: 248, lossPercent: 0, jitterMs: 2, levelDb: -20.06, strongestHz: 660 },
};
const silentOut = { packets: 250, reports: 2, reported: false };

describe('judge', () => {
  it('passes when packets went both ways, also into an empty room', () => {
    expect(judge(GOOD)).toEqual({ pass: true, text: 'Every hop held.' });
    expect(judge({ ...GOOD, in: { packets: 248, lossPercent: 0, jitterMs: 2, levelDb: -90 } }).pass).toBe(
      true,
    );
  });
  it('takes over what a caller threw, with its hop', () => {
    const thrown = failed('ice', 'ICE: no check was answered.');
    expect(thrown).toBeInstanceOf(Refusal);
    expect(judge(GOOD, thrown.why)).toEqual({ pass: false, hop: 'ice', text: 'ICE: no check was answered.' });
  });
  it.each<[string, Partial<Facts>, string, RegExp]>([
    [
      'nothing either way',
      { in: { packets: 0 }, out: silentOut },
      'media-out',
      /^Media: nothing went through either way \(sent to 192\.0\.2\.1:20000\); UDP to its media ports is blocked/,
    ],
    [
      'nothing back',
      { in: { packets: 0 } },
      'media-in',
      /^Media in: the server hears us, but no packet of it came in 5 s/,
    ],
    [
      'reports that leave us out',
      { out: silentOut },
      'media-out',
      /none of its 2 RTCP reports says it received any of our 250 packets/,
    ],
    ['no report', { out: { ...silentOut, reports: 0 } }, 'media-out', /no RTCP report came in 5 s/],
    ['all lost', { out: { ...GOOD.out, lossPercent: 100 } }, 'media-out', /reports every packet lost/],
    [
      'another tone',
      { expectHz: 700, in: { ...GOOD.in, expectedDb: -71 } },
      'tone',
      /^Tone: 700 Hz was not heard at -40 dBFS or more \(it was at -71 dBFS\); the strongest sound was 660 Hz at -20 dBFS/,
    ],
    ['silence', { expectHz: 700, in: { packets: 9, levelDb: -90 } }, 'tone', /there was only silence/],
  ])('%s', (_, facts, hop, text) => {
    const verdict = judge({ ...GOOD, ...facts });
    expect(verdict).toMatchObject({ pass: false, hop });
    expect(verdict.text).toMatch(text);
    expect(verdict.text).toMatch(/\.$/);
  });
  it('hears the expected tone from -40 dBFS on', () => {
    const at = (expectedDb: number) => judge({ ...GOOD, expectHz: 700, in: { ...GOOD.in, expectedDb } }).pass;
    expect([at(-20), at(-40), at(-40.1)]).toEqual([true, true, false]);
  });
});

const SEEN = {
  codec: 'H264',
  packets: 300,
  lossPercent: 0,
  pictures: 75,
  broken: 0,
  width: 640,
  height: 360,
  fps: 15.04,
  freezes: 0,
  keyframesAsked: 1,
  firstFrameMs: 210.4,
  pattern: { colour: 'cyan', delayMs: 44.6 },
} as const;
const SHOWN = {
  codec: 'H264',
  width: 640,
  height: 360,
  fps: 15,
  packets: 310,
  reports: 2,
  reported: true,
  lossPercent: 0,
  keyframesAsked: 0,
} as const;

describe('judge, of pictures', () => {
  const withPictures: Facts = { ...GOOD, pictureOut: SHOWN, pictureIn: SEEN };
  it('passes when they went both ways, and when nobody else shows one', () => {
    expect(judge({ ...withPictures, expectPicture: true }).pass).toBe(true);
    expect(judge({ ...withPictures, pictureIn: { ...SEEN, packets: 0, pictures: 0 } }).pass).toBe(true);
  });
  it.each<[string, Partial<Facts>, string, RegExp]>([
    [
      'not said to arrive',
      { pictureOut: { ...SHOWN, reported: false } },
      'picture-out',
      /any of our 310 packets of H264/,
    ],
    [
      'not played back',
      { proof: 'playback', pictureOut: { ...SHOWN, reported: false } },
      'picture-out',
      /was not in what it plays/,
    ],
    ['none made', { pictureOut: { ...SHOWN, packets: 0 } }, 'picture-out', /none could be made here/],
    [
      'all lost',
      { pictureOut: { ...SHOWN, lossPercent: 100 } },
      'picture-out',
      /every packet of our picture lost/,
    ],
    [
      'none decoded',
      { pictureIn: { ...SEEN, pictures: 0 } },
      'picture-in',
      /300 packets of H264 came, but no picture/,
    ],
    [
      'none came',
      { expectPicture: true, pictureIn: undefined },
      'picture-in',
      /^Picture in: none came in 5 s/,
    ],
    [
      'RTMP, nothing back',
      { proof: 'playback', out: silentOut },
      'media-out',
      /our tone was not in what it plays/,
    ],
    [
      'RTMP, nothing in',
      { proof: 'none', in: { packets: 0 } },
      'media-in',
      /the server plays, but no sound came/,
    ],
  ])('%s', (_, facts, hop, text) => {
    const verdict = judge({ ...withPictures, ...facts });
    expect(verdict).toMatchObject({ pass: false, hop });
    expect(verdict.text).toMatch(text);
    expect(verdict.text).toMatch(/\.$/);
  });
  it('are told to machines and people', () => {
    const { json, text } = report({ ...withPictures, setUpMs: 120.04 });
    expect(json).toMatchObject({
      setUpMs: 120,
      out: { picture: { codec: 'H264', width: 640, height: 360, fps: 15, reported: true } },
      in: {
        picture: {
          decoded: true,
          pictures: 75,
          firstFrameMs: 210,
          fps: 15,
          freezes: 0,
          pattern: { delayMs: 45 },
        },
      },
    });
    expect(text).toContain('  picture out: H264 640×360, 15.0 a second, arrives, 0.0 % lost\n');
    expect(text).toContain(
      '  picture in: H264 640×360, 15.0 a second, 75 decoded, 0.0 % lost, freezes 0, the first after 210 ms; the cyan test pattern, 45 ms old by its clock\n',
    );
  });
});

describe('report', () => {
  it('is one flat object for machines', () => {
    expect(report({ ...GOOD, expectHz: 660, in: { ...GOOD.in, expectedDb: -20.1 } }).json).toEqual({
      target: 'sip:1000@192.0.2.1',
      pass: true,
      verdict: 'Every hop held.',
      codec: 'opus',
      steps: [
        { name: '100', atMs: 12.3, detail: 'Trying' },
        { name: '200', atMs: 40, detail: 'OK' },
      ],
      talkedMs: 5020,
      rttMs: 30,
      delayMs: 15,
      out: {
        packets: 250,
        lossPercent: 0,
        jitterMs: 1,
        mos: 4.4,
        mosReason: 'nothing is wrong',
        reports: 2,
        reported: true,
      },
      in: {
        packets: 248,
        lossPercent: 0,
        jitterMs: 2,
        mos: 4.4,
        mosReason: 'nothing is wrong',
        levelDbfs: -20.1,
        strongestHz: 660,
      },
      expected: { hz: 660, levelDbfs: -20.1 },
      notes: [],
    });
  });
  it('is a short table for people, loss and its price included', () => {
    const { text } = report({ ...GOOD, in: { ...GOOD.in, lossPercent: 10 }, notes: ['taken on trust'] });
    expect(text.split('\n')).toEqual([
      'sip:1000@192.0.2.1  opus',
      '  100      12 ms  Trying',
      '  200      40 ms  OK',
      '',
      '       packets     loss    jitter   MOS',
      '  out      250    0.0 %    1.0 ms   4.4  nothing is wrong',
      expect.stringMatching(/^ {2}in {7}248 {3}10\.0 % {4}2\.0 ms {3}\d\.\d {2}loss of 10\.0 % \(/),
      '  round trip 30 ms; heard -20.1 dBFS, strongest at 660 Hz',
      '  note: taken on trust',
      '',
      'PASS  Every hop held.',
      '',
    ]);
  });
  it('claims nothing of media that never began', () => {
    const none: Facts = {
      target: 'sip:x',
      steps: [],
      notes: [],
      talkedMs: 0,
      out: { packets: 0, reports: 0, reported: false },
      in: { packets: 0 },
    };
    const { why } = failed('transport', 'Transport: nothing listens.');
    expect(report(none, why).text).toBe('sip:x\n\nFAIL  Transport: nothing listens.\n');
    expect(report(none, why).json).toMatchObject({ pass: false, hop: 'transport', out: { packets: 0 } });
  });
});
