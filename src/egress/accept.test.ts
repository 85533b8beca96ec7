import { expect, it } from 'vitest';
import type { Format } from '../contract.ts';
import { accepts } from './accept.ts';

const h264 = (mode?: string): Format => ({
  codec: 'H264',
  clockRate: 90000,
  ...(mode && { fmtp: { 'packetization-mode': mode, 'profile-level-id': '42e01f' } }),
});
const aac = (config: string): Format => ({ codec: 'AAC', clockRate: 48000, fmtp: { config } });

it.each([
  ['the same codec', { codec: 'PCMU', clockRate: 8000 }, { codec: 'PCMU', clockRate: 8000 }, true],
  ['another codec', { codec: 'PCMU', clockRate: 8000 }, { codec: 'PCMA', clockRate: 8000 }, false],
  [
    'opus of any kind',
    { codec: 'opus', clockRate: 48000, channels: 1 },
    { codec: 'opus', clockRate: 48000, channels: 2, fmtp: { cbr: '1' } },
    true,
  ],
  ['H264 mode 1 where mode 1 is taken', h264('1'), h264('1'), true],
  ['H264 mode 0 where mode 1 is taken', h264(), h264('1'), true],
  ['H264 mode 1 where only mode 0 is taken', h264('1'), h264(), false],
  ['AAC with its own config', aac('1188'), aac('1188'), true],
  ['AAC with another', aac('1188'), aac('1190'), false],
] as const)('%s', (_, format, accept, yes) => expect(accepts([accept], format)).toBe(yes));

it('any of several', () => {
  expect(accepts([h264(), h264('1')], h264('1'))).toBe(true);
  expect(accepts([], h264())).toBe(false);
});
