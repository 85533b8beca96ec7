import { describe, expect, test } from 'vitest';
import { ANSWER, autoAnswer, idle, OFFER, pair, talking } from '../../../test/harness/sip-pair.ts';
import { SipWorld } from '../../../test/harness/sip-world.ts';

describe.each(['udp', 'tcp'])('over %s', transport => {
  test('INVITE, 180, 200, ACK, BYE from the caller', () => {
    const { world, a, b, dial } = pair();
    b.on = (e, peer) => {
      if (e.type === 'invite') peer.feed({ type: 'progress', call: e.call, status: 180 });
    };
    dial({ to: `sip:1000@10.0.0.2;transport=${transport}` });
    world.run(500);
    expect(a.one('progress')).toMatchObject({ status: 180 });
    const { call, sdp, request } = b.one('invite');
    expect(sdp).toBe(OFFER);
    expect(request.uri.user).toBe('1000');
    b.feed({ type: 'answer', call, sdp: ANSWER });
    world.run(500);
    expect(a.one('answered')).toMatchObject({ sdp: ANSWER, owed: false });
    expect(b.one('confirmed').sdp).toBeUndefined();
    a.feed({ type: 'hangup', call: 'c1', headers: [['Reason', 'Q.850;cause=16']] });
    world.run();
    expect(b.one('ended')).toMatchObject({ by: 'remote', reason: 'Q.850;cause=16' });
    expect(a.one('ended')).toMatchObject({ by: 'local' });
    idle(a, b);
  });

  test('BYE from the called side', () => {
    const { world, a, b, dial } = pair();
    b.on = autoAnswer;
    dial({ to: `sip:1000@10.0.0.2;transport=${transport}` });
    world.run(1000);
    b.feed({ type: 'hangup', call: b.one('invite').call });
    world.run();
    expect(a.one('ended')).toMatchObject({ by: 'remote' });
    idle(a, b);
  });

  test('a refusal is acknowledged and its words arrive', () => {
    const { world, a, b, dial } = pair();
    b.on = (e, peer) => {
      if (e.type === 'invite')
        peer.feed({
          type: 'reject',
          call: e.call,
          status: 488,
          headers: [['Warning', '305 x "No common codec"']],
        });
    };
    dial({ to: `sip:1000@10.0.0.2;transport=${transport}` });
    world.run();
    const failed = a.one('failed');
    expect(failed).toMatchObject({ status: 488, reason: 'Not Acceptable Here' });
    expect(failed.response?.headers.get('warning')).toBe('305 x "No common codec"');
    expect(a.sent.filter(l => l.startsWith('ACK'))).toHaveLength(1);
    expect(b.one('ended')).toMatchObject({ by: 'local' });
    idle(a, b);
  });
});

describe('lossy link', () => {
  // Every phase of every call under loss: nothing may hang, and nearly all get through.
  test.each([
    [0.1, 0.99],
    [0.3, 0.95],
  ])('loss %f: calls complete', (loss, share) => {
    const world = new SipWorld({ seed: 7, loss, delayMs: 20, jitterMs: 40 });
    const a = world.peer('10.0.0.1');
    const b = world.peer('10.0.0.2', { newRequestsPerSecond: 1e6 });
    b.on = autoAnswer;
    a.on = e => {
      if (e.type === 'answered') a.feed({ type: 'hangup', call: e.call });
    };
    const calls = 300;
    for (let i = 0; i < calls; i++) {
      a.feed({ type: 'dial', call: `c${i}`, options: { to: 'sip:1000@10.0.0.2', user: 'a', sdp: OFFER } });
      world.run(50);
    }
    world.run();
    const answered = a.all('answered').length;
    expect(answered).toBeGreaterThanOrEqual(calls * share);
    expect(answered + a.all('failed').length).toBe(calls);
    expect(a.all('ended')).toHaveLength(answered);
    // Each call the server answered ended there too, by BYE or by timer.
    expect(b.all('ended')).toHaveLength(b.all('invite').length);
    idle(a, b);
  });

  test('2xx is resent until its ACK comes', () => {
    const w = pair();
    let lost = 0;
    w.world.drop = text => text.startsWith('ACK') && lost++ < 3;
    w.b.on = autoAnswer;
    w.dial();
    w.world.run(10_000);
    expect(w.b.sent.filter(l => l === 'SIP/2.0 200 OK')).toHaveLength(4);
    expect(w.b.all('confirmed')).toHaveLength(1);
    expect(w.a.all('answered')).toHaveLength(1);
  });

  test('no ACK at all: BYE after 64*T1', () => {
    const w = pair();
    w.world.drop = text => text.startsWith('ACK');
    w.b.on = autoAnswer;
    w.dial();
    w.world.run(31_000);
    expect(w.b.all('ended')).toHaveLength(0);
    w.world.run();
    expect(w.b.one('ended')).toMatchObject({ by: 'timer' });
    expect(w.a.one('ended')).toMatchObject({ by: 'remote' });
    idle(w.a, w.b);
  });

  test('nobody there: 408 after timer B, seven INVITEs', () => {
    const w = pair({ loss: 1 });
    w.dial();
    w.world.run();
    expect(w.a.one('failed')).toMatchObject({ status: 408 });
    expect(w.world.now).toBe(32_000);
    expect(w.a.sent.filter(l => l.startsWith('INVITE'))).toHaveLength(7);
    idle(w.a);
  });
});

describe('CANCEL', () => {
  test('while ringing: 487, both sides done', () => {
    const w = pair();
    w.dial();
    w.world.run(1000);
    w.a.feed({ type: 'hangup', call: 'c1', headers: [['Reason', 'SIP;cause=200;text="Elsewhere"']] });
    w.world.run();
    expect(w.b.one('cancelled').reason).toContain('Elsewhere');
    expect(w.a.one('failed').status).toBe(487);
    expect(w.a.sent.map(l => l.split(' ')[0])).toEqual(['INVITE', 'CANCEL', 'ACK']);
    idle(w.a, w.b);
  });

  test('before any response waits for one', () => {
    const w = pair();
    w.dial();
    w.a.feed({ type: 'hangup', call: 'c1' });
    expect(w.a.sent).toHaveLength(1);
    w.world.run();
    expect(w.b.one('cancelled')).toBeDefined();
    expect(w.a.one('failed').status).toBe(487);
    idle(w.a, w.b);
  });

  test('crossing a 200: ACK, then BYE', () => {
    const w = pair();
    w.dial();
    w.world.run(1000);
    w.b.feed({ type: 'answer', call: w.b.one('invite').call, sdp: ANSWER });
    w.a.feed({ type: 'hangup', call: 'c1' });
    w.world.run();
    expect(w.a.sent.map(l => l.split(' ')[0])).toEqual(['INVITE', 'CANCEL', 'ACK', 'BYE']);
    expect(w.a.one('failed').status).toBe(487);
    expect(w.a.all('answered')).toHaveLength(0);
    expect(w.b.one('ended')).toMatchObject({ by: 'remote' });
    idle(w.a, w.b);
  });

  test('of nothing: 481', () => {
    const w = pair();
    w.world.inject(w.b, plain('CANCEL'));
    expect(w.b.sent).toEqual(['SIP/2.0 481 Call/Transaction Does Not Exist']);
  });
});

describe('re-INVITE', () => {
  test('from either side, answered and confirmed', () => {
    const w = pair();
    const call = talking(w);
    w.a.feed({ type: 'reinvite', call: 'c1', sdp: 'HOLD' });
    w.world.run(100);
    expect(w.b.one('offer').sdp).toBe('HOLD');
    w.b.feed({ type: 'answer', call, sdp: 'HELD' });
    w.world.run(100);
    expect(w.a.one('reanswered')).toMatchObject({ sdp: 'HELD', owed: false });
    w.b.feed({ type: 'reinvite', call, sdp: 'NEW' });
    w.world.run(100);
    w.a.feed({ type: 'answer', call: 'c1', sdp: 'OK' });
    w.world.run(100);
    expect(w.b.one('reanswered')).toMatchObject({ sdp: 'OK' });
    expect(w.b.all('confirmed')).toHaveLength(2);
  });

  test('refused: the call goes on', () => {
    const w = pair();
    const call = talking(w);
    w.a.feed({ type: 'reinvite', call: 'c1', sdp: 'T38' });
    w.world.run(100);
    w.b.feed({ type: 'reject', call, status: 488 });
    w.world.run(100);
    expect(w.a.one('rerefused').status).toBe(488);
    w.a.feed({ type: 'reinvite', call: 'c1', sdp: 'AUDIO' });
    w.world.run(100);
    expect(w.b.all('offer')).toHaveLength(2);
  });

  test('glare: both get 491, back off differently, both get through', () => {
    const w = pair();
    const call = talking(w);
    for (const p of [w.a, w.b])
      p.on = (e, peer) => {
        if (e.type === 'offer') peer.feed({ type: 'answer', call: e.call, sdp: `to ${e.sdp}` });
        // The one whose back-off was overtaken asks again when the other's exchange is done.
        if (e.type === 'confirmed' && peer.all('rerefused').length > peer.all('reanswered').length)
          peer.feed({ type: 'reinvite', call: e.call, sdp: 'again' });
      };
    w.a.feed({ type: 'reinvite', call: 'c1', sdp: 'from a' });
    w.b.feed({ type: 'reinvite', call, sdp: 'from b' });
    w.world.run(10_000);
    expect(w.a.sent).toContain('SIP/2.0 491 Request Pending');
    expect(w.b.sent).toContain('SIP/2.0 491 Request Pending');
    expect(w.b.one('reanswered').sdp).toBe('to from b');
    expect(w.a.one('reanswered').sdp).toBe('to again');
  });

  test('cancelled by the peer', () => {
    const w = pair();
    talking(w);
    w.a.feed({ type: 'reinvite', call: 'c1', sdp: 'HOLD' });
    w.world.run(100);
    w.a.feed({ type: 'hangup', call: 'c1' });
    w.world.run();
    expect(w.b.one('ended')).toMatchObject({ by: 'remote' });
    idle(w.a, w.b);
  });

  test('offerless, both roles: the answer travels in the ACK', () => {
    const w = pair();
    const call = talking(w);
    w.a.feed({ type: 'reinvite', call: 'c1', sdp: null });
    w.world.run(100);
    expect(w.b.one('offer').sdp).toBeUndefined();
    w.b.feed({ type: 'answer', call, sdp: 'B OFFERS' });
    w.world.run(100);
    expect(w.a.one('reanswered')).toMatchObject({ sdp: 'B OFFERS', owed: true });
    w.a.feed({ type: 'acknowledge', call: 'c1', sdp: 'A ANSWERS' });
    w.world.run(100);
    expect(w.b.all('confirmed')[1]?.sdp).toBe('A ANSWERS');
  });
});

test('offerless INVITE: our offer in the 200, the answer in the ACK', () => {
  const w = pair();
  w.b.on = autoAnswer;
  w.dial({ sdp: undefined });
  w.world.run(1000);
  expect(w.b.one('invite').sdp).toBeUndefined();
  expect(w.a.one('answered')).toMatchObject({ sdp: ANSWER, owed: true });
  w.a.feed({ type: 'acknowledge', call: 'c1', sdp: 'IN ACK' });
  w.world.run(1000);
  expect(w.b.one('confirmed').sdp).toBe('IN ACK');
});

test('hanging up before the ACK waits for it', () => {
  const w = pair();
  w.b.on = autoAnswer;
  let held = true;
  w.world.drop = text => held && text.startsWith('ACK');
  w.dial();
  w.world.run(1000);
  w.b.feed({ type: 'hangup', call: w.b.one('invite').call });
  w.world.run(1000);
  expect(w.b.sent.some(l => l.startsWith('BYE'))).toBe(false);
  held = false;
  w.world.run();
  expect(w.a.one('ended')).toMatchObject({ by: 'remote' });
  idle(w.a, w.b);
});

test('INFO: known types are told and answered 200, others 415 with what we take; the call lives', () => {
  const w = pair();
  talking(w);
  w.a.feed({
    type: 'info',
    call: 'c1',
    contentType: 'application/dtmf-relay',
    content: 'Signal=5\r\nDuration=160',
  });
  w.a.feed({ type: 'info', call: 'c1', contentType: 'text/odd', content: '?' });
  w.world.run(1000);
  expect(w.b.one('info')).toMatchObject({ contentType: 'application/dtmf-relay' });
  expect(w.b.sent).toContain('SIP/2.0 415 Unsupported Media Type');
  expect(w.b.all('ended')).toHaveLength(0);
});

test('a fork that answers second is acknowledged and hung up', () => {
  const w = pair();
  w.dial();
  w.world.run(5);
  const invite = /** what b got */ w;
  invite.b.on = autoAnswer;
  w.world.run(1000);
  const ok = (tag: string): string => {
    const r = w.b.one('invite').request;
    return [
      'SIP/2.0 200 OK',
      `Via: ${r.via.raw}`,
      `From: ${r.from.raw}`,
      `To: ${r.to.raw};tag=${tag}`,
      `Call-ID: ${r.callId}`,
      `CSeq: ${r.cseq} INVITE`,
      'Contact: <sip:fork@10.0.0.3>',
      'Content-Length: 0',
      '\r\n',
    ].join('\r\n');
  };
  w.a.sent.length = 0;
  w.world.inject(w.a, ok('fork'), '10.0.0.3');
  expect(w.a.sent.map(l => l.split(' ').slice(0, 2).join(' '))).toEqual([
    'ACK sip:fork@10.0.0.3',
    'BYE sip:fork@10.0.0.3',
  ]);
  w.world.inject(w.a, ok('fork'), '10.0.0.3');
  expect(w.a.sent).toHaveLength(3); // its 200 again: only its ACK again
  expect(w.a.all('answered')).toHaveLength(1);
});

test('out-of-order CSeq in a dialog: 500; an unknown dialog: 481', () => {
  const w = pair();
  talking(w);
  const { request } = w.b.one('invite');
  const tag = /tag=(\w+)/.exec(w.a.one('answered').response.to.raw)?.[1];
  const inDialog = (cseq: number, to: string): string =>
    plain('INFO', {
      from: request.from.raw,
      to: `<sip:1000@10.0.0.2>;tag=${to}`,
      callId: request.callId,
      cseq,
      branch: `z9hG4bKx${cseq}${to}`,
    });
  w.b.sent.length = 0;
  w.world.inject(w.b, inDialog(0, tag as string));
  w.world.inject(w.b, inDialog(9, 'nobody'));
  expect(w.b.sent).toEqual(['SIP/2.0 500 CSeq Out Of Order', 'SIP/2.0 481 Call/Transaction Does Not Exist']);
});

/** A well-formed request from a stranger. */
function plain(
  method: string,
  o: { from?: string; to?: string; callId?: string; cseq?: number; branch?: string } = {},
): string {
  return [
    `${method} sip:1000@10.0.0.2 SIP/2.0`,
    `Via: SIP/2.0/UDP 192.0.2.66:5060;branch=${o.branch ?? 'z9hG4bKstranger'}`,
    `From: ${o.from ?? '<sip:x@192.0.2.66>;tag=1'}`,
    `To: ${o.to ?? '<sip:1000@10.0.0.2>'}`,
    `Call-ID: ${o.callId ?? 'stranger'}`,
    `CSeq: ${o.cseq ?? 1} ${method}`,
    'Contact: <sip:x@192.0.2.66>',
    'Content-Length: 0',
    '\r\n',
  ].join('\r\n');
}
