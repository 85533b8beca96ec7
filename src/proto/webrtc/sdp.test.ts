import { parse } from 'sdp-transform';
import { describe, expect, test } from 'vitest';
import { type AnsweredMedia, readFragment, writeAnswer, writeFragment } from './answer.ts';
import { readOffer } from './offer.ts';
import { makeOffer } from './sdp.testing.ts';

const LEVEL = 'urn:ietf:params:rtp-hdrext:ssrc-audio-level';

describe('offer', () => {
  test('codecs rooms carry, in order, with parameters, feedback and extensions', () => {
    const offer = readOffer(
      makeOffer([
        {
          mid: 'sound',
          direction: 'sendrecv',
          codecs: [
            '111 OPUS/48000/2',
            '63 red/48000/2',
            '9 G722/8000',
            '0 PCMU/8000',
            '96 opus/16000',
            '110 telephone-event/48000',
          ],
          more: [
            'a=fmtp:111 minptime=10;useinbandfec=1',
            'a=rtcp-fb:111 transport-cc',
            'a=rtcp-fb:* nack',
            `a=extmap:14 ${LEVEL}`,
          ],
        },
        {
          kind: 'video',
          codecs: ['108 H264/90000', '99 VP8/90000', '45 AV1/90000'],
          more: ['a=rtcp-fb:99 nack pli'],
        },
      ]),
    );
    expect(offer.ice).toEqual({ ufrag: '4ZcD', pwd: '2/1muCWoOi3uLifh0NuRHlSv' });
    expect(offer.fingerprints).toMatchObject([
      { algorithm: 'sha-256', value: expect.stringMatching(/^00:01:02:/) },
    ]);
    const [sound, picture] = offer.media;
    expect(sound).toMatchObject({ mid: 'sound', kind: 'audio', direction: 'sendrecv' });
    expect(sound!.extensions.get(LEVEL)).toBe(14);
    expect(sound!.formats).toEqual([
      {
        payloadType: 111,
        format: {
          codec: 'opus',
          clockRate: 48_000,
          channels: 2,
          fmtp: { minptime: '10', useinbandfec: '1' },
        },
        feedback: ['transport-cc', 'nack'],
      },
      { payloadType: 9, format: { codec: 'G722', clockRate: 8000 }, feedback: ['nack'] },
      { payloadType: 0, format: { codec: 'PCMU', clockRate: 8000 }, feedback: ['nack'] },
    ]);
    expect(picture!.formats.map(f => [f.format.codec, f.feedback])).toEqual([
      ['H264', []],
      ['VP8', ['nack pli']],
    ]);
  });

  test('static payload types need no rtpmap; one payload type alone; numbers as mids', () => {
    const offer = readOffer(makeOffer([{ codecs: ['8'] }]).replace('a=rtpmap:8\r\n', ''));
    expect(offer.media[0]!.formats).toMatchObject([{ payloadType: 8, format: { codec: 'PCMA' } }]);
    expect(offer.media[0]!.payloads).toBe('8');
    expect(offer.media[0]!.mid).toBe('0');
  });

  test('lines that are no DTLS-SRTP with rtcp-mux have nothing to use', () => {
    const text = makeOffer([{}]);
    for (const [from, to] of [
      ['UDP/TLS/RTP/SAVPF', 'RTP/AVP'],
      ['a=rtcp-mux\r\n', ''],
      ['m=audio 9', 'm=audio 0'],
    ] as const)
      expect(readOffer(text.replace(from, to)).media[0]!.formats).toEqual([]);
  });

  const wrong: readonly (readonly [string, () => string, RegExp])[] = [
    ['is no SDP', () => 'hello', /does not begin/],
    ['is empty', () => '', /does not begin/],
    ['has no media', () => makeOffer([]), /no m-line/],
    ['is huge', () => `v=0\r\n${'a=x:y\r\n'.repeat(10_000)}`, /64 KB/],
    ['has too many lines', () => makeOffer(Array.from({ length: 65 }, () => ({ codecs: [] }))), /64 m-lines/],
    ['has no ice', () => makeOffer([{}]).replaceAll(/a=ice-pwd.*\r\n/g, ''), /ice-ufrag/],
    [
      'has a short password',
      () => makeOffer([{}]).replaceAll(/a=ice-pwd.*\r\n/g, 'a=ice-pwd:short\r\n'),
      /ice-pwd/,
    ],
    ['has no fingerprint', () => makeOffer([{}]).replaceAll(/a=fingerprint.*\r\n/g, ''), /fingerprint/],
    ['has a weak fingerprint', () => makeOffer([{}]).replaceAll('sha-256', 'sha-1'), /fingerprint/],
    ['has a cut fingerprint', () => makeOffer([{}]).replaceAll(':1F\r', '\r'), /malformed a=fingerprint/],
    ['is lite too', () => makeOffer([{}], ['a=ice-lite']), /lite too/],
    ['is passive', () => makeOffer([{}]).replaceAll('actpass', 'passive'), /setup:passive/],
    ['repeats a mid', () => makeOffer([{ mid: 'a' }, { mid: 'a' }]), /repeated mid/],
    ['has a mid of lies', () => makeOffer([{ mid: 'a"b' }]), /mid/],
    ['does not bundle', () => makeOffer([{}, {}]).replace(/a=group.*\r\n/, ''), /BUNDLE/],
  ];
  test.each(wrong)('one that %s is refused in words', (_, make, why) => {
    expect(() => readOffer(make())).toThrow(why);
    expect(() => readOffer(make())).toThrow(
      expect.objectContaining({ why: expect.objectContaining({ blame: 'client', reason: 'bad-sdp' }) }),
    );
  });
});

describe('answer', () => {
  const offer = readOffer(
    makeOffer([
      {
        mid: 'a',
        codecs: ['111 opus/48000/2', '8 PCMA/8000'],
        more: ['a=fmtp:111 useinbandfec=1', `a=extmap:14 ${LEVEL}`, 'a=rtcp-fb:111 nack'],
      },
      { mid: 'v', kind: 'video', codecs: ['108 H264/90000'] },
    ]),
  );
  const answer = (media: AnsweredMedia): string =>
    writeAnswer({
      sessionId: '42',
      ice: { ufrag: 'UFRAG', pwd: 'PASSWORD' },
      fingerprint: { algorithm: 'sha-256', value: 'AA:BB' },
      candidates: [
        { address: '192.0.2.1', port: 8189 },
        { address: '10.0.0.1', port: 8189 },
      ],
      offered: offer.media,
      answered: [media, undefined],
    });

  test('receiving: the whole text', () => {
    const { formats } = offer.media[0]!;
    expect(
      answer({ direction: 'recvonly', formats, extensions: [LEVEL, 'urn:other'], feedback: [] }).split(
        '\r\n',
      ),
    ).toEqual([
      'v=0',
      'o=- 42 1 IN IP4 127.0.0.1',
      's=-',
      't=0 0',
      'a=ice-lite',
      'a=group:BUNDLE a',
      'a=msid-semantic: WMS *',
      'm=audio 9 UDP/TLS/RTP/SAVPF 111 8',
      'c=IN IP4 0.0.0.0',
      'a=mid:a',
      'a=ice-ufrag:UFRAG',
      'a=ice-pwd:PASSWORD',
      'a=fingerprint:sha-256 AA:BB',
      'a=setup:passive',
      'a=rtcp-mux',
      'a=rtcp-rsize',
      'a=recvonly',
      `a=extmap:14 ${LEVEL}`,
      'a=rtpmap:111 opus/48000/2',
      'a=fmtp:111 useinbandfec=1',
      'a=rtpmap:8 PCMA/8000',
      'a=candidate:1 1 udp 2130706431 192.0.2.1 8189 typ host',
      'a=candidate:2 1 udp 2130706175 10.0.0.1 8189 typ host',
      'a=end-of-candidates',
      'm=video 0 UDP/TLS/RTP/SAVPF 108',
      'c=IN IP4 0.0.0.0',
      'a=mid:v',
      'a=inactive',
      '',
    ]);
  });

  test('sending: stream, SSRC and feedback', () => {
    const source = { ssrc: 77, cname: 'c', stream: 'slot-0' };
    const read = parse(
      answer({
        direction: 'sendonly',
        formats: offer.media[0]!.formats,
        extensions: [],
        feedback: ['nack'],
        source,
      }),
    );
    expect(read.media[0]).toMatchObject({
      direction: 'sendonly',
      msid: [{ id: 'slot-0', appdata: 'slot-0' }],
      ssrcs: expect.arrayContaining([{ id: 77, attribute: 'cname', value: 'c' }]),
      rtcpFb: [{ payload: 111, type: 'nack' }],
    });
  });
});

test('ICE restart fragments, both ways', () => {
  const ice = { ufrag: 'abcd+/', pwd: 'x'.repeat(24) };
  const text = writeFragment(ice, [{ address: '192.0.2.1', port: 1 }], [{ kind: 'audio', mid: '0' }]);
  expect(readFragment(text)).toEqual(ice);
  expect(text).toContain('a=candidate:1 1 udp 2130706431 192.0.2.1 1 typ host\r\n');
  expect(readFragment('a=ice-ufrag:abcd\r\na=candidate:1 1 udp 1 1.2.3.4 5 typ host\r\n')).toBeUndefined();
  expect(readFragment('')).toBeUndefined();
});
