import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { Refusal } from '../../kit/refusal.ts';
import { type AudioLocal, type AudioPlan, acceptAudio, answerAudio, offerAudio } from './audio.ts';
import { parseSdp, type Sdp, writeSdp } from './sdp.ts';

const read = (text: string): Sdp => {
  const sdp = parseSdp(text);
  if (typeof sdp === 'string') throw new Error(sdp);
  return sdp;
};
const vector = (name: string): Sdp =>
  read(readFileSync(new URL(`../../../fixtures/sdp/${name}.sdp`, import.meta.url), 'utf8'));
const local: AudioLocal = {
  sessionId: '42',
  address: '192.0.2.1',
  port: 20_000,
  codecs: ['opus', 'G722', 'PCMU', 'PCMA'],
  direction: 'sendrecv',
};
const answer = (
  offer: Sdp,
  mine: Partial<AudioLocal> = {},
): { plan: AudioPlan; lines: string[]; sdp: Sdp } => {
  const result = answerAudio(offer, { ...local, ...mine });
  if (result instanceof Refusal) throw result;
  return { ...result, lines: writeSdp(result.sdp).split('\r\n') };
};
const refusal = (offer: Sdp): Refusal => {
  const result = answerAudio(offer, local);
  if (!(result instanceof Refusal)) throw new Error('answered');
  return result;
};
/** A one-line change to an offer of PCMU and PCMA. */
const offerWith = (...lines: string[]): Sdp =>
  read(
    ['v=0', 'o=- 1 1 IN IP4 203.0.113.1', 's=-', 'c=IN IP4 203.0.113.1', 't=0 0', ...lines, ''].join('\r\n'),
  );

describe('answering', () => {
  test('the first codec of the offer that is allowed, with the numbers of the offer and the events of its clock', () => {
    const { lines, plan } = answer(vector('softphone-opus'));
    expect(lines).toContain('m=audio 20000 RTP/AVP 96 101');
    expect(lines).toContain('a=rtpmap:96 opus/48000/2');
    expect(lines).toContain('a=rtpmap:101 telephone-event/48000');
    expect(lines).toContain('a=rtcp-mux');
    expect(plan).toMatchObject({
      index: 0,
      remote: { address: '192.168.1.20', port: 7078 },
      remoteRtcp: { address: '192.168.1.20', port: 7078 },
      mux: true,
      direction: 'sendrecv',
      send: { payloadType: 96, ptimeMs: 20 },
      sendEvents: { payloadType: 101, clockRate: 48000 },
    });
    expect(plan.receive.get(96)).toEqual({
      codec: 'opus',
      clockRate: 48000,
      channels: 2,
      fmtp: { maxplaybackrate: '48000', useinbandfec: '1', stereo: '0' },
    });
  });

  test('the config restricts, and the events follow the codec', () => {
    const { plan, lines } = answer(vector('softphone-opus'), { codecs: ['PCMA', 'PCMU'] });
    expect(lines).toContain('m=audio 20000 RTP/AVP 0 99');
    expect(plan.send).toMatchObject({ payloadType: 0, format: { codec: 'PCMU', clockRate: 8000 } });
    expect([...plan.events]).toEqual([[99, 8000]]);
  });

  test('static payload types, ptime of the peer, RTCP beside RTP', () => {
    const { plan, lines } = answer(vector('deskphone-g711-static'));
    expect(lines).toContain('m=audio 20000 RTP/AVP 8 101');
    expect(lines).toContain('a=ptime:30');
    expect(lines).not.toContain('a=rtcp-mux');
    expect(plan).toMatchObject({
      send: { ptimeMs: 30 },
      remoteRtcp: { address: '203.0.113.40', port: 11781 },
    });
  });

  test('G722 is answered with 8000, whatever the phone wrote', () => {
    expect(answer(vector('deskphone-g722-16000')).lines).toContain('a=rtpmap:9 G722/8000');
  });

  test('every other section is rejected in its place', () => {
    const { lines, plan, sdp } = answer(vector('room-system-av'));
    expect(lines.filter(l => l.startsWith('m='))).toEqual([
      'm=application 0 UDP/BFCP *',
      'm=video 0 RTP/AVPF 109 34',
      'm=audio 20000 RTP/AVPF 0',
      'm=video 0 RTP/AVPF 109',
    ]);
    expect(sdp.sections).toHaveLength(4);
    expect(plan).toMatchObject({ index: 2, remoteRtcp: { address: '198.51.100.9', port: 5099 } });
  });

  test('dual offer: the plain one is taken', () => {
    expect(answer(vector('secure-and-plain')).lines.filter(l => l.startsWith('m='))).toEqual([
      'm=audio 0 RTP/SAVP 0',
      'm=audio 20000 RTP/AVP 0',
    ]);
  });

  test('events of another clock are better than none', () => {
    const { plan } = answer(
      offerWith(
        'm=audio 5000 RTP/AVP 111 101',
        'a=rtpmap:111 opus/48000/2',
        'a=rtpmap:101 telephone-event/8000',
      ),
    );
    expect([...plan.events]).toEqual([[101, 8000]]);
  });

  test.each([
    ['a=ptime:60', 60],
    ['a=ptime:35', 30],
    ['a=ptime:5', 10],
    ['a=ptime:120', 60],
    ['a=maxptime:10', 10],
    ['a=ptime:0', 20],
    ['a=x', 20],
  ])('%s: frames of %d ms', (line, ms) => {
    expect(answer(offerWith('m=audio 5000 RTP/AVP 0', line)).plan.send.ptimeMs).toBe(ms);
  });

  test('opus has no frames of 30 ms', () => {
    const offer = offerWith('m=audio 5000 RTP/AVP 96', 'a=rtpmap:96 OPUS/48000/2', 'a=ptime:30');
    expect(answer(offer).plan.send.ptimeMs).toBe(20);
  });
});

describe('direction and hold', () => {
  test.each([
    ['sendrecv', 'sendrecv'],
    ['sendonly', 'recvonly'],
    ['recvonly', 'sendonly'],
    ['inactive', 'inactive'],
  ])('%s is answered %s', (asked, answered) => {
    const { lines, plan } = answer(offerWith('m=audio 5000 RTP/AVP 0', `a=${asked}`));
    expect(lines).toContain(`a=${answered}`);
    expect(plan).toMatchObject({ peer: asked, direction: answered });
  });

  test('hold in the old style is answered recvonly, never sendrecv', () => {
    const { lines, plan } = answer(vector('hold-old-style'));
    expect(lines).toContain('a=recvonly');
    expect(plan).toMatchObject({ peer: 'sendonly', remote: undefined, remoteRtcp: undefined });
  });

  test('hold in the new style, said for the whole session', () => {
    expect(answer(vector('hold-sendonly')).lines).toContain('a=recvonly');
  });

  test('a leg that only plays sends only', () => {
    const { lines } = answer(vector('deskphone-g711-static'), { direction: 'sendonly' });
    expect(lines).toContain('a=sendonly');
  });

  test('a name instead of an address is nowhere to send to', () => {
    const offer = offerWith('m=audio 5000 RTP/AVP 0', 'c=IN IP4 phone.example.test');
    expect(answer(offer).plan.remote).toBeUndefined();
  });
});

describe('refusals', () => {
  test.each([
    ['no-common-codec', 'no-common-codec', 'G729/8000, iLBC/8000'],
    ['secure-only', 'no-common-profile', 'RTP/SAVP'],
    ['dtls-only', 'no-common-profile', 'UDP/TLS/RTP/SAVPF'],
    ['fax-t38-reinvite', 'no-audio', 'image udptl'],
  ])('%s', (name, reason, words) => {
    const { why } = refusal(vector(name));
    expect(why).toMatchObject({ blame: 'client', reason });
    expect(why.text).toContain(words);
  });
});

describe('offering', () => {
  const accept = (offer: Sdp, reply: Sdp): AudioPlan => {
    const plan = acceptAudio(reply, offer, local);
    if (plan instanceof Refusal) throw plan;
    return plan;
  };

  test('every codec of the config in its order, events for both clocks', () => {
    const lines = writeSdp(offerAudio(local)).split('\r\n');
    expect(lines).toContain('m=audio 20000 RTP/AVP 96 9 0 8 102 101');
    expect(lines).toContain('a=rtpmap:9 G722/8000');
    expect(lines).toContain('a=rtpmap:102 telephone-event/48000');
    expect(lines).toContain('a=rtpmap:101 telephone-event/8000');
    expect(lines).toContain('a=rtcp-mux');
  });

  test('the answer of a peer that is like us closes the circle', () => {
    const offer = offerAudio(local);
    const { sdp, plan: theirs } = answer(read(writeSdp(offer)), { port: 30_000, codecs: ['PCMA'] });
    const plan = accept(offer, read(writeSdp(sdp)));
    expect(plan).toMatchObject({
      mux: true,
      direction: 'sendrecv',
      remote: { address: '192.0.2.1', port: 30_000 },
    });
    expect(plan.send).toMatchObject({ payloadType: 8, format: { codec: 'PCMA' } });
    expect(theirs.send.payloadType).toBe(8);
    expect([...plan.receive.keys()]).toEqual([8]);
  });

  test('payload types may differ per direction: we send theirs and receive ours', () => {
    const plan = accept(
      offerAudio(local),
      offerWith(
        'm=audio 5000 RTP/AVP 120 121',
        'a=rtpmap:120 opus/48000/2',
        'a=rtpmap:121 telephone-event/48000',
      ),
    );
    expect(plan.send.payloadType).toBe(120);
    expect(plan.sendEvents).toEqual({ payloadType: 121, clockRate: 48000 });
    expect([...plan.receive.keys()]).toEqual([96, 120]);
    expect(plan.events.get(102)).toBe(48000);
    expect(plan.mux).toBe(false);
  });

  test('an answer without audio, or with fewer sections, is refused', () => {
    const refusals = [offerWith('m=audio 0 RTP/AVP 0'), offerWith()].map(reply => {
      const plan = acceptAudio(reply, offerAudio(local), local);
      return plan instanceof Refusal ? plan.why.reason : plan;
    });
    expect(refusals).toEqual(['no-audio', 'bad-answer']);
  });

  test('a new offer keeps places and numbers and names the codec in use first', () => {
    const { sdp: previous } = answer(vector('room-system-av'));
    const offer = offerAudio(local, previous, 'PCMU');
    expect(offer.sections.map(s => [s.kind, s.port])).toEqual([
      ['application', 0],
      ['video', 0],
      ['audio', 20_000],
      ['video', 0],
    ]);
    expect(offer.sections[2]!.formats[0]).toBe('0');
    const opus = answer(
      offerWith(
        'm=audio 5000 RTP/AVP 101 96',
        'a=rtpmap:101 opus/48000/2',
        'a=rtpmap:96 telephone-event/48000',
      ),
    ).sdp;
    const again = offerAudio(local, opus, 'opus').sections[0]!.codecs.map(
      c => `${c.payloadType} ${c.name}/${c.clockRate}`,
    );
    expect(again).toEqual([
      '101 opus/48000',
      '9 G722/8000',
      '0 PCMU/8000',
      '8 PCMA/8000',
      '96 telephone-event/48000',
      '102 telephone-event/8000',
    ]);
  });
});
