import { describe, expect, it } from 'vitest';
import { parseMessage } from '../../src/proto/sip/parse.ts';
import { callerOf } from './ask.ts';
import { endedEarly, refusedCall, responseIn } from './sip-words.ts';
import { readTarget, type SipTarget } from './target.ts';
import { refusedPost } from './whip-words.ts';

describe('readTarget', () => {
  it('reads SIP addresses', () => {
    expect(readTarget('sip:1000@host', 'x')).toEqual({
      kind: 'sip',
      uri: 'sip:1000@host',
      host: 'host',
      port: 5060,
      transport: 'udp',
    });
    expect(readTarget('sip:1000@[2001:db8::1]:5070;transport=TCP', 'x')).toMatchObject({
      host: '2001:db8::1',
      port: 5070,
      transport: 'tcp',
    });
  });
  it('reads WHIP addresses and derives where the same room is played', () => {
    const t = readTarget('whip+https://host:8443/whip/1000?user=al%20ice&track=screen', 'x');
    expect(t.kind === 'whip' && [t.whip.href, t.whep.href, t.host, t.port]).toEqual([
      'https://host:8443/whip/1000?user=al+ice&track=screen',
      'https://host:8443/whep/1000?as=al+ice',
      'host',
      8443,
    ]);
    const behind = readTarget('whip+http://[::1]/gw/whip/a%2Fb', 'dialer');
    expect(behind.kind === 'whip' && [behind.whip.href, behind.whep.href, behind.host, behind.port]).toEqual([
      'http://[::1]/gw/whip/a%2Fb?user=dialer',
      'http://[::1]/gw/whep/a%2Fb?as=dialer',
      '::1',
      80,
    ]);
  });
  it('reads RTMP addresses: who publishes, who only plays', () => {
    const shared = { kind: 'rtmp', host: 'host', port: 1935 };
    expect(readTarget('rtmp://host/room/1000/al%20ice?token=a.b', 'x')).toEqual({
      ...shared,
      user: 'al ice',
      publish: '1000/al%20ice?token=a.b',
      play: '1000?as=al%20ice&token=a.b',
      own: '1000/al%20ice?as=al%20ice&token=a.b',
    });
    expect(readTarget('rtmp://host:1936/room/1000', 'me')).toEqual({
      ...shared,
      port: 1936,
      user: 'me',
      publish: '1000/me',
      play: '1000?as=me',
      own: '1000/me?as=me',
    });
    expect(readTarget('rtmp://[::1]/room/1000/bob/screen?as=alice', 'x')).toEqual({
      ...shared,
      host: '::1',
      user: 'alice',
      publish: undefined,
      play: '1000/bob/screen?as=alice',
      own: '',
    });
  });
  it.each([
    ['1000', /is no address to dial/],
    ['tel:1000', /^tel: addresses cannot be dialled/],
    ['rtmp://host/live/x', /names no room: write rtmp/],
    ['rtmp://host/room/1/a/other', /names no room: write rtmp/],
    ['sip:', /is no SIP address/],
    ['sip:1000@host;transport=tls', /over udp and tcp, not over tls/],
    ['whip+https://host/1000', /names no room to publish into/],
    ['whip+http://example.test/whip/1000', /write whip\+https/],
  ])('refuses %s in words', (text, words) => expect(() => readTarget(text, 'x')).toThrow(words));
});

it('takes the caller from the option, else from the token', () => {
  const token = `h.${Buffer.from('{"user":"alice"}').toString('base64url')}.s`;
  expect(callerOf({ user: 'bob', token })).toBe('bob');
  expect(callerOf({ token })).toBe('alice');
  for (const odd of [undefined, '', 'secret', 'a.b.c', `a.${Buffer.from('null').toString('base64url')}.c`])
    expect(callerOf({ token: odd })).toBe('dialer');
});

describe('the words of a refusal', () => {
  const target: SipTarget = { kind: 'sip', uri: 'sip:1@h', host: 'h', port: 5060, transport: 'udp' };
  const lines = [
    'SIP/2.0 403 Forbidden',
    'Via: SIP/2.0/UDP h;branch=z9hG4bKx',
    'From: <sip:a@h>;tag=1',
    'To: <sip:1@h>;tag=2',
    'Call-ID: x',
    'CSeq: 1 INVITE',
  ];
  const refusal = (...more: string[]): string => {
    const bytes = Buffer.from([...lines, ...more, 'Content-Length: 0', '', ''].join('\r\n'));
    const parsed = parseMessage(bytes);
    if (!parsed.ok || parsed.message.kind !== 'response') throw new Error('bad test message');
    return refusedCall(403, parsed.message, target, '192.0.2.1').message;
  };
  it('quote Warning, else Reason, else the status alone', () => {
    const warning = 'Warning: 399 roombridge "Room \\"7\\" is locked; ask its höst."';
    expect(refusal(warning, 'Reason: SIP;cause=403;text="other"')).toBe(
      'Signalling: the server refused the call with 403 Forbidden: Room "7" is locked; ask its höst.',
    );
    expect(refusal('Reason: SIP;cause=403;text="no entry"')).toMatch(/403 Forbidden: no entry\.$/);
    expect(refusal()).toMatch(/with 403 Forbidden\.$/);
  });
  it('tell a broken connection from silence', () => {
    expect(refusedCall(408, undefined, target, '192.0.2.1').why.reason).toBe('transport');
    expect(refusedCall(503, undefined, target, '192.0.2.1').message).toMatch(/connection .* broke/);
  });
  it('quote the Reason of an early end', () => {
    expect(endedEarly('SIP;cause=403;text="The host has removed you."').message).toBe(
      'Signalling: the server ended the call before its time: The host has removed you.',
    );
    expect(endedEarly(undefined).message).toBe('Signalling: the server ended the call before its time.');
  });
  it('quote problem+json, and guess without', () => {
    const post = (status: number, body: string) => refusedPost('WHIP', { status, body, headers: {} }).message;
    expect(post(403, '{"title":"t","detail":"Room 1000 is locked."}')).toBe(
      'Signalling: the server refused the WHIP session with 403: Room 1000 is locked.',
    );
    expect(post(401, '{"detail":"A token is needed."}')).toMatch(/A token is needed; give --token\.$/);
    expect(post(404, '<html>')).toMatch(/with 404, and does not say why; is it a Roombridge\?$/);
  });
  it('responses to the INVITE are steps, others are not', () => {
    const bytes = (cseq: string) => Buffer.from(`SIP/2.0 180 Ringing\r\nCSeq: ${cseq}\r\n\r\n`);
    expect(responseIn(bytes('1 INVITE'))).toEqual({ status: '180', phrase: 'Ringing' });
    expect(responseIn(bytes('2 BYE'))).toBeUndefined();
    expect(responseIn(Buffer.from('BYE sip:x SIP/2.0\r\nCSeq: 1 INVITE\r\n\r\n'))).toBeUndefined();
  });
});
