import { expect, test } from 'vitest';
import { type Rtcp, readRtcp, writeRtcp } from './rtcp.ts';

const report = (begin: number, came: number[], delays: { lastTime: number; delay: number }[] = []): Rtcp => ({
  type: 'xr',
  ssrc: 7,
  losses: [{ source: 2, begin, came: Uint8Array.from(came) }],
  delays: delays.map(d => ({ source: 2, ...d })),
});

test('a loss report is written as RFC 3611 §4.1 draws it', () => {
  // 20 that came: a run; then a bit vector with what is left.
  const came = [...Array<number>(20).fill(1), 0, 1];
  const bytes = writeRtcp([report(0xfff0, came)]);
  const words = [
    '80cf0005', // version 2, XR, 6 words
    '00000007',
    '01000003', // loss RLE, not thinned, 4 words
    '00000002',
    'fff00006', // from 65520, 6 not included
    '4014a000', // a run of 20 that came; bits 01
  ];
  expect(bytes.toString('hex')).toBe(words.join(''));
  expect(readRtcp(bytes)).toEqual([report(0xfff0, came)]);
});

test('the delay since the last packet is told as RFC 3611 §4.5 draws it', () => {
  const bytes = writeRtcp([
    { type: 'xr', ssrc: 7, losses: [], delays: [{ source: 9, lastTime: 0xfffffffe, delay: 65536 }] },
  ]);
  expect(bytes.toString('hex')).toBe(`80cf0005${'00000007'}05000003${'00000009'}fffffffe00010000`);
  expect(readRtcp(bytes)).toEqual([
    { type: 'xr', ssrc: 7, losses: [], delays: [{ source: 9, lastTime: 0xfffffffe, delay: 65536 }] },
  ]);
});

test('blocks of other kinds are stepped over, and a broken one ends the reading', () => {
  const other = '07000001deadbeef'; // VoIP metrics, cut short
  const loss = '0100000300000002000a000d4003'; // three that came, from 10
  const bytes = Buffer.from(`80cf0007${'00000007'}${other}${loss}0000`, 'hex');
  expect(readRtcp(bytes)).toEqual([report(10, [1, 1, 1])]);
  const long = Buffer.from(`80cf0002${'00000007'}0100ffff`, 'hex');
  expect(readRtcp(long)).toEqual([]);
});

test('a thinned bitmap is none', () => {
  const bytes = Buffer.from(`80cf0005${'00000007'}010100030000000200000009${'40030000'}`, 'hex');
  expect(readRtcp(bytes)).toEqual([]);
});

test('what the chunks leave out was lost; what they claim beyond the end is nothing', () => {
  const bytes = Buffer.from(`80cf0005${'00000007'}01000003000000020000000440020000`, 'hex');
  expect(readRtcp(bytes)).toEqual([report(0, [1, 1, 0, 0])]);
  const more = Buffer.from(`80cf0005${'00000007'}0100000300000002000000047fff0000`, 'hex');
  expect(readRtcp(more)).toEqual([report(0, [1, 1, 1, 1])]);
});
