import { describe, expect, test } from 'vitest';
import {
  ANSWER,
  header,
  idle,
  lastSent,
  message,
  OFFER,
  pair,
  talking,
} from '../../../test/harness/sip-pair.ts';
import type { SipPeer } from '../../../test/harness/sip-world.ts';

/** Rings with a reliable 183, so that offer and answer have met. */
function ringing(): ReturnType<typeof pair> & { call: string } {
  const w = pair();
  w.dial();
  w.world.run(100);
  const { call } = w.b.one('invite');
  w.b.feed({ type: 'progress', call, status: 183, sdp: ANSWER });
  w.world.run(100);
  return { ...w, call };
}

const answers = (p: SipPeer, sdp: string): void => {
  p.on = e => {
    if (e.type === 'offer') p.feed({ type: 'answer', call: e.call, sdp });
  };
};

describe('while it rings', () => {
  test('from the caller', () => {
    const w = ringing();
    w.a.feed({ type: 'reinvite', call: 'c1', sdp: 'NEW' });
    answers(w.b, 'TO NEW');
    w.world.run(100);
    expect(w.b.one('offer').sdp).toBe('NEW');
    expect(w.a.one('reanswered')).toMatchObject({ sdp: 'TO NEW', owed: false });
    expect(w.b.one('confirmed').sdp).toBeUndefined();
    w.b.feed({ type: 'answer', call: w.call, sdp: 'ignored' });
    w.world.run(100);
    expect(w.a.all('answered')).toHaveLength(1);
    w.a.feed({ type: 'hangup', call: 'c1' });
    w.world.run();
    idle(w.a, w.b);
  });

  test('from the called side', () => {
    const w = ringing();
    answers(w.a, 'TO B');
    w.b.feed({ type: 'reinvite', call: w.call, sdp: 'FROM B' });
    w.world.run(100);
    expect(w.b.one('reanswered').sdp).toBe('TO B');
    expect(w.b.sent.filter(l => l.startsWith('UPDATE sip:alice@10.0.0.1:5060'))).toHaveLength(1);
  });

  test('before offer and answer have met nobody may offer again', () => {
    const w = pair();
    w.dial();
    w.world.run(100);
    w.b.feed({ type: 'progress', call: w.b.one('invite').call, status: 180 });
    w.world.run(100);
    w.a.feed({ type: 'reinvite', call: 'c1', sdp: 'NEW' });
    w.b.feed({ type: 'reinvite', call: w.b.one('invite').call, sdp: 'NEW' });
    expect([w.a.one('rerefused').status, w.b.one('rerefused').status]).toEqual([491, 491]);
  });

  test('an UPDATE that comes before the answer: 500 with Retry-After, 0 to 10 s', () => {
    const w = pair();
    w.dial();
    w.world.run(100);
    w.b.feed({ type: 'progress', call: w.b.one('invite').call, status: 180 });
    const invite = lastSent(w.a, 'INVITE');
    const update = message(
      'UPDATE sip:1000@10.0.0.2 SIP/2.0',
      {
        From: header(invite, 'From'),
        To: header(lastSent(w.b, 'SIP/2.0 180'), 'To'),
        'Call-ID': header(invite, 'Call-ID'),
        CSeq: '2 UPDATE',
        'Content-Type': 'application/sdp',
      },
      OFFER,
    );
    w.world.inject(w.b, update);
    expect(w.b.sent.at(-1)).toMatch(/ 500 /);
    expect(Number(header(w.b.texts.at(-1), 'Retry-After'))).toBeLessThanOrEqual(10);
    expect(w.b.all('offer')).toHaveLength(0);
  });
});

describe('when it is answered', () => {
  test('asked for by name; Contact moves the target, the session description the media', () => {
    const w = pair();
    talking(w);
    answers(w.b, 'TO NEW');
    w.a.feed({ type: 'reinvite', call: 'c1', sdp: 'NEW', method: 'UPDATE' });
    w.world.run(100);
    expect(w.a.one('reanswered').sdp).toBe('TO NEW');
    expect(header(lastSent(w.a, 'UPDATE'), 'Contact')).toBe('<sip:alice@10.0.0.1:5060>');
    expect(w.a.sent.filter(l => l.startsWith('INVITE'))).toHaveLength(1);
  });

  test('auto is a re-INVITE: a person may have to agree', () => {
    const w = pair();
    talking(w);
    w.a.feed({ type: 'reinvite', call: 'c1', sdp: 'NEW', method: 'auto' });
    w.world.run(100);
    expect(w.a.sent.some(l => l.startsWith('UPDATE'))).toBe(false);
    expect(w.b.all('offer')).toHaveLength(1);
  });

  test('refused: the call goes on as it was', () => {
    const w = pair();
    const call = talking(w);
    w.a.feed({ type: 'reinvite', call: 'c1', sdp: 'T38', method: 'UPDATE' });
    w.world.run(100);
    w.b.feed({ type: 'reject', call, status: 488 });
    w.world.run(100);
    expect(w.a.one('rerefused').status).toBe(488);
    expect(w.a.all('ended')).toHaveLength(0);
  });

  test('nobody answers it: 504 after 20 s, and the application hears that it is off', () => {
    const w = pair();
    talking(w);
    w.a.feed({ type: 'reinvite', call: 'c1', sdp: 'NEW', method: 'UPDATE' });
    w.world.run(25_000);
    expect(w.a.one('rerefused').status).toBe(504);
    expect(w.b.all('withdrawn')).toHaveLength(1);
  });

  test('glare: UPDATE against UPDATE, both back off, both get through', () => {
    const w = pair();
    const call = talking(w);
    for (const p of [w.a, w.b])
      p.on = (e, peer) => {
        if (e.type === 'offer') peer.feed({ type: 'answer', call: e.call, sdp: `to ${e.sdp}` });
        if (e.type === 'confirmed' && peer.all('rerefused').length > peer.all('reanswered').length)
          peer.feed({ type: 'reinvite', call: e.call, sdp: 'again', method: 'UPDATE' });
      };
    w.a.feed({ type: 'reinvite', call: 'c1', sdp: 'from a', method: 'UPDATE' });
    w.b.feed({ type: 'reinvite', call, sdp: 'from b', method: 'UPDATE' });
    w.world.run(10_000);
    expect(w.a.sent).toContain('SIP/2.0 491 Request Pending');
    expect(w.b.sent).toContain('SIP/2.0 491 Request Pending');
    expect(w.b.one('reanswered').sdp).toBe('to from b');
    expect(w.a.one('reanswered').sdp).toBe('to again');
  });

  test('a re-INVITE against an UPDATE: 491 for both', () => {
    const w = pair();
    const call = talking(w);
    w.a.feed({ type: 'reinvite', call: 'c1', sdp: 'from a', method: 'UPDATE' });
    w.b.feed({ type: 'reinvite', call, sdp: 'from b', method: 'INVITE' });
    w.world.run(15);
    expect([w.a.sent.at(-1), w.b.sent.at(-1)]).toEqual([
      'SIP/2.0 491 Request Pending',
      'SIP/2.0 491 Request Pending',
    ]);
  });

  test('a second offer while the first has no answer: 500, tried again after its Retry-After', () => {
    const w = pair();
    const call = talking(w);
    // Two UPDATEs of one side may overlap only if that side breaks the rules: said here by hand.
    const invite = lastSent(w.a, 'INVITE');
    const overlapping = (seq: number): string =>
      message(
        'UPDATE sip:1000@10.0.0.2 SIP/2.0',
        {
          Via: `SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bKu${seq}`,
          From: header(invite, 'From'),
          To: header(lastSent(w.b, 'SIP/2.0 200'), 'To'),
          'Call-ID': header(invite, 'Call-ID'),
          CSeq: `${seq} UPDATE`,
          'Content-Type': 'application/sdp',
        },
        OFFER,
      );
    w.world.inject(w.b, overlapping(10), '10.0.0.1');
    w.world.inject(w.b, overlapping(11), '10.0.0.1');
    expect(w.b.sent.at(-1)).toMatch(/ 500 /);
    expect(header(w.b.texts.at(-1), 'Retry-After')).toMatch(/^\d+$/);
    w.b.feed({ type: 'answer', call, sdp: ANSWER });
    expect(w.b.sent.at(-1)).toBe('SIP/2.0 200 OK');
  });

  test('our re-INVITE gets 500 with Retry-After: it goes again by itself, then', () => {
    const w = pair();
    const call = talking(w);
    let refused = 0;
    w.b.on = (e, peer) => {
      if (e.type !== 'offer') return;
      if (refused++ === 0)
        peer.feed({ type: 'reject', call: e.call, status: 500, headers: [['Retry-After', '3']] });
      else peer.feed({ type: 'answer', call, sdp: ANSWER });
    };
    w.a.feed({ type: 'reinvite', call: 'c1', sdp: 'NEW' });
    w.world.run(2900);
    expect(w.a.all('reanswered')).toHaveLength(0);
    w.world.run(200);
    expect(w.a.all('reanswered')).toHaveLength(1);
    expect(w.a.all('rerefused')).toHaveLength(0);
  });

  test('a peer that lists UPDATE and then lacks it gets a re-INVITE', () => {
    const w = pair();
    const call = talking(w);
    w.b.on = (e, peer) => {
      if (e.type === 'offer' && peer.all('offer').length === 1)
        peer.feed({ type: 'reject', call, status: 405 });
      else if (e.type === 'offer') peer.feed({ type: 'answer', call, sdp: ANSWER });
    };
    w.a.feed({ type: 'reinvite', call: 'c1', sdp: 'NEW', method: 'UPDATE' });
    w.world.run(1000);
    expect(w.a.sent.filter(l => /^(UPDATE|INVITE)/.test(l)).map(l => l.split(' ')[0])).toEqual([
      'INVITE',
      'UPDATE',
      'INVITE',
    ]);
    expect(w.a.all('reanswered')).toHaveLength(1);
  });

  test('hanging up while one is under way', () => {
    const w = pair();
    talking(w);
    w.a.feed({ type: 'reinvite', call: 'c1', sdp: 'NEW', method: 'UPDATE' });
    w.world.run(50);
    w.b.feed({ type: 'hangup', call: w.b.one('invite').call });
    w.world.run();
    expect(w.a.one('ended')).toMatchObject({ by: 'remote' });
    idle(w.a, w.b);
  });
});
