import fc from 'fast-check';
import { expect, test } from 'vitest';
import { header, idle, lastSent, pair, talking } from '../../../test/harness/sip-pair.ts';
import type { SipPeer } from '../../../test/harness/sip-world.ts';
import type { SipOutput } from './events.ts';
import { type DialogSnapshot, readSnapshot, SEQ_SLACK } from './snapshot.ts';

type Snapshots = Extract<SipOutput, { type: 'snapshot' }>[];
const snapshots = (p: SipPeer): Snapshots => p.others.filter(o => o.type === 'snapshot') as Snapshots;
const buried = (p: SipPeer): unknown[] => p.others.filter(o => o.type === 'buried');

test('one when the call is up, one when the target moves, none when it is over', () => {
  const w = pair({}, { a: { snapshots: true }, b: { snapshots: true } });
  const call = talking(w);
  expect(snapshots(w.b).map(s => s.snapshot?.target)).toEqual(['sip:alice@10.0.0.1:5060']);
  expect(JSON.stringify(snapshots(w.b)[0]?.snapshot).length).toBeLessThan(700);
  w.b.on = e => {
    if (e.type === 'offer') w.b.feed({ type: 'answer', call, sdp: 'SAME' });
  };
  for (let i = 0; i < 3; i++) {
    w.a.feed({ type: 'reinvite', call: 'c1', sdp: 'SAME' });
    w.world.run(1000);
  }
  expect(snapshots(w.b)).toHaveLength(1); // nothing of it changed
  for (let i = 0; i < SEQ_SLACK / 2 + 10; i++) {
    w.a.feed({ type: 'info', call: 'c1', contentType: 'application/dtmf-relay', content: 'Signal=1' });
    w.world.run(100);
  }
  const seqs = snapshots(w.a).map(s => s.snapshot?.localSeq as number);
  expect(seqs).toHaveLength(2);
  expect((seqs[1] as number) - (seqs[0] as number)).toBeLessThanOrEqual(SEQ_SLACK);
  w.a.feed({ type: 'hangup', call: 'c1' });
  w.world.run();
  expect(snapshots(w.a).at(-1)?.snapshot).toBeUndefined();
  expect(snapshots(w.b).at(-1)?.snapshot).toBeUndefined();
});

test.each([
  ['the called side', 'b', 'a'],
  ['the caller', 'a', 'b'],
] as const)('a successor of %s ends the call by a BYE the peer takes', (_, dead, alive) => {
  const w = pair({}, { [dead]: { snapshots: true } });
  const call = talking(w);
  const snapshot = JSON.parse(JSON.stringify(snapshots(w[dead]).at(-1)?.snapshot)) as DialogSnapshot;
  // Some requests more, which the snapshot knows nothing of.
  const id = dead === 'a' ? 'c1' : call;
  for (let i = 0; i < 20; i++)
    w[dead].feed({ type: 'info', call: id, contentType: 'application/dtmf-relay', content: 'Signal=1' });
  w.world.run(1000);
  const successor = w.world.peer(w[dead].host);
  successor.feed({
    type: 'bury',
    id: 'b1',
    snapshot,
    headers: [['Reason', 'SIP;cause=503;text="Restarted"']],
  });
  w.world.run(1000);
  expect(w[alive].one('ended')).toMatchObject({ by: 'remote', reason: expect.stringContaining('Restarted') });
  expect(buried(successor)).toEqual([{ type: 'buried', id: 'b1', status: 200 }]);
  expect(header(lastSent(successor, 'BYE'), 'From')).toContain(`tag=${snapshot.localTag}`);
  w.world.run(40_000);
  idle(successor, w[alive]);
  // Twice does no harm.
  successor.feed({ type: 'bury', id: 'b2', snapshot });
  w.world.run(1000);
  expect(buried(successor)[1]).toMatchObject({ status: 481 });
});

test('nobody there any more: 408, and nothing is kept', () => {
  const w = pair({}, { b: { snapshots: true } });
  talking(w);
  const snapshot = snapshots(w.b)[0]?.snapshot as DialogSnapshot;
  const successor = w.world.peer('10.0.0.2');
  w.world.drop = () => true;
  successor.feed({ type: 'bury', id: 'b1', snapshot });
  w.world.run(33_000);
  expect(buried(successor)).toEqual([{ type: 'buried', id: 'b1', status: 408 }]);
  idle(successor);
});

test('over TCP the connection is gone with the process: the BYE opens one to where the route or Contact leads', () => {
  const w = pair({}, { b: { snapshots: true } });
  talking(w, { to: 'sip:1000@10.0.0.2;transport=tcp' });
  const snapshot = snapshots(w.b)[0]?.snapshot as DialogSnapshot;
  expect(snapshot).toMatchObject({
    target: 'sip:alice@10.0.0.1:5060;transport=tcp',
    flow: { transport: 'tcp' },
  });
  const successor = w.world.peer('10.0.0.2');
  w.a.feed({
    type: 'flow-closed',
    flow: { id: 'tcp:10.0.0.2:5060', transport: 'tcp', host: '10.0.0.2', port: 5060 },
  });
  successor.feed({
    type: 'bury',
    id: 'b1',
    snapshot: { ...snapshot, routes: ['<sip:10.0.0.1;transport=tcp;lr>'] },
  });
  w.world.run(1000);
  expect(w.a.one('ended').by).toBe('remote');
  expect(header(lastSent(successor, 'BYE'), 'Via')).toContain('SIP/2.0/TCP');
});

test('what is no snapshot is not taken for one', () => {
  const good = {
    v: 1,
    callId: 'c',
    localTag: 'l',
    remoteTag: 'r',
    local: '<sip:a@h>;tag=l',
    remote: '<sip:b@h>;tag=r',
    routes: [],
    target: 'sip:b@h',
    localSeq: 1,
  };
  expect(readSnapshot(good)).toBe(good);
  for (const wrong of [
    { v: 2 },
    { callId: 'a\r\nX: y' },
    { target: 7 },
    { routes: ['<sip:x>\r\n'] },
    { localSeq: -1 },
    { flow: { transport: 'pigeon', host: 'h', port: 1 } },
    { contact: '中' },
  ])
    expect(readSnapshot({ ...good, ...wrong })).toBeUndefined();
  const w = pair();
  w.b.feed({ type: 'bury', id: 'x', snapshot: { ...good, target: 'tel:1' } as never });
  expect(buried(w.b)).toEqual([{ type: 'buried', id: 'x', status: 400 }]);
  fc.assert(
    fc.property(fc.anything(), value => void readSnapshot(value)),
    { numRuns: 200 },
  );
});
