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
import type { SipPeer } from '../../../test/harness/sip-world.ts';
import type { Replaces } from './replaces.ts';

/** The dialog as `p` would be asked to give it up. */
const dialogOf = (invite: string, answer: string, caller: boolean): Replaces => {
  const tag = (value: string | undefined): string => /;tag=([^;]+)/.exec(value ?? '')?.[1] as string;
  const [from, to] = [tag(header(invite, 'From')), tag(header(answer, 'To'))];
  const callId = header(invite, 'Call-ID') as string;
  return caller
    ? { callId, toTag: from, fromTag: to, earlyOnly: false }
    : { callId, toTag: to, fromTag: from, earlyOnly: false };
};

function replacing() {
  const w = pair();
  const c = w.world.peer('10.0.0.3');
  const old = talking(w);
  const replaces = dialogOf(lastSent(w.a, 'INVITE'), lastSent(w.b, 'SIP/2.0 200'), false);
  const call = (r: Replaces, by: SipPeer = c): void =>
    by.feed({
      type: 'dial',
      call: 'n1',
      options: { to: 'sip:1000@10.0.0.2', user: 'carol', sdp: OFFER, replaces: r },
    });
  return { ...w, c, old, replaces, call };
}

describe('an INVITE with Replaces', () => {
  test('takes the place: the new call is answered, the old gets a BYE that says why', () => {
    const w = replacing();
    w.call(w.replaces);
    w.world.run(1000);
    const fresh = w.b.all('invite')[1];
    expect(fresh?.replaces).toBe(w.old);
    expect(w.c.all('answered')).toHaveLength(1);
    expect(w.a.one('ended')).toMatchObject({ by: 'remote', reason: expect.stringContaining('RFC 3891') });
    expect(w.b.one('ended')).toMatchObject({ call: w.old, by: 'local' });
    w.c.feed({ type: 'hangup', call: 'n1' });
    w.world.run();
    idle(w.a, w.b, w.c);
  });

  test('refused by us, the old call goes on', () => {
    const w = replacing();
    w.b.on = (e, peer) => {
      if (e.type === 'invite') peer.feed({ type: 'reject', call: e.call, status: 486 });
    };
    w.call(w.replaces);
    w.world.run(1000);
    expect(w.c.one('failed').status).toBe(486);
    expect(w.a.all('ended')).toHaveLength(0);
  });

  test.each([
    ['a tag that is none of ours', { toTag: 'x' }, 481],
    ['a tag that is not the peer’s', { fromTag: 'x' }, 481],
    ['another Call-ID', { callId: 'x@y' }, 481],
    ['early-only, and it is answered', { earlyOnly: true }, 486],
  ])('%s', (_, wrong, status) => {
    const w = replacing();
    w.call({ ...w.replaces, ...wrong });
    w.world.run(1000);
    expect(w.c.one('failed').status).toBe(status);
    expect(w.b.all('invite')).toHaveLength(1);
    expect(header(lastSent(w.b, `SIP/2.0 ${status}`), 'Warning')).toMatch(/^399 roombridge "/);
  });

  test('a call that has ended: 603, while it ends and after', () => {
    const w = replacing();
    w.world.drop = text => text.startsWith('BYE');
    w.b.feed({ type: 'hangup', call: w.old });
    w.call(w.replaces);
    w.world.run(200);
    w.world.drop = () => false;
    w.world.run(1000);
    w.call(w.replaces);
    w.world.run(1000);
    expect(w.c.all('failed').map(e => e.status)).toEqual([603, 603]);
  });

  test('a ringing call that came in cannot be taken: 481', () => {
    const w = pair();
    const c = w.world.peer('10.0.0.3');
    w.dial();
    w.world.run(100);
    w.b.feed({ type: 'progress', call: w.b.one('invite').call, status: 180 });
    const replaces = dialogOf(lastSent(w.a, 'INVITE'), lastSent(w.b, 'SIP/2.0 180'), false);
    c.feed({
      type: 'dial',
      call: 'n1',
      options: { to: 'sip:1000@10.0.0.2', user: 'c', sdp: OFFER, replaces },
    });
    w.world.run(1000);
    expect(c.one('failed').status).toBe(481);
  });

  test('one of ours that rings can: it is cancelled when the new one is answered', () => {
    const w = pair();
    const c = w.world.peer('10.0.0.3');
    w.dial();
    w.world.run(100);
    w.b.feed({ type: 'progress', call: w.b.one('invite').call, status: 180 });
    w.world.run(100);
    w.a.on = autoAnswer;
    const early = dialogOf(lastSent(w.a, 'INVITE'), lastSent(w.b, 'SIP/2.0 180'), true);
    const replaces = { ...early, earlyOnly: true };
    c.feed({ type: 'dial', call: 'n1', options: { to: 'sip:x@10.0.0.1', user: 'c', sdp: OFFER, replaces } });
    w.world.run(1000);
    expect(w.a.one('invite').replaces).toBe('c1');
    expect(c.all('answered')).toHaveLength(1);
    expect(w.b.one('cancelled').reason).toContain('RFC 3891');
    expect(w.a.one('failed').status).toBe(487);
  });

  test('malformed or twice: 400', () => {
    for (const lines of [
      { Replaces: 'x' },
      { Replaces: 'x;to-tag=1;from-tag=2\r\nReplaces: y;to-tag=1;from-tag=2' },
    ]) {
      const w = pair();
      w.world.inject(w.b, message('INVITE sip:1000@10.0.0.2 SIP/2.0', lines));
      expect(w.b.sent.at(-1)).toBe('SIP/2.0 400 Bad Replaces');
      expect(w.b.all('invite')).toHaveLength(0);
    }
  });
});
