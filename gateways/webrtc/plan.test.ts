import { describe, expect, test } from 'vitest';
import type { Format } from '../../src/contract.ts';
import { accepts } from '../../src/egress/accept.ts';
import { type OfferedFormat, readOffer } from '../../src/proto/webrtc/offer.ts';
import { type LineAsk, makeOffer } from '../../src/proto/webrtc/sdp.testing.ts';
import { chooseLayer } from './layers.ts';
import { offeredAs, type PictureLine, pictureWants, playedLines, publishedLines, takenAs } from './plan.ts';
import { shareBps } from './share.ts';

const h264 = (payloadType: number, id: string, mode = 1): string =>
  `a=fmtp:${payloadType} level-asymmetry-allowed=1;packetization-mode=${mode};profile-level-id=${id}`;
const camera = (direction: string): LineAsk => ({
  kind: 'video',
  direction,
  codecs: ['96', '97', '98', '99', '100'].map((pt, i) => `${pt} ${i === 0 ? 'VP8' : 'H264'}/90000`),
  more: [h264(97, '64001f'), h264(98, '4d001f'), h264(99, '42e01f', 0), h264(100, '42e01f')],
});
const mic = (direction: string): LineAsk => ({ direction });
const offer = (...lines: LineAsk[]) => readOffer(makeOffer(lines));
const payloads = (formats: readonly { payloadType: number }[]): number[] => formats.map(f => f.payloadType);

describe('publishing', () => {
  test('H.264 first, constrained baseline before main, mode 1 only, nothing above main', () => {
    const { sound, pictures } = publishedLines(offer(mic('sendonly'), camera('sendonly')), ['H264', 'VP8']);
    expect([sound.length, payloads(pictures[0]!.formats)]).toEqual([1, [100, 98, 96]]);
  });

  test('as the config prefers, and only what it names', () => {
    const lines = offer(camera('sendrecv'));
    expect(payloads(publishedLines(lines, ['VP8', 'H264']).pictures[0]!.formats)).toEqual([96, 100, 98]);
    expect(payloads(publishedLines(lines, ['VP8']).pictures[0]!.formats)).toEqual([96]);
    expect(() => publishedLines(lines, [])).toThrow(/no line to send on/);
  });

  test('the answer takes level 4.2, where each end may have its own', () => {
    const [{ formats }] = publishedLines(offer(camera('sendonly')), ['H264', 'VP8']).pictures as [
      PictureLine,
    ];
    const ids = (of: readonly OfferedFormat[]) => of.map(f => f.format.fmtp?.['profile-level-id']);
    expect(ids(formats.map(takenAs))).toEqual(['42e02a', '4d002a', undefined]);
    const same = formats.map(({ format: { fmtp = {}, ...rest }, ...f }) => {
      const { 'level-asymmetry-allowed': _, ...fewer } = fmtp;
      return { ...f, format: { ...rest, fmtp: fewer } };
    });
    expect(ids(same.map(takenAs))).toEqual(['42e01f', '4d001f', undefined]);
  });

  test('one line of each kind; what the browser only receives is not one', () => {
    const lines = offer(
      camera('recvonly'),
      camera('sendonly'),
      camera('sendonly'),
      mic('sendonly'),
      mic('sendonly'),
    );
    const { sound, pictures } = publishedLines(lines, ['H264', 'VP8']);
    expect([sound.map(l => l.mid), pictures.map(p => p.line.mid)]).toEqual([['3'], ['1']]);
  });
});

describe('playing', () => {
  const planned = (n: number, max = 16) =>
    playedLines(offer(...Array.from({ length: n }, () => camera('recvonly'))), ['H264', 'VP8'], max).pictures;

  test('all profiles the browser decodes; mode 0 only where there is no mode 1', () => {
    expect(payloads(planned(1)[0]!.formats)).toEqual([97, 98, 100, 96]);
    const old = { ...camera('recvonly'), codecs: ['99 H264/90000'], more: [h264(99, '42e01f', 0)] };
    expect(payloads(playedLines(offer(old), ['H264'], 1).pictures[0]!.formats)).toEqual([99]);
  });

  test('one line: who speaks; more: cameras and what is shared; of a member: camera and screen', () => {
    expect(pictureWants(planned(1), undefined)).toMatchObject([{ kind: 'picture', source: 'speaker' }]);
    expect(pictureWants(planned(4), undefined)).toMatchObject([
      { kind: 'cameras', slot: 0, of: 3 },
      { kind: 'cameras', slot: 1, of: 3 },
      { kind: 'cameras', slot: 2, of: 3 },
      { kind: 'picture', source: 'content' },
    ]);
    expect(pictureWants(planned(2), 'bob')).toMatchObject([
      { kind: 'member', participant: 'bob', source: 'camera' },
      { kind: 'member', participant: 'bob', source: 'screen' },
    ]);
    expect(planned(20, 10).length).toBe(10);
  });

  test('what is accepted says that pictures come in the order they are shown', () => {
    const [want] = pictureWants(planned(1), undefined);
    expect((want as { accept: unknown }).accept).toMatchObject([
      { codec: 'H264', fmtp: { 'profile-level-id': '64001f', 'x-reorder': '0', 'max-fs': '8704' } },
      { codec: 'H264', fmtp: { 'profile-level-id': '4d001f', 'x-reorder': '0' } },
      { codec: 'H264', fmtp: { 'profile-level-id': '42e01f', 'x-reorder': '0' } },
      { codec: 'VP8' },
    ]);
  });

  test('a browser is sent 1080p untouched, unless it names a limit', () => {
    const screen = {
      codec: 'H264',
      clockRate: 90_000,
      fmtp: { 'profile-level-id': '42e028', 'packetization-mode': '1', 'x-size': '1920x1080' },
    } as const;
    const accept = (more: string) => {
      const line = camera('recvonly');
      const lines = offer({ ...line, more: line.more!.map(l => l + more) });
      const [want] = pictureWants(playedLines(lines, ['H264'], 1).pictures, undefined);
      return (want as { accept: readonly Format[] }).accept;
    };
    expect([accepts(accept(''), screen), accepts(accept(';max-fs=3600'), screen)]).toEqual([true, false]);
  });

  test('a stream goes under the payload type of its own profile, else of its codec', () => {
    const [{ formats }] = planned(1) as [ReturnType<typeof planned>[0]];
    const as = (codec: 'H264' | 'VP8', id?: string) =>
      offeredAs(formats, { codec, clockRate: 90_000, ...(id && { fmtp: { 'profile-level-id': id } }) })
        ?.payloadType;
    expect([as('H264', '4d401e'), as('H264', '42c01f'), as('H264', '42001f'), as('VP8')]).toEqual([
      98, 100, 97, 96,
    ]);
  });
});

describe('the layer to publish', () => {
  const layer = (pixels: number, bps: number, alive = true) => ({ pixels, bps, alive });
  const three = [layer(100, 100_000), layer(400, 300_000), layer(1600, 1_000_000)];

  test.each([
    ['the largest without a limit', three, 0, Number.POSITIVE_INFINITY, 2],
    ['the largest within the limit', three, 2, 500_000, 1],
    ['the smallest when none is', three, 2, 10_000, 0],
    ['not up without room to spare', three, 1, 1_100_000, 1],
    ['up with room', three, 1, 1_300_000, 2],
    ['not down for a little', three, 2, 1_000_000, 2],
    ['what was turned off does not count', [...three.slice(0, 2), layer(1600, 0, false)], 2, 1e9, 1],
    ['none alive: as it is', three.map(l => ({ ...l, alive: false })), 1, 1e9, 1],
    ['of one size the one with more bits', [layer(100, 50), layer(100, 90)], 0, 1e9, 1],
  ])('%s', (_, layers, current, cap, best) => {
    expect(chooseLayer(layers, current, cap)).toBe(best);
  });
});

describe('sharing a line', () => {
  test('who needs less leaves the rest to the others, and may still grow to an equal part', () => {
    expect(shareBps(900, [100, 100, 1000])).toEqual([300, 400, 700]);
    expect(shareBps(900, [1000, 1000, 1000])).toEqual([300, 300, 300]);
    expect(shareBps(900, [0, 2000])).toEqual([450, 900]);
    expect(shareBps(900, [])).toEqual([]);
  });
});
