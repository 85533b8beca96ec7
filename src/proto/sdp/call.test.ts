import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { Refusal } from '../../kit/refusal.ts';
import { acceptCall, answerCall, type CallLocal, type CallPlan, offerCall } from './call.ts';
import { parseSdp, type Sdp, writeSdp } from './sdp.ts';

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
const answer = (offer: Sdp, mine = local): Sdp => {
  const result = answerCall(offer, mine);
  if (result instanceof Refusal) throw result;
  return result.sdp;
};
const accept = (offer: Sdp, reply: Sdp): CallPlan => {
  const plan = acceptCall(reply, offer, local);
  if (plan instanceof Refusal) throw plan;
  return plan;
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
describe('offering pictures', () => {
  const { slides: _, ...camera } = { ...local.videoPorts };
  const mine: CallLocal = { ...local, videoPorts: camera };

  test('both modes, VP8, feedback beside plain AVP', () => {
    expect(writeSdp(offerCall(mine)).split(/(?=^m=)/m)[2]).toBe(
      [
        'm=video 20002 RTP/AVP 97 98 99',
        'b=AS:2100',
        'b=TIAS:2000000',
        'a=rtpmap:97 H264/90000',
        'a=rtpmap:98 H264/90000',
        'a=rtpmap:99 VP8/90000',
        'a=fmtp:97 profile-level-id=42e01f;packetization-mode=1;level-asymmetry-allowed=1',
        'a=fmtp:98 profile-level-id=42e01f;packetization-mode=0;level-asymmetry-allowed=1',
        'a=rtcp-fb:* nack',
        'a=rtcp-fb:* nack pli',
        'a=rtcp-fb:* ccm fir',
        'a=rtcp-fb:* ccm tmmbr',
        'a=sendrecv',
        'a=rtcp-mux',
        '',
      ].join('\r\n'),
    );
  });

  test('the whole first description of a call fits a datagram', () => {
    expect(writeSdp(offerCall(mine)).length).toBeLessThan(1000);
  });

  test('the answer of a peer that is like us closes the circle', () => {
    const offer = offerCall(mine);
    const reply = answer(read(writeSdp(offer)), { ...local, videoPorts: { main: 30_002 } });
    const { video } = accept(offer, read(writeSdp(reply)));
    expect(video.slides).toBeUndefined();
    expect(video.main).toMatchObject({
      index: 1,
      mux: true,
      remote: { address: '192.0.2.1', port: 30_002 },
      send: [{ payloadType: 97, format: { codec: 'H264' } }],
      feedback: { nack: true, pli: true, fir: true },
      maxBps: 2_000_000,
    });
    expect([...video.main!.receive.keys()]).toEqual([97]);
  });

  test('numbers may differ per direction; feedback only where the answer has it', () => {
    const { main } = accept(
      offerCall(mine),
      videoOffer(
        'm=video 5002 RTP/AVP 120',
        'a=rtpmap:120 h264/90000',
        'a=fmtp:120 packetization-mode=0;profile-level-id=42E014',
        'a=rtcp-fb:120 ccm fir',
      ),
    ).video;
    expect([main!.send[0]!.payloadType, [...main!.receive.keys()]]).toEqual([120, [98, 120]]);
    expect(main!.feedback).toEqual({ nack: false, pli: false, fir: true });
    expect(main!.send[0]!.format.fmtp!['profile-level-id']).toBe('42e014');
  });

  test.each([
    [[]],
    [['m=video 0 RTP/AVP 97']],
    [['m=video 5002 RTP/AVP 31']],
    [['m=video 5002 RTP/SAVPF 97', 'a=rtpmap:97 H264/90000']],
  ])('an answer with %j is a call without pictures', lines => {
    expect(accept(offerCall(mine), videoOffer(...lines)).video).toEqual({});
  });

  test('a new offer keeps places and numbers; slides stay slides', () => {
    const previous = answer(vector('room-system-av'));
    const again = offerCall(local, previous);
    expect(again.sections.map(s => [s.kind, s.port, s.content])).toEqual([
      ['application', 0, undefined],
      ['video', 20_002, 'main'],
      ['audio', 20_000, undefined],
      ['video', 20_004, 'slides'],
    ]);
    expect(again.sections[1]!.codecs.map(c => [c.payloadType, c.name, c.fmtp['profile-level-id']])).toEqual([
      [109, 'H264', '42801f'],
      [98, 'H264', '42e01f'],
      [99, 'VP8', undefined],
    ]);
    expect(again.sections[1]!.protocol).toBe('RTP/AVPF');
  });

  test('new pictures go where old ones were, or behind the rest', () => {
    const none = answer(vector('softphone-opus'), mine);
    expect(offerCall(mine, none).sections.map(s => [s.kind, s.port])).toEqual([
      ['audio', 20_000],
      ['video', 20_002],
    ]);
    const refused = answer(vector('room-system-av'), { ...local, videoPorts: {} });
    expect(offerCall(mine, refused).sections.map(s => [s.kind, s.port])).toEqual([
      ['application', 0],
      ['video', 20_002],
      ['audio', 20_000],
      ['video', 0],
    ]);
  });
});
