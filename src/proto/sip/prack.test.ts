import { describe, expect, test } from 'vitest';
import { ANSWER, header, idle, lastSent, message, OFFER, pair } from '../../../test/harness/sip-pair.ts';
import type { SipPeer } from '../../../test/harness/sip-world.ts';

const progress = (b: SipPeer, status: number, sdp?: string, reliable?: boolean): void =>
  b.feed({ type: 'progress', call: b.one('invite').call, status, sdp, reliable });

/** First words of what was sent: methods and statuses. */
const steps = (p: SipPeer): string[] =>
  p.sent.map(l => l.replace(/ sip:\S+ SIP\/2\.0$|^SIP\/2\.0 | [A-Z].*$/g, ''));

describe('both roles', () => {
  test('early media: the answer in a reliable 183, PRACK, a 200 without a description', () => {
    const w = pair();
    w.dial();
    w.world.run(100);
    progress(w.b, 183, ANSWER);
    w.world.run(100);
    expect(w.a.all('progress').at(-1)).toMatchObject({ status: 183, sdp: ANSWER });
    expect(header(lastSent(w.b, 'SIP/2.0 183'), 'Require')).toBe('100rel');
    const rseq = header(lastSent(w.b, 'SIP/2.0 183'), 'RSeq');
    expect(header(lastSent(w.a, 'PRACK'), 'RAck')).toBe(`${rseq} 1 INVITE`);
    expect(header(lastSent(w.a, 'PRACK'), 'CSeq')).toBe('2 PRACK');
    expect(w.b.one('pracked').sdp).toBeUndefined();
    w.b.feed({ type: 'answer', call: w.b.one('invite').call, sdp: 'ignored' });
    w.world.run(100);
    expect(lastSent(w.b, 'SIP/2.0 200')).toMatch(/Content-Length: 0\r\n\r\n$/);
    expect(w.a.one('answered')).toMatchObject({ sdp: ANSWER, owed: false });
    w.a.feed({ type: 'hangup', call: 'c1' });
    w.world.run();
    idle(w.a, w.b);
  });

  test('without a description it is plain unless asked for; asked for, one at a time and in order', () => {
    const w = pair();
    w.dial();
    w.world.run(100);
    progress(w.b, 180);
    w.world.run(100);
    expect(header(lastSent(w.b, 'SIP/2.0 180'), 'Require')).toBeUndefined();
    progress(w.b, 181, undefined, true);
    progress(w.b, 182, undefined, true);
    expect(w.b.sent.filter(l => /18[12]/.test(l))).toHaveLength(1); // the second waits
    w.world.run(100);
    const [first, second] = ['SIP/2.0 181', 'SIP/2.0 182'].map(s => Number(header(lastSent(w.b, s), 'RSeq')));
    expect(second).toBe((first as number) + 1);
    expect(w.b.all('pracked')).toHaveLength(2);
    expect(w.a.all('progress').map(e => e.status)).toEqual([180, 181, 182]);
  });

  test('an INVITE without offer: ours in the 183, theirs in the PRACK, nothing more in 200 and ACK', () => {
    const w = pair();
    w.dial({ sdp: undefined });
    w.world.run(100);
    progress(w.b, 180, undefined, true); // would have to carry an offer (§5): not said
    progress(w.b, 183, OFFER);
    w.world.run(100);
    expect(w.a.all('progress').at(-1)).toMatchObject({ status: 183, sdp: OFFER, owed: true });
    expect(w.a.sent.some(l => l.startsWith('PRACK'))).toBe(false);
    w.a.feed({ type: 'acknowledge', call: 'c1', sdp: ANSWER });
    w.world.run(100);
    expect(w.b.one('pracked').sdp).toBe(ANSWER);
    w.b.feed({ type: 'answer', call: w.b.one('invite').call, sdp: 'ignored' });
    w.world.run(100);
    expect(w.a.one('answered')).toMatchObject({ owed: false });
    expect(w.b.one('confirmed').sdp).toBeUndefined();
  });

  test('an answer waits for the PRACK of a description', () => {
    const w = pair();
    let held = true;
    w.world.drop = text => held && text.startsWith('PRACK');
    w.dial();
    w.world.run(100);
    progress(w.b, 183, ANSWER);
    w.b.feed({ type: 'answer', call: w.b.one('invite').call, sdp: ANSWER });
    w.world.run(400);
    expect(w.a.all('answered')).toHaveLength(0);
    held = false;
    w.world.run(5000);
    expect(w.a.all('answered')).toHaveLength(1);
    expect(w.b.all('confirmed')).toHaveLength(1);
  });
});

test('no PRACK: again after 0.5, 1, 2, … s without a cap, and 504 after 32 s', () => {
  const w = pair();
  w.world.drop = text => text.startsWith('PRACK');
  w.dial();
  w.world.run(100);
  progress(w.b, 183, ANSWER);
  w.world.run();
  expect(w.b.sent.filter(l => l === 'SIP/2.0 183 Session Progress')).toHaveLength(7); // 0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5 s
  expect(w.b.sent).toContain('SIP/2.0 504 Server Time-out');
  expect(w.b.one('ended')).toMatchObject({ by: 'timer', reason: expect.stringContaining('No PRACK') });
  expect(w.a.one('failed').status).toBe(504);
  expect(w.a.all('progress')).toHaveLength(1); // told once, however often it came
  idle(w.a, w.b);
});

test('lost 18x and lost PRACK: both come again, the call goes on', () => {
  const w = pair({ loss: 0.3, seed: 5, delayMs: 20, jitterMs: 30 });
  w.b.on = (e, peer) => {
    if (e.type === 'invite') peer.feed({ type: 'progress', call: e.call, status: 183, sdp: ANSWER });
    if (e.type === 'pracked') peer.feed({ type: 'answer', call: e.call, sdp: ANSWER });
  };
  w.a.on = e => {
    if (e.type === 'answered') w.a.feed({ type: 'hangup', call: e.call });
  };
  for (let i = 0; i < 100; i++) {
    w.a.feed({ type: 'dial', call: `c${i}`, options: { to: 'sip:1000@10.0.0.2', user: 'a', sdp: OFFER } });
    w.world.run(100);
  }
  w.world.run();
  expect(w.a.all('answered').length).toBeGreaterThan(90);
  expect(w.a.all('answered').length + w.a.all('failed').length).toBe(100);
  idle(w.a, w.b);
});

describe('as the called side', () => {
  const invite = (more: Record<string, string>): string =>
    message('INVITE sip:1000@10.0.0.2 SIP/2.0', { ...more, 'Content-Type': 'application/sdp' }, OFFER);
  const prack = (rack: string, to: string, seq = 2, body = ''): string =>
    message(
      'PRACK sip:1000@10.0.0.2 SIP/2.0',
      {
        Via: `SIP/2.0/UDP 192.0.2.66:5060;branch=z9hG4bKp${seq}`,
        To: to,
        CSeq: `${seq} PRACK`,
        RAck: rack,
        'Content-Type': 'application/sdp',
      },
      body,
    );

  test('a caller that demands 100rel gets every provisional so, one that does not know it none', () => {
    const w = pair();
    w.world.inject(w.b, invite({ Require: '100rel' }));
    progress(w.b, 180);
    expect(header(lastSent(w.b, 'SIP/2.0 180'), 'RSeq')).toMatch(/^\d+$/);
    const v = pair();
    v.world.inject(v.b, invite({}));
    progress(v.b, 183, ANSWER, true);
    expect(header(lastSent(v.b, 'SIP/2.0 183'), 'Require')).toBeUndefined();
  });

  test('a PRACK for something else is 481; twice the same is answered twice and told once', () => {
    const w = pair();
    w.world.inject(w.b, invite({ Supported: 'timer, 100rel' }));
    progress(w.b, 183, ANSWER);
    const said = lastSent(w.b, 'SIP/2.0 183');
    const [to, rseq] = [header(said, 'To') as string, Number(header(said, 'RSeq'))];
    w.world.inject(w.b, prack(`${rseq + 1} 1 INVITE`, to, 2));
    expect(w.b.sent.at(-1)).toMatch(/ 481 /);
    w.world.inject(w.b, prack(`${rseq} 1 INVITE`, to, 3));
    w.world.inject(w.b, prack(`${rseq} 1 INVITE`, to, 3));
    expect(w.b.sent.slice(-2)).toEqual(['SIP/2.0 200 OK', 'SIP/2.0 200 OK']);
    w.world.inject(w.b, prack(`${rseq} 1 INVITE`, to, 4));
    expect(w.b.sent.at(-1)).toMatch(/ 481 /);
    expect(w.b.all('pracked')).toHaveLength(1);
  });

  test('an offer in a PRACK is answered in its 200, and the INVITE’s answer waits for that', () => {
    const w = pair();
    w.world.inject(w.b, invite({ Supported: '100rel' }));
    const { call } = w.b.one('invite');
    progress(w.b, 183, ANSWER);
    const said = lastSent(w.b, 'SIP/2.0 183');
    w.world.inject(
      w.b,
      prack(`${header(said, 'RSeq')} 1 INVITE`, header(said, 'To') as string, 2, 'v=0\r\nNEW\r\n'),
    );
    expect(w.b.one('offer').sdp).toContain('NEW');
    w.b.feed({ type: 'answer', call, sdp: 'v=0\r\nTO NEW\r\n' });
    expect(w.b.texts.at(-1)).toMatch(/^SIP\/2\.0 200 OK\r\n.*CSeq: 2 PRACK\r\n.*TO NEW/s);
    w.b.feed({ type: 'answer', call, sdp: 'ignored' });
    expect(w.b.texts.at(-1)).toMatch(/^SIP\/2\.0 200 OK\r\n.*CSeq: 1 INVITE\r\n.*Content-Length: 0/s);
  });

  test('CANCEL ends what waits for its PRACK', () => {
    const w = pair();
    w.world.drop = text => text.startsWith('PRACK');
    w.dial();
    w.world.run(100);
    progress(w.b, 183, ANSWER);
    w.world.run(100);
    w.a.feed({ type: 'hangup', call: 'c1' });
    w.world.run();
    expect(w.b.one('cancelled')).toBeDefined();
    expect(w.a.one('failed').status).toBe(487);
    idle(w.a, w.b);
  });
});

describe('as the caller', () => {
  /** What a dialled branch says: `n` 18x in the name of `tag`. */
  const branch = (
    w: ReturnType<typeof pair>,
    status: string,
    tag: string,
    lines: Record<string, string>,
    body = '',
  ): string => {
    const invite = lastSent(w.a, 'INVITE');
    return message(
      `SIP/2.0 ${status}`,
      {
        Via: header(invite, 'Via') as string,
        From: header(invite, 'From') as string,
        To: `<sip:1000@10.0.0.2>;tag=${tag}`,
        'Call-ID': header(invite, 'Call-ID') as string,
        CSeq: header(invite, 'CSeq') as string,
        Contact: `<sip:${tag}@10.0.0.9>`,
        'Content-Type': 'application/sdp',
        ...lines,
      },
      body,
    );
  };

  test('two branches have numbers of their own; a gap and a repetition are passed over', () => {
    const w = pair();
    w.dial();
    const rel = (rseq: number): Record<string, string> => ({ Require: '100rel', RSeq: String(rseq) });
    w.a.sent.length = 0;
    w.world.inject(w.a, branch(w, '183 Here', 'one', rel(10), 'v=0\r\nONE\r\n'));
    w.world.inject(w.a, branch(w, '183 Here', 'two', rel(500), 'v=0\r\nTWO\r\n'));
    w.world.inject(w.a, branch(w, '183 Here', 'one', rel(10), 'v=0\r\nONE\r\n')); // again
    w.world.inject(w.a, branch(w, '183 Here', 'one', rel(12))); // 11 is missing
    w.world.inject(w.a, branch(w, '180 Here', 'one', rel(11)));
    expect(w.a.sent).toEqual([
      'PRACK sip:one@10.0.0.9 SIP/2.0',
      'PRACK sip:two@10.0.0.9 SIP/2.0',
      'PRACK sip:one@10.0.0.9 SIP/2.0',
    ]);
    expect(w.a.all('progress').map(e => [e.toTag, e.status, e.sdp])).toEqual([
      ['one', 183, 'v=0\r\nONE\r\n'],
      ['two', 183, 'v=0\r\nTWO\r\n'],
      ['one', 180, undefined],
    ]);
    // The second answers: its description was in the 183, and its CSeq goes on from its PRACK.
    w.world.inject(w.a, branch(w, '200 OK', 'two', {}));
    expect(w.a.one('answered').sdp).toContain('TWO');
    w.a.feed({ type: 'info', call: 'c1', contentType: 'application/dtmf', content: '1' });
    expect(header(lastSent(w.a, 'INFO'), 'CSeq')).toBe('3 INFO');
    // The first answers too: too late.
    w.world.inject(w.a, branch(w, '200 OK', 'one', {}));
    expect(w.a.sent.slice(-2)).toEqual(['ACK sip:one@10.0.0.9 SIP/2.0', 'BYE sip:one@10.0.0.9 SIP/2.0']);
    expect(header(lastSent(w.a, 'BYE'), 'CSeq')).toBe('4 BYE');
    expect(header(lastSent(w.a, 'BYE'), 'Reason')).toContain('Call completed elsewhere');
  });

  test('no more branches than sixteen are remembered', () => {
    const w = pair();
    w.dial();
    for (let i = 0; i < 40; i++) w.world.inject(w.a, branch(w, '180 Ringing', `t${i}`, {}));
    expect(w.a.all('progress')).toHaveLength(16);
  });
});

test('the steps of a call with a reliable 183, as they go', () => {
  const w = pair();
  w.b.on = (e, peer) => {
    if (e.type === 'invite') peer.feed({ type: 'progress', call: e.call, status: 183, sdp: ANSWER });
    if (e.type === 'pracked') peer.feed({ type: 'answer', call: e.call, sdp: ANSWER });
  };
  w.dial();
  w.world.run(1000);
  w.b.feed({ type: 'hangup', call: w.b.one('invite').call });
  w.world.run();
  expect(steps(w.a)).toEqual(['INVITE', 'PRACK', 'ACK', '200']);
  expect(steps(w.b)).toEqual(['100', '183', '200', '200', 'BYE']);
});
