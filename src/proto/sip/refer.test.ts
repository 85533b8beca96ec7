import { describe, expect, test } from 'vitest';
import { header, idle, lastSent, message, pair, talking } from '../../../test/harness/sip-pair.ts';
import { parseReplaces, referTarget, referTo, writeReplaces } from './replaces.ts';
import { parseUri } from './uri.ts';

const sipfrags = (texts: readonly string[]): string[] =>
  texts.filter(t => t.startsWith('NOTIFY')).map(t => t.split('\r\n\r\n')[1]?.trim() ?? '');

describe('a transfer', () => {
  test('asked, accepted, told step by step, done', () => {
    const w = pair();
    const call = talking(w);
    w.a.feed({
      type: 'refer',
      call: 'c1',
      id: 't1',
      to: 'sip:carol@10.0.0.3',
      headers: [['Referred-By', '<sip:alice@10.0.0.1>']],
    });
    w.world.run(100);
    const { id, ...asked } = w.b.one('refer');
    expect(asked).toEqual({
      type: 'refer',
      call,
      to: 'sip:carol@10.0.0.3',
      replaces: undefined,
      referredBy: '<sip:alice@10.0.0.1>',
    });
    w.b.feed({ type: 'accept-refer', call, id });
    w.world.run(100);
    w.b.feed({ type: 'notify', call, id, status: 180 });
    w.world.run(100);
    w.b.feed({ type: 'notify', call, id, status: 200 });
    w.world.run(100);
    w.b.feed({ type: 'notify', call, id, status: 200 }); // it has had its last word
    w.world.run(100);
    expect(w.b.sent).toContain('SIP/2.0 202 Accepted');
    expect(sipfrags(w.b.texts)).toEqual(['SIP/2.0 100 Trying', 'SIP/2.0 180 Ringing', 'SIP/2.0 200 OK']);
    const notify = lastSent(w.b, 'NOTIFY');
    expect([
      header(notify, 'Event'),
      header(notify, 'Subscription-State'),
      header(notify, 'Content-Type'),
    ]).toEqual(['refer', 'terminated;reason=noresource', 'message/sipfrag;version=2.0']);
    expect(w.a.all('referred').map(e => [e.id, e.status, e.done])).toEqual([
      ['t1', 100, false],
      ['t1', 180, false],
      ['t1', 200, true],
    ]);
    w.a.feed({ type: 'hangup', call: 'c1' });
    w.world.run();
    idle(w.a, w.b);
  });

  test('refused in words', () => {
    const w = pair();
    const call = talking(w);
    w.a.feed({ type: 'refer', call: 'c1', id: 't1', to: 'sip:0900@10.0.0.3' });
    w.world.run(100);
    const headers = [['Warning', '399 roombridge "Not from here."']] as const;
    w.b.feed({ type: 'refuse-refer', call, id: w.b.one('refer').id, status: 603, headers });
    w.world.run(100);
    expect(w.a.one('referred')).toMatchObject({ status: 603, done: true });
    expect(header(lastSent(w.b, 'SIP/2.0 603'), 'Warning')).toContain('Not from here.');
    expect(w.b.sent.some(l => l.startsWith('NOTIFY'))).toBe(false);
  });

  test('NOTIFYs go one at a time: under loss only the newest word waits, and the last arrives', () => {
    const w = pair();
    const call = talking(w);
    let held = true;
    w.world.drop = text => held && text.startsWith('NOTIFY');
    w.a.feed({ type: 'refer', call: 'c1', id: 't1', to: 'sip:carol@10.0.0.3' });
    w.world.run(100);
    const { id } = w.b.one('refer');
    w.b.feed({ type: 'accept-refer', call, id });
    for (const status of [180, 183, 486]) w.b.feed({ type: 'notify', call, id, status });
    w.world.run(300);
    held = false;
    w.world.run(5000);
    expect(w.a.all('referred').map(e => [e.status, e.done])).toEqual([
      [100, false],
      [486, true],
    ]);
  });

  test('a second has an id in its Event; each hears its own', () => {
    const w = pair();
    const call = talking(w);
    for (const id of ['t1', 't2']) w.a.feed({ type: 'refer', call: 'c1', id, to: `sip:${id}@10.0.0.3` });
    w.world.run(100);
    const [one, two] = w.b.all('refer').map(e => e.id) as [number, number];
    w.b.feed({ type: 'accept-refer', call, id: two });
    w.world.run(100);
    w.b.feed({ type: 'notify', call, id: two, status: 404 });
    w.world.run(100);
    w.b.feed({ type: 'accept-refer', call, id: one });
    w.world.run(100);
    expect(w.b.texts.filter(t => t.startsWith('NOTIFY')).map(t => header(t, 'Event'))).toEqual([
      `refer;id=${two}`,
      `refer;id=${two}`,
      'refer',
    ]);
    expect(w.a.all('referred').map(e => [e.id, e.status])).toEqual([
      ['t2', 100],
      ['t2', 404],
      ['t1', 100],
    ]);
  });

  test('nobody says a word: 504 after 20 s', () => {
    const w = pair();
    talking(w);
    w.a.feed({ type: 'refer', call: 'c1', id: 't1', to: 'sip:carol@10.0.0.3' });
    w.world.run(25_000);
    expect(w.a.one('referred')).toMatchObject({ status: 504, done: true });
  });

  test('accepted and then no NOTIFY at all: 408 after 32 s', () => {
    const w = pair();
    const call = talking(w);
    w.world.drop = text => text.startsWith('NOTIFY');
    w.a.feed({ type: 'refer', call: 'c1', id: 't1', to: 'sip:carol@10.0.0.3' });
    w.world.run(100);
    w.b.feed({ type: 'accept-refer', call, id: w.b.one('refer').id });
    w.world.run(33_000);
    expect(w.a.one('referred')).toMatchObject({ status: 408, done: true });
  });

  test('the call ends first: it is over, and nothing is left', () => {
    const w = pair();
    const call = talking(w);
    w.a.feed({ type: 'refer', call: 'c1', id: 't1', to: 'sip:carol@10.0.0.3' });
    w.world.run(100);
    w.b.feed({ type: 'accept-refer', call, id: w.b.one('refer').id });
    w.world.run(100);
    w.a.feed({ type: 'hangup', call: 'c1' });
    w.world.run();
    expect(w.a.all('referred').at(-1)).toMatchObject({ done: true });
    idle(w.a, w.b);
  });

  test('attended: the Replaces of its target goes both ways', () => {
    const w = pair();
    talking(w);
    const replaces = { callId: 'x;y@z', toTag: 'a1', fromTag: 'b2', earlyOnly: true };
    w.a.feed({
      type: 'refer',
      call: 'c1',
      id: 't1',
      to: 'sip:carol@10.0.0.3',
      replaces: { ...replaces, callId: 'x@z' },
    });
    w.world.run(100);
    expect(w.b.one('refer')).toMatchObject({
      to: 'sip:carol@10.0.0.3',
      replaces: { ...replaces, callId: 'x@z' },
    });
    w.b.feed({
      type: 'dial',
      call: 'd1',
      options: { to: 'sip:carol@10.0.0.3', user: 'b', sdp: 'x', replaces: { ...replaces, callId: 'x@z' } },
    });
    const invite = lastSent(w.b, 'INVITE');
    expect([header(invite, 'Replaces'), header(invite, 'Require')]).toEqual([
      'x@z;to-tag=a1;from-tag=b2;early-only',
      'replaces',
    ]);
  });
});

describe('what a phone may send', () => {
  /** A request in the dialog of `a`, by hand. */
  const said = (method: string, lines: Record<string, string | undefined>, body = ''): string => {
    const w = pair();
    talking(w);
    const invite = lastSent(w.a, 'INVITE');
    const ends = {
      From: header(invite, 'From'),
      To: header(lastSent(w.b, 'SIP/2.0 200'), 'To'),
      'Call-ID': header(invite, 'Call-ID'),
      CSeq: `9 ${method}`,
    };
    w.world.inject(w.b, message(`${method} sip:1000@10.0.0.2 SIP/2.0`, { ...ends, ...lines }, body));
    return w.b.texts.at(-1) as string;
  };

  test.each([
    ['no Refer-To', 'REFER', {}, '400 REFER needs one Refer-To'],
    ['two', 'REFER', { 'Refer-To': '<sip:a@h>, <sip:b@h>' }, '400 REFER needs one Refer-To'],
    ['one that cannot be read', 'REFER', { 'Refer-To': '<:>' }, '400 '],
    ['a Replaces that cannot be read', 'REFER', { 'Refer-To': '<sip:a@h?Replaces=x>' }, '400 '],
    ['another method', 'REFER', { 'Refer-To': '<sip:a@h;method=BYE>' }, '603 Only calls can be asked for'],
    ['a NOTIFY for nothing', 'NOTIFY', { Event: 'refer', 'Subscription-State': 'active' }, '481 '],
    [
      'a NOTIFY of something else',
      'NOTIFY',
      { Event: 'presence', 'Subscription-State': 'active' },
      '489 Bad Event',
    ],
    ['a NOTIFY of nothing', 'NOTIFY', {}, '489 Bad Event'],
  ])('%s', (_, method, lines, wanted) => {
    expect(said(method, lines)).toContain(`SIP/2.0 ${wanted}`);
  });

  test('a REFER from outside any call: 403, and why', () => {
    const w = pair();
    w.world.inject(w.b, message('REFER sip:1000@10.0.0.2 SIP/2.0', { 'Refer-To': '<sip:a@h>' }));
    expect(w.b.texts.at(-1)).toMatch(
      /^SIP\/2\.0 403 .*Warning: 399 roombridge "REFER is taken within a call only\."/s,
    );
  });
});

test('Replaces in all its places', () => {
  const r = { callId: '12@h', toTag: '1', fromTag: '2', earlyOnly: false };
  expect(parseReplaces(' 12@h ; to-tag=1;from-tag=2 ')).toEqual(r);
  expect(parseReplaces('12@h;From-Tag=2;TO-TAG=1;early-only')).toEqual({ ...r, earlyOnly: true });
  for (const bad of [
    '',
    '12@h',
    '12@h;to-tag=1',
    '12@h;to-tag=1;from-tag=',
    '1 2;to-tag=1;from-tag=2',
    'a;to-tag=1;to-tag=2;from-tag=3',
  ])
    expect(parseReplaces(bad)).toBeUndefined();
  const value = referTo('sip:c@h', r);
  expect(value).toBe('<sip:c@h?Replaces=12%40h%3Bto-tag%3D1%3Bfrom-tag%3D2>');
  expect(referTarget(parseUri(value.slice(1, -1)) as never)).toEqual({ to: 'sip:c@h', replaces: r });
  expect(writeReplaces(r)).toBe('12@h;to-tag=1;from-tag=2');
  expect(referTarget(parseUri('sip:c@h?Subject=x&X-Evil=1') as never)).toEqual({
    to: 'sip:c@h',
    replaces: undefined,
  });
});
