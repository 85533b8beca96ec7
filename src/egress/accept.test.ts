import { describe, expect, it } from 'vitest';
import type { Format } from '../contract.ts';
import { accepts, macroblocks } from './accept.ts';

const aac = (config: string): Format => ({ codec: 'AAC', clockRate: 48000, fmtp: { config } });

describe('sound', () => {
  it.each([
    ['the same codec', { codec: 'PCMU', clockRate: 8000 }, { codec: 'PCMU', clockRate: 8000 }, true],
    ['another codec', { codec: 'PCMU', clockRate: 8000 }, { codec: 'PCMA', clockRate: 8000 }, false],
    [
      'opus of any kind',
      { codec: 'opus', clockRate: 48000, channels: 1 },
      { codec: 'opus', clockRate: 48000, channels: 2, fmtp: { cbr: '1' } },
      true,
    ],
    ['AAC with its own config', aac('1188'), aac('1188'), true],
    ['AAC with another', aac('1188'), aac('1190'), false],
  ] as const)('%s', (_, format, accept, yes) => expect(accepts([accept], format)).toBe(yes));
});

const h264 = (text: string): Format => ({
  codec: 'H264',
  clockRate: 90000,
  fmtp: Object.fromEntries(
    text
      .split(' ')
      .filter(t => t !== '')
      .map(t => t.split('=') as [string, string])
      .map(([k, v]) => [LONG[k] ?? k, v]),
  ),
});
const LONG: Record<string, string> = { p: 'profile-level-id', mode: 'packetization-mode' };

describe('H264', () => {
  it.each([
    // packetization mode, RFC 6184 §6
    ['mode 1 where mode 1 is taken', 'mode=1', 'mode=1', true],
    ['mode 0 where mode 1 is taken', '', 'mode=1', true],
    ['mode 1 where only mode 0 is taken', 'mode=1', '', false],
    // profiles
    ['the same', 'mode=1 p=42e01f', 'mode=1 p=42e01f', true],
    ['constrained baseline to baseline', 'p=42e01f', 'p=42001f', true],
    ['baseline to constrained baseline', 'p=42001f', 'p=42e01f', true],
    ['constrained baseline said as main', 'p=4d801f', 'p=42e01f', true],
    ['constrained baseline said as extended', 'p=58c01f', 'p=42e01f', true],
    ['constrained baseline to main', 'p=42e01f', 'p=4d001f', true],
    ['constrained baseline to high', 'p=42e01f', 'p=64001f', true],
    ['main to high', 'p=4d001f', 'p=64001f', true],
    ['constrained high to high', 'p=640c1f', 'p=64001f', true],
    ['main to constrained baseline', 'p=4d001f', 'p=42e01f', false],
    ['high to constrained baseline', 'p=64001f', 'p=42e01f', false],
    ['high to main', 'p=64001f', 'p=4d001f', false],
    ['high 4:2:2 to high', 'p=7a001f', 'p=64001f', false],
    ['baseline to extended', 'p=42001f', 'p=58001f', true],
    ['main to extended', 'p=4d001f', 'p=58001f', false],
    ['something unheard of', 'p=2c001f', 'p=64001f', false],
    ['something unheard of to itself', 'p=2c001f', 'p=2c001f', true],
    ['any to one who names no profile', 'p=64002a x-size=1920x1080', '', true],
    ['not known yet', '', 'p=42e01f', true],
    ['what the receiver says cannot be read', 'p=42e01f', 'p=42e0', false],
    // levels
    ['a lower level', 'p=42e014', 'p=42e01f', true],
    ['a higher level', 'p=42e028', 'p=42e01f', false],
    [
      'a higher level, raised by max-fs and max-mbps',
      'p=42e028',
      'p=42e01f max-fs=8192 max-mbps=245760',
      true,
    ],
    ['a higher level, raised by max-fs alone', 'p=42e028', 'p=42e01f max-fs=8192', false],
    ['a higher level on paper, small in fact', 'p=42e028 x-size=640x480', 'p=42e01f', true],
    ['a higher level, and too large in fact', 'p=42e028 x-size=1920x1080', 'p=42e01f', false],
    ['a lower level on paper, too large in fact', 'p=42e01e x-size=1280x720', 'p=42e01e', false],
    [
      'larger, but max-fs allows it',
      'p=42e01f x-size=1280x720',
      'p=42e016 max-fs=3600 max-mbps=108000',
      true,
    ],
    ['upright', 'p=42e01f x-size=360x640', 'p=42e01e', true],
    ['CIF to a phone of level 1.3', 'p=42e00d x-size=352x288', 'p=42800d', true],
    ['VGA to a phone of level 1.3', 'p=42e01e x-size=640x480', 'p=42800d', false],
    ['level 1b said by the constraint flag', 'p=42f00b', 'p=42e00b', true],
    // B-frames
    ['B-frames to a player', 'p=64001f x-reorder=2', '', true],
    ['B-frames to a browser', 'p=64001f x-reorder=2', 'p=64001f x-reorder=0', false],
    ['no B-frames to a browser', 'p=64001f x-reorder=0', 'p=64001f x-reorder=0', true],
  ])('%s', (_, track, accept, yes) => expect(accepts([h264(accept)], h264(track))).toBe(yes));

  it('any of several', () => {
    expect(accepts([h264(''), h264('mode=1')], h264('mode=1'))).toBe(true);
    expect(accepts([], h264(''))).toBe(false);
  });
});

describe('VP8', () => {
  const vp8 = (fmtp: Record<string, string> = {}): Format => ({ codec: 'VP8', clockRate: 90000, fmtp });
  it.each([
    ['without limits', { 'x-size': '1920x1080' }, {}, true],
    ['within max-fs', { 'x-size': '640x480' }, { 'max-fs': '1200' }, true],
    ['beyond max-fs', { 'x-size': '640x496' }, { 'max-fs': '1200' }, false],
    ['of a size not known yet', {}, { 'max-fs': '1200' }, true],
  ])('%s', (_, track, accept, yes) => expect(accepts([vp8(accept)], vp8(track))).toBe(yes));
});

it.each([
  ['640x480', 1200],
  ['360x640', 920],
  ['1x1', 1],
  ['640', undefined],
  ['0x480', undefined],
])('macroblocks of %s', (size, blocks) => expect(macroblocks(h264(`x-size=${size}`))).toBe(blocks));
