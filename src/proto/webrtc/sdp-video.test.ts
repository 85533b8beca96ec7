import { parse } from 'sdp-transform';
import { describe, expect, test } from 'vitest';
import { type AnsweredMedia, writeAnswer } from './answer.ts';
import { RID, TRANSPORT_CC } from './extensions.ts';
import { readOffer } from './offer.ts';
import { makeOffer } from './sdp.testing.ts';

const camera = {
  kind: 'video',
  codecs: ['96 VP8/90000', '97 rtx/90000', '102 H264/90000', '103 rtx/90000', '104 red/90000'],
  more: [
    'a=fmtp:97 apt=96',
    'a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f',
    'a=fmtp:103 apt=102;rtx-time=3000',
    'a=rtcp-fb:96 nack',
    'a=rtcp-fb:96 nack pli',
    'a=rtcp-fb:96 ccm fir',
    `a=extmap:10 ${RID}`,
    `a=extmap:3 ${TRANSPORT_CC}`,
  ],
};
const line = (more: readonly string[] = []) =>
  readOffer(makeOffer([{ ...camera, more: [...camera.more, ...more] }])).media[0]!;

describe('offer', () => {
  test('each format with its retransmissions', () => {
    expect(line().formats.map(f => [f.format.codec, f.payloadType, f.rtx])).toEqual([
      ['VP8', 96, 97],
      ['H264', 102, 103],
    ]);
    const without = readOffer(makeOffer([{ ...camera, codecs: ['96 VP8/90000'] }])).media[0]!;
    expect(without.formats[0]).not.toHaveProperty('rtx');
  });

  test('retransmissions that point nowhere are no harm', () => {
    const odd = readOffer(
      makeOffer([
        {
          kind: 'video',
          codecs: ['96 VP8/90000', '97 rtx/90000', '98 rtx/90000', '72 rtx/90000'],
          more: ['a=fmtp:97 apt=55', 'a=fmtp:98 rtx-time=1', 'a=fmtp:72 apt=96'],
        },
      ]),
    );
    expect(odd.media[0]!.formats).toMatchObject([{ payloadType: 96 }]);
    expect(odd.media[0]!.formats[0]).not.toHaveProperty('rtx');
  });

  test.each([
    [
      'three layers',
      ['a=rid:h send', 'a=rid:m send', 'a=rid:l send', 'a=simulcast:send h;m;l'],
      ['h', 'm', 'l'],
    ],
    [
      'alternatives and a paused one',
      ['a=rid:a send', 'a=rid:b send', 'a=simulcast:send a,x;~b'],
      ['a', 'b'],
    ],
    [
      'the other direction first',
      ['a=rid:a send', 'a=rid:b send', 'a=simulcast:recv c send a;b'],
      ['a', 'b'],
    ],
    ['one layer is none', ['a=rid:a send', 'a=simulcast:send a'], []],
    ['layers it would receive', ['a=rid:a recv', 'a=rid:b recv', 'a=simulcast:recv a;b'], []],
    ['names without a rid line', ['a=simulcast:send a;b'], []],
  ])('simulcast: %s', (_, more, layers) => {
    expect(line(more).layers).toEqual(layers);
  });

  test('simulcast without the header extension that tells layers apart is none', () => {
    const more = ['a=rid:a send', 'a=rid:b send', 'a=simulcast:send a;b'];
    expect(readOffer(makeOffer([{ ...camera, more }])).media[0]!.layers).toEqual([]);
  });
});

describe('answer', () => {
  const answer = (answered: Partial<AnsweredMedia>, more: readonly string[] = []) => {
    const offered = line(more);
    const text = writeAnswer({
      sessionId: '1',
      ice: { ufrag: 'ufrag', pwd: 'password' },
      fingerprint: { algorithm: 'sha-256', value: 'AA' },
      candidates: [{ address: '192.0.2.1', port: 1 }],
      offered: [offered],
      answered: [
        {
          direction: 'recvonly',
          formats: offered.formats,
          extensions: [TRANSPORT_CC, RID],
          feedback: ['nack', 'nack pli', 'ccm fir'],
          ...answered,
        },
      ],
    });
    return { text, media: parse(text).media[0]! };
  };

  test('retransmissions and layers, where they are to be used', () => {
    const more = ['a=rid:h send', 'a=rid:l send', 'a=simulcast:send h;l'];
    const { media, text } = answer({ rtx: true, layers: ['h', 'l'] }, more);
    expect(media.payloads).toBe('96 97 102 103');
    expect(media.fmtp).toContainEqual({ payload: 97, config: 'apt=96' });
    expect(media.rids).toMatchObject([
      { id: 'h', direction: 'recv' },
      { id: 'l', direction: 'recv' },
    ]);
    expect(text).toContain('a=simulcast:recv h;l\r\n');
    expect(media.ext?.map(e => e.value)).toEqual([3, 10]);
    expect(answer({}).media.payloads).toBe('96 102');
    expect(answer({}).text).not.toMatch(/simulcast|rtx/);
  });

  test('what is sent: both streams in one group, on a track of a media stream', () => {
    const source = { ssrc: 11, rtxSsrc: 12, cname: 'c', stream: 'slot-0', track: 'picture' };
    const { media, text } = answer({ direction: 'sendonly', rtx: true, source });
    expect(media.ssrcGroups).toEqual([{ semantics: 'FID', ssrcs: '11 12' }]);
    expect(text).toContain('a=msid:slot-0 picture\r\n');
    expect(media.ssrcs?.filter(s => s.attribute === 'cname').map(s => s.id)).toEqual([11, 12]);
  });
});
