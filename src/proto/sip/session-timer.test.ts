import { describe, expect, test } from 'vitest';
import {
  autoAnswer,
  header,
  idle,
  lastSent,
  message,
  OFFER,
  pair,
  talking,
} from '../../../test/harness/sip-pair.ts';
import type { SipRequest } from './message.ts';
import { parseMessage } from './parse.ts';
import { settle } from './session-timer.ts';

const MINUTE = 60_000;

describe('between two that know it', () => {
  test('1800 s as the caller asked, who refreshes by UPDATE at half time; every refresh begins anew', () => {
    const w = pair();
    talking(w);
    expect(header(lastSent(w.a, 'INVITE'), 'Session-Expires')).toBe('1800');
    const ok = lastSent(w.b, 'SIP/2.0 200');
    expect([header(ok, 'Session-Expires'), header(ok, 'Require')]).toEqual(['1800;refresher=uac', 'timer']);
    w.world.run(14 * MINUTE);
    expect(w.a.all('refreshed')).toHaveLength(0);
    w.world.run(2 * MINUTE);
    expect(w.a.all('refreshed')).toHaveLength(1);
    expect(w.b.all('refreshed')).toHaveLength(1);
    const update = lastSent(w.a, 'UPDATE');
    expect(header(update, 'Session-Expires')).toBe('1800;refresher=uac');
    expect(update).toMatch(/Content-Length: 0\r\n\r\n$/);
    w.world.run(90 * MINUTE);
    expect(w.a.all('refreshed')).toHaveLength(7);
    expect([...w.a.all('ended'), ...w.b.all('ended')]).toEqual([]);
    w.a.feed({ type: 'hangup', call: 'c1' });
    w.world.run();
    idle(w.a, w.b);
  });

  test('the called side refreshes where the caller asks for none', () => {
    const w = pair({}, { a: { sessionExpiresS: 0 }, b: { sessionExpiresS: 600 } });
    talking(w);
    expect(header(lastSent(w.a, 'INVITE'), 'Session-Expires')).toBeUndefined();
    expect(header(lastSent(w.b, 'SIP/2.0 200'), 'Session-Expires')).toBe('600;refresher=uas');
    w.world.run(31 * MINUTE);
    expect(w.b.all('refreshed')).toHaveLength(6);
    expect(header(lastSent(w.b, 'UPDATE'), 'Session-Expires')).toBe('600;refresher=uac'); // its sender refreshes, still
    expect(w.a.sent.some(l => l.startsWith('UPDATE'))).toBe(false);
  });

  test('422: the caller asks again with the Min-SE it was told', () => {
    const w = pair({}, { a: { sessionExpiresS: 120 }, b: { minSeS: 900 } });
    talking(w);
    expect(w.b.sent).toContain('SIP/2.0 422 Session Interval Too Small');
    expect(header(lastSent(w.b, 'SIP/2.0 422'), 'Min-SE')).toBe('900');
    const invite = lastSent(w.a, 'INVITE');
    expect([header(invite, 'Session-Expires'), header(invite, 'Min-SE'), header(invite, 'CSeq')]).toEqual([
      '900',
      '900',
      '2 INVITE',
    ]);
    expect(w.a.all('failed')).toHaveLength(0);
    expect(w.a.all('answered')).toHaveLength(1);
  });
});

describe('the other side goes silent', () => {
  test('its side refreshes: 408 ends the call at once', () => {
    const w = pair();
    talking(w);
    w.world.drop = (_, from) => from === w.b;
    w.world.run(15 * MINUTE + 33_000);
    expect(w.a.one('ended')).toMatchObject({ by: 'timer', reason: expect.stringContaining('408') });
    expect(w.b.one('ended').reason).toContain('No answer to a request within the call');
    w.world.run();
    idle(w.a, w.b);
  });

  test('32 s before the end, or a third of it for a short one', () => {
    for (const [expiresS, byeAfterS] of [
      [1800, 1768],
      [90, 60],
    ] as const) {
      const w = pair({}, { a: { sessionExpiresS: expiresS } });
      talking(w);
      const since = w.world.now - 1000;
      w.world.drop = (_, from) => from === w.a;
      w.world.run((byeAfterS - 1) * 1000 - 1000);
      expect(w.b.all('ended')).toHaveLength(0);
      w.world.run(2000);
      expect(w.b.one('ended').reason).toBe(
        `SIP;cause=408;text="Session expired: not refreshed within ${expiresS} s (RFC 4028)"`,
      );
      expect(header(lastSent(w.b, 'BYE'), 'Reason')).toBe(w.b.one('ended').reason);
      expect(w.world.now - since).toBeLessThan((byeAfterS + 2) * 1000);
    }
  });

  test('a refresh that is refused for a passing reason is tried again before the end', () => {
    const w = pair({}, { a: { sessionExpiresS: 400 } });
    talking(w);
    let dropped = 0;
    w.a.on = () => {};
    // A peer that answers 503 twice.
    const carry = w.world.carry.bind(w.world);
    w.world.carry = (from, flow, bytes) => {
      const text = bytes.toString('latin1');
      if (from === w.b && /^SIP\/2\.0 200.*CSeq: \d+ UPDATE/s.test(text) && dropped++ < 1)
        return carry(from, flow, Buffer.from(text.replace('200 OK', '503 Not Now'), 'latin1'));
      return carry(from, flow, bytes);
    };
    w.world.run(350_000);
    expect(w.a.all('refreshed')).toHaveLength(1);
    w.world.run(20 * MINUTE);
    expect(w.a.all('ended')).toHaveLength(0);
  });
});

test('a peer without UPDATE gets a re-INVITE with the description as it stands', () => {
  const w = pair();
  // The 200 says nothing of UPDATE.
  const carry = w.world.carry.bind(w.world);
  w.world.carry = (from, flow, bytes) =>
    carry(
      from,
      flow,
      Buffer.from(
        bytes.toString('latin1').replace(/^Allow: .*\r\n/m, 'Allow: INVITE, ACK, BYE\r\n'),
        'latin1',
      ),
    );
  const call = talking(w);
  w.b.on = e => {
    if (e.type === 'offer') w.b.feed({ type: 'answer', call, sdp: 'v=0\r\nSAME\r\n' });
  };
  w.world.run(16 * MINUTE);
  expect(w.b.one('offer').sdp).toBe(OFFER);
  expect(w.a.one('refreshed')).toBeDefined();
  expect(w.a.all('reanswered')).toHaveLength(0); // the application hears of no new description
});

test('what the application offers while a refresh is under way goes after it', () => {
  const w = pair();
  const call = talking(w);
  w.b.on = e => {
    if (e.type === 'offer') w.b.feed({ type: 'answer', call, sdp: 'TO NEW' });
  };
  let lost = true;
  w.world.drop = text => lost && text.startsWith('UPDATE');
  w.world.run(15 * MINUTE);
  w.a.feed({ type: 'reinvite', call: 'c1', sdp: 'NEW' });
  expect(w.a.all('rerefused')).toHaveLength(0);
  lost = false;
  w.world.run(5000);
  expect(w.a.all('refreshed')).toHaveLength(1);
  expect(w.a.one('reanswered').sdp).toBe('TO NEW');
});

test('a peer that knows nothing of timers has none, unless a proxy asked for one: then we refresh', () => {
  const ask = (more: Record<string, string>): string => {
    const w = pair();
    w.b.on = autoAnswer;
    w.world.inject(
      w.b,
      message('INVITE sip:1000@10.0.0.2 SIP/2.0', { ...more, 'Content-Type': 'application/sdp' }, OFFER),
    );
    return lastSent(w.b, 'SIP/2.0');
  };
  expect(header(ask({}), 'Session-Expires')).toBeUndefined();
  expect(header(ask({ 'Session-Expires': '300' }), 'Session-Expires')).toBe('300;refresher=uas');
  expect(header(ask({ 'Session-Expires': '300' }), 'Require')).toBeUndefined();
  expect(header(ask({ Supported: 'timer', 'Session-Expires': '80' }), 'Min-SE')).toBe('90');
  expect(ask({ 'Session-Expires': '80' })).toMatch(/^SIP\/2\.0 200/); // §9: no 422 for one who cannot know
});

/** RFC 4028 §9, table 2, and the limits around it. */
test.each([
  ['asks, names nobody', { 'Session-Expires': '600', Supported: 'timer' }, { s: 600, refresher: 'uac' }],
  [
    'names itself',
    { 'Session-Expires': '600;refresher=uac', Supported: 'timer' },
    { s: 600, refresher: 'uac' },
  ],
  ['names us', { x: '600 ; refresher = uas', Supported: 'foo, TIMER' }, { s: 600, refresher: 'uas' }],
  [
    'asks for more than we like',
    { 'Session-Expires': '99999', Supported: 'timer' },
    { s: 1800, refresher: 'uac' },
  ],
  [
    'with a floor',
    { 'Session-Expires': '99999', 'Min-SE': '3600', Supported: 'timer' },
    { s: 3600, refresher: 'uac' },
  ],
  ['knows it, asks for none', { Supported: 'timer' }, { s: 1800, refresher: 'uas' }],
  ['asks for none with a floor', { Supported: 'timer', 'Min-SE': '7200' }, { s: 7200, refresher: 'uas' }],
  ['does not know it', {}, undefined],
  ['a proxy asks', { 'Session-Expires': '600' }, { s: 600, refresher: 'uas' }],
  ['malformed', { 'Session-Expires': 'soon' }, undefined],
] as const)('%s', (_, lines, wanted) => {
  const parsed = parseMessage(Buffer.from(message('INVITE sip:h SIP/2.0', lines as Record<string, string>)));
  const r = (parsed as { message: SipRequest }).message;
  expect(settle(r, { expiresS: 1800, minS: 90 })).toEqual(wanted);
});
