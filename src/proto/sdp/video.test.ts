import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { Refusal } from '../../kit/refusal.ts';
import { answerCall, type CallLocal, type CallPlan } from './call.ts';
import { parseSdp, type Sdp, writeSdp } from './sdp.ts';
import { sendAs, type VideoLocal, type VideoPlan } from './video.ts';

const read = (text: string): Sdp => {
  const sdp = parseSdp(text);
  if (typeof sdp === 'string') throw new Error(sdp);
  return sdp;
};
const vector = (name: string): Sdp =>
  read(readFileSync(new URL(`../../../fixtures/sdp/${name}.sdp`, import.meta.url), 'utf8'));
const local: CallLocal = {
  audio: {
    sessionId: '42',
    address: '192.0.2.1',
    port: 20_000,
    codecs: ['opus', 'G722', 'PCMU', 'PCMA'],
    direction: 'sendrecv',
  },
  video: { codecs: ['H264', 'VP8'], direction: 'sendrecv', maxBps: 2_000_000 },
  videoPorts: { main: 20_002, slides: 20_004 },
};
const withVideo = (video: Partial<VideoLocal>, more: Partial<CallLocal> = {}): CallLocal => ({
  ...local,
  ...more,
  video: { ...local.video, ...video },
});
const answer = (
  offer: Sdp,
  mine = local,
): { plan: CallPlan; main: VideoPlan; sections: string[]; sdp: Sdp } => {
  const result = answerCall(offer, mine);
  if (result instanceof Refusal) throw result;
  const sections = writeSdp(result.sdp)
    .split(/(?=^m=)/m)
    .slice(1);
  return { ...result, main: result.plan.video.main as VideoPlan, sections };
};
/** PCMU, and a video section of these lines. */
const videoOffer = (...lines: string[]): Sdp =>
  read(
    [
      ...[
        'v=0',
        'o=- 1 1 IN IP4 203.0.113.1',
        's=-',
        'c=IN IP4 203.0.113.1',
        't=0 0',
        'm=audio 5000 RTP/AVP 0',
      ],
      ...lines,
      '',
    ].join('\r\n'),
  );
const h264 = (fmtp: string, ...more: string[]): Sdp =>
  videoOffer('m=video 5002 RTP/AVP 97', 'a=rtpmap:97 H264/90000', `a=fmtp:97 ${fmtp}`, ...more);

describe('answering pictures', () => {
  test('mode 1 is taken where both are offered, with the numbers of the offer', () => {
    const { sections, main, plan } = answer(vector('softphone-h264-modes'));
    expect(sections[1]).toBe(
      [
        'm=video 20002 RTP/AVP 98',
        'b=AS:2100',
        'b=TIAS:2000000',
        'a=rtpmap:98 H264/90000',
        'a=fmtp:98 profile-level-id=42001f;packetization-mode=1',
        'a=rtcp-fb:* nack',
        'a=rtcp-fb:* nack pli',
        'a=sendrecv',
        'a=label:2',
        '',
      ].join('\r\n'),
    );
    expect(plan.audio.send.payloadType).toBe(96);
    const format = {
      codec: 'H264',
      clockRate: 90_000,
      fmtp: { 'profile-level-id': '42001f', 'packetization-mode': '1', 'x-reorder': '0' },
    };
    expect(main).toEqual({
      index: 1,
      keying: { type: 'none' },
      remote: { address: '203.0.113.60', port: 10_012 },
      remoteRtcp: { address: '203.0.113.60', port: 10_013 },
      mux: false,
      peer: 'sendrecv',
      direction: 'sendrecv',
      send: [{ payloadType: 98, format }],
      receive: new Map([[98, format]]),
      feedback: { nack: true, pli: true, fir: false },
      maxBps: 512_000,
    });
  });

  test('the order of the config decides between codecs', () => {
    const { sections, main } = answer(vector('softphone-h264-modes'), withVideo({ codecs: ['VP8', 'H264'] }));
    expect(sections[1]).toContain('m=video 20002 RTP/AVP 99');
    expect(main.send).toEqual([
      { payloadType: 99, format: { codec: 'VP8', clockRate: 90_000, fmtp: { 'max-fs': '3600' } } },
    ]);
  });

  test('VP8 alone; of its feedback what we speak, for the payload types we took', () => {
    const { sections, main } = answer(vector('softphone-vp8'));
    expect(sections[1]!.split('\r\n').filter(l => /^m=|rtcp/.test(l))).toEqual([
      'm=video 20002 RTP/AVPF 96',
      'a=rtcp-fb:96 nack pli',
      'a=rtcp-fb:96 ccm fir',
      'a=rtcp-fb:* ccm tmmbr',
      'a=rtcp-mux',
    ]);
    expect(main).toMatchObject({ mux: true, feedback: { nack: false, pli: true, fir: true, tmmbr: true } });
    expect(main.send[0]!.format).toEqual({ codec: 'VP8', clockRate: 90_000 });
  });

  test('profiles are answered together, baseline first; what the phone can show goes into the plan', () => {
    const { sections, main } = answer(vector('videophone-small'));
    expect(sections[1]).toContain('m=video 20002 RTP/AVP 109 113\r\n');
    expect(sections[1]).toContain(
      'a=fmtp:109 profile-level-id=42801f;packetization-mode=1;level-asymmetry-allowed=1',
    );
    expect(main.send.map(s => s.format.fmtp)).toEqual([
      {
        'profile-level-id': '428014',
        'packetization-mode': '1',
        'level-asymmetry-allowed': '1',
        'max-fs': '1620',
        'max-mbps': '40500',
        'x-reorder': '0',
      },
      expect.objectContaining({ 'profile-level-id': '640014' }),
    ]);
    expect(main.feedback).toEqual({ nack: false, pli: false, fir: false });
    // b=AS:384 less headers; the session's 448 less sound is more.
    expect(main.maxBps).toBe(361_600);
  });

  test('a picture goes out as the nearest profile that decodes it', () => {
    const { main } = answer(vector('videophone-small'));
    const as = (id: string) =>
      sendAs(main, { codec: 'H264', clockRate: 90_000, fmtp: { 'profile-level-id': id } });
    expect(['42e01f', '4d001f', '64001f', '7a001f'].map(as)).toEqual([109, 113, 113, 113]);
    expect(sendAs(main, { codec: 'VP8', clockRate: 90_000 })).toBeUndefined();
  });

  test('mode 0 where there is nothing else', () => {
    const { sections, main } = answer(h264('profile-level-id=42e00d'));
    expect(sections[1]).toContain('a=fmtp:97 profile-level-id=42e00d;packetization-mode=0');
    expect(main.send[0]!.format.fmtp).toMatchObject({ 'packetization-mode': '0' });
  });

  test('without asymmetry the lower level holds both ways', () => {
    const { sections, main } = answer(h264('profile-level-id=42e02a;packetization-mode=1'));
    expect(sections[1]).toContain('profile-level-id=42e01f');
    expect(main.send[0]!.format.fmtp!['profile-level-id']).toBe('42e01f');
  });

  test.each(['packetization-mode=1', 'packetization-mode=1;profile-level-id=zz'])(
    'an unsaid level is not level 1: %s',
    fmtp => {
      expect(answer(h264(fmtp)).main.send[0]!.format.fmtp!['profile-level-id']).toBe('42001f');
    },
  );

  test('the camera and the slides of a room system each get a place', () => {
    const { sections, plan } = answer(vector('room-system-av'));
    expect(sections.map(s => s.split('\r\n', 1)[0])).toEqual([
      'm=application 0 UDP/BFCP *',
      'm=video 20002 RTP/AVPF 109',
      'm=audio 20000 RTP/AVPF 0',
      'm=video 20004 RTP/AVPF 109',
    ]);
    expect(sections[1]).toContain('a=content:main');
    expect(sections[3]).toContain('a=content:slides');
    expect(plan.video.main).toMatchObject({ index: 1, direction: 'sendrecv', maxBps: 1_881_600 });
    expect(plan.video.slides).toMatchObject({ index: 3, direction: 'recvonly' });
  });

  test('a second camera, an encrypted one and one without a codec of ours are rejected in their place', () => {
    const { sections, plan } = answer(
      videoOffer(
        ...['m=video 5002 RTP/SAVP 97', 'a=rtpmap:97 H264/90000'],
        ...['m=video 5004 RTP/AVP 34'],
        ...['m=video 5006 RTP/AVP 97', 'a=rtpmap:97 H264/90000'],
        ...['m=video 5008 RTP/AVP 97', 'a=rtpmap:97 H264/90000', 'a=content:speaker'],
      ),
    );
    expect(sections.map(s => s.split('\r\n', 1)[0])).toEqual([
      'm=audio 20000 RTP/AVP 0',
      'm=video 0 RTP/SAVP 97',
      'm=video 0 RTP/AVP 34',
      'm=video 20002 RTP/AVP 97',
      'm=video 0 RTP/AVP 97',
    ]);
    expect(plan.video.main!.index).toBe(3);
  });

  test.each<[string, CallLocal]>([
    ['no codec allowed', withVideo({ codecs: [] })],
    ['no port', withVideo({}, { videoPorts: {} })],
  ])('%s: rejected, and the sound goes on', (_, mine) => {
    const { sections, plan } = answer(vector('softphone-h264-modes'), mine);
    expect(sections[1]).toBe('m=video 0 RTP/AVP 97 98 99\r\n');
    expect(plan.video).toEqual({});
  });

  test.each([
    ['a=sendonly', 'sendonly', 'recvonly'],
    ['a=recvonly', 'recvonly', 'sendonly'],
    ['a=inactive', 'inactive', 'inactive'],
    ['c=IN IP4 0.0.0.0', 'sendonly', 'recvonly'],
    ['b=AS:0', 'sendrecv', 'recvonly'],
  ])('%s', (line, peer, direction) => {
    const { main } = answer(h264('packetization-mode=1', line));
    expect(main).toMatchObject({ peer, direction });
  });

  test.each([
    ['b=TIAS:300000', 300_000],
    ['b=AS:4000', 2_000_000],
    ['b=RS:0', 2_000_000],
    ['b=AS:-1', 2_000_000],
  ])('%s lets %d bit/s through', (line, bps) => {
    expect(answer(h264('packetization-mode=1', line)).main.maxBps).toBe(bps);
  });

  test('pictures without sound are refused', () => {
    const offer = { ...h264('packetization-mode=1') };
    const result = answerCall({ ...offer, sections: offer.sections.slice(1) }, local);
    expect(result).toMatchObject({ why: { reason: 'no-audio' } });
  });
});
