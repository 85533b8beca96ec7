import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parseFmtp, parseSdp, type Sdp, versioned, writeSdp } from './sdp.ts';

const folder = new URL('../../../fixtures/sdp/', import.meta.url);
const text = (name: string): string => readFileSync(new URL(`${name}.sdp`, folder), 'utf8');
const read = (t: string): Sdp => {
  const sdp = parseSdp(t);
  if (typeof sdp === 'string') throw new Error(sdp);
  return sdp;
};

describe('reading', () => {
  test('a softphone', () => {
    const { sections, ...session } = read(text('softphone-opus'));
    expect(session).toEqual({ sessionId: '3901100001', version: 3901100001, address: '192.168.1.20' });
    expect(sections).toHaveLength(1);
    expect(sections[0]).toMatchObject({
      kind: 'audio',
      port: 7078,
      protocol: 'RTP/AVP',
      direction: 'sendrecv',
      address: '192.168.1.20',
      rtcp: { port: 7079 },
      rtcpMux: true,
      ptimeMs: 20,
      maxptimeMs: 40,
      bandwidth: [{ type: 'AS', value: 80 }],
    });
    expect(sections[0]!.codecs.map(c => `${c.payloadType} ${c.name}/${c.clockRate}/${c.channels}`)).toEqual([
      '96 opus/48000/2',
      '97 speex/16000/1',
      '98 speex/8000/1',
      '0 PCMU/8000/1',
      '8 PCMA/8000/1',
      '9 G722/8000/1',
      '101 telephone-event/48000/1',
      '99 telephone-event/8000/1',
    ]);
    expect(sections[0]!.codecs[0]!.fmtp).toEqual({
      maxplaybackrate: '48000',
      useinbandfec: '1',
      stereo: '0',
    });
    expect(sections[0]!.codecs[6]!.fmtp).toEqual({ '0-16': '' });
  });

  test('a room system with picture, slides and floor control', () => {
    const { sections, bandwidth } = read(text('room-system-av'));
    expect(bandwidth).toEqual([{ type: 'AS', value: 2048 }]);
    expect(sections.map(s => [s.kind, s.port, s.protocol, s.direction, s.content])).toEqual([
      ['application', 5070, 'UDP/BFCP', 'sendrecv', undefined],
      ['video', 5072, 'RTP/AVPF', 'sendrecv', 'main'],
      ['audio', 5074, 'RTP/AVPF', 'sendrecv', undefined],
      ['video', 5076, 'RTP/AVPF', 'sendonly', 'slides'],
    ]);
    expect(sections[0]).toMatchObject({ formats: ['*'], codecs: [] });
    expect(sections[1]).toMatchObject({
      label: '11',
      bandwidth: [{ type: 'TIAS', value: 1900000 }],
      feedback: [{ payloadType: '*', type: 'nack pli' }],
    });
    expect(sections[1]!.codecs[1]).toMatchObject({ payloadType: 34, name: 'H263', clockRate: 90000 });
    expect(sections[2]!.rtcp).toEqual({ port: 5099, address: '198.51.100.9' });
  });

  test('G722 written with 16000 counts 8000; a section has its own address; a session its direction', () => {
    expect(read(text('deskphone-g722-16000')).sections[0]!.codecs[0]).toMatchObject({
      name: 'G722',
      clockRate: 8000,
    });
    expect(read(text('deskphone-g711-static')).sections[0]).toMatchObject({
      address: '203.0.113.40',
      ptimeMs: 30,
    });
    expect(read(text('hold-sendonly')).sections[0]!.direction).toBe('sendonly');
    expect(read(text('ipv6')).sections[0]).toMatchObject({ port: 5000, address: '2001:db8::7' });
  });

  test('line ends may be bare', () => {
    const unix = text('softphone-opus').replaceAll('\r\n', '\n');
    expect(parseSdp(unix)).toEqual(parseSdp(text('softphone-opus')));
  });

  test('fmtp', () => {
    expect(parseFmtp('A=1; b ;C = x=y;;')).toEqual({ a: '1', b: '', c: 'x=y' });
    expect(Object.getPrototypeOf(parseFmtp('__proto__=x'))).toBe(Object.prototype);
  });

  const head = 'v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\n';
  test.each([
    ['', 'does not begin with v=0'],
    ['INVITE sip:a@b SIP/2.0', 'does not begin with v=0'],
    ['v=0\r\ns=-\r\n', 'no valid o= line'],
    [`${head}m=audio\r\n`, 'line 5 is not a valid m= line'],
    [`${head}m=audio 99999 RTP/AVP 0\r\n`, 'line 5 is not a valid m= line'],
    [`${head}m=audio 5000 RTP/AVP ${'0 '.repeat(65)}\r\n`, 'line 5 is not a valid m= line'],
    [head + 'm=audio 5000 RTP/AVP 0\r\n'.repeat(33), 'more than 32 m= lines'],
    [`${head}a=${'x'.repeat(2000)}\r\n`, 'line 5 is longer than 2000 characters'],
    [head + 'a=x\r\n'.repeat(600), 'more than 600 lines'],
    [head + 'x'.repeat(40_000), 'longer than 32768 characters'],
  ])('bad or too much: %#', (t, why) => {
    expect(parseSdp(t)).toContain(why);
  });
});

describe('writing', () => {
  test.each(readdirSync(folder).filter(f => f.endsWith('.sdp')))(
    '%s is the same after writing and reading',
    name => {
      const sdp = read(text(name.slice(0, -4)));
      const again = read(writeSdp(sdp));
      for (const [i, s] of sdp.sections.entries()) {
        if (s.port === 0)
          expect(again.sections[i]).toMatchObject({ kind: s.kind, port: 0, formats: s.formats });
        else expect(again.sections[i]).toEqual({ address: sdp.address, ...s });
      }
    },
  );

  test('the exact text', () => {
    const sdp: Sdp = {
      sessionId: '42',
      version: 1,
      address: '192.0.2.1',
      sections: [
        {
          kind: 'audio',
          port: 4000,
          protocol: 'RTP/AVP',
          formats: ['0', '101'],
          codecs: [
            { payloadType: 0, name: 'PCMU', clockRate: 8000, channels: 1, fmtp: {} },
            { payloadType: 101, name: 'telephone-event', clockRate: 8000, channels: 1, fmtp: { '0-15': '' } },
          ],
          ptimeMs: 20,
          direction: 'sendrecv',
          rtcpMux: true,
        },
        { kind: 'video', port: 0, protocol: 'RTP/AVP', formats: ['97'], codecs: [], direction: 'inactive' },
      ],
    };
    expect(writeSdp(sdp)).toBe(
      [
        'v=0',
        'o=- 42 1 IN IP4 192.0.2.1',
        's=-',
        'c=IN IP4 192.0.2.1',
        't=0 0',
        'm=audio 4000 RTP/AVP 0 101',
        'a=rtpmap:0 PCMU/8000',
        'a=rtpmap:101 telephone-event/8000',
        'a=fmtp:101 0-15',
        'a=ptime:20',
        'a=sendrecv',
        'a=rtcp-mux',
        'm=video 0 RTP/AVP 97',
        '',
      ].join('\r\n'),
    );
  });

  test('the version goes up exactly when something changed', () => {
    const first = read(text('deskphone-g711-static'));
    const one = versioned(first, undefined);
    expect(versioned({ ...first, sessionId: 'other' }, one)).toBe(one);
    const changed = versioned({ ...first, address: '192.0.2.9' }, one);
    expect(changed).toMatchObject({ version: one.version + 1, sessionId: one.sessionId });
  });
});
