import { describe, expect, test } from 'vitest';
import { systemClock } from '../../../src/io/clock.ts';
import type { CallEvent } from '../../../src/proto/sip/events.ts';
import type { OnCall, SignallingOutside, SipCall } from '../../../src/proto/sip/signalling.ts';
import type { Candidate } from '../../../src/proto/sip/writers.ts';
import { FakeWire } from './fake-wire.testing.ts';
import { DrachtioSignalling } from './signalling.ts';

const PLAIN = [['Content-Type', 'text/plain']] as const;
const SDP = [['Content-Type', 'application/sdp']] as const;

function server(more: Partial<SignallingOutside> = {}) {
  const wire = new FakeWire();
  const events: CallEvent[] = [];
  const calls: SipCall[] = [];
  const counts: string[] = [];
  const told: string[] = [];
  const hear: OnCall = e => void events.push(e);
  const signalling = new DrachtioSignalling(
    {
      ...{ host: '127.0.0.1', port: 9022, secret: 's', clock: systemClock, maxCalls: 2, link: () => {} },
      infoTypes: ['application/dtmf-relay'],
    },
    {
      send() {},
      hangUp() {},
      incoming: (invite, call) => {
        events.push(invite);
        calls.push(call);
        return hear;
      },
      message: (_, { dir, bytes }) => void told.push(`${dir} ${bytes.toString().split(' SIP/2.0', 1)[0]}`),
      count: (name, reason) => void counts.push(`${name}/${reason}`),
      bug: (_, error) => {
        throw error;
      },
      ...more,
    },
    wire,
  );
  const last = <T extends CallEvent['type']>(type: T) =>
    events.filter((e): e is Extract<CallEvent, { type: T }> => e.type === type).at(-1);
  /** A call of bob's, answered, in dialog `d1`. */
  const talking = (): SipCall => {
    wire.receive('INVITE', { makes: 'd1', headers: SDP, body: 'OFFER' });
    const call = calls.at(-1) as SipCall;
    call.answer('ANSWER');
    wire.receive('ACK', { dialog: 'd1' });
    return call;
  };
  /** A call of ours to bob, answered, in dialog `o1`. */
  const talkingOut = (): SipCall => {
    const call = signalling.dial({ to: 'sip:bob@192.0.2.7', user: 'room 7', sdp: 'OFFER' }, hear);
    wire.last('INVITE').respond(200, { body: 'ANSWER', dialog: 'o1' });
    return call;
  };
  return { wire, events, calls, counts, told, signalling, hear, last, talking, talkingOut };
}

describe('a call in', () => {
  test('offer, answer, ACK, BYE with its reason', () => {
    const s = server();
    const { answers } = s.wire.receive('INVITE', { makes: 'd1', headers: SDP, body: 'OFFER' });
    expect(s.last('invite')?.sdp).toBe('OFFER');
    s.calls[0]?.progress(180);
    s.calls[0]?.answer('ANSWER');
    expect(answers).toMatchObject([{ status: 180 }, { status: 200, body: 'ANSWER' }]);
    s.wire.receive('ACK', { dialog: 'd1' });
    expect(s.last('confirmed')).toBeDefined();
    const bye = s.wire.receive('BYE', { dialog: 'd1', headers: [['Reason', 'Q.850;cause=16']] });
    expect(bye.answers).toMatchObject([{ status: 200 }]);
    expect(s.last('ended')).toMatchObject({ by: 'remote', reason: 'Q.850;cause=16' });
    expect(s.signalling.size).toBe(0);
  });

  test('taken back, and refused', () => {
    const s = server();
    s.wire.receive('INVITE', {}).cancel();
    expect(s.last('cancelled')).toBeDefined();
    const { answers } = s.wire.receive('INVITE', {});
    s.calls[1]?.reject(486, { headers: [['Warning', '399 x "no"']] });
    expect(answers).toMatchObject([{ status: 486, headers: { Warning: '399 x "no"' } }]);
    expect(s.signalling.size).toBe(0);
  });

  test('two at most, and none while draining', () => {
    const s = server();
    for (const dialog of ['a', 'b']) s.wire.receive('INVITE', { makes: dialog });
    expect(s.wire.receive('INVITE').answers).toMatchObject([{ status: 503 }]);
    for (const call of s.calls) call.hangup();
    s.signalling.drain(7);
    expect(s.wire.receive('INVITE').answers).toMatchObject([
      { status: 503, headers: { 'Retry-After': '7' } },
    ]);
  });

  test('another offer, from either side', () => {
    const s = server();
    const call = s.talking();
    const theirs = s.wire.receive('INVITE', { dialog: 'd1', headers: SDP, body: 'OFFER 2' });
    expect(s.last('offer')?.sdp).toBe('OFFER 2');
    expect(s.wire.receive('INVITE', { dialog: 'd1' }).answers).toMatchObject([{ status: 491 }]);
    call.answer('ANSWER 2');
    expect(theirs.answers).toMatchObject([{ status: 200, body: 'ANSWER 2' }]);
    call.reinvite('OFFER 3');
    const ours = s.wire.last('INVITE');
    expect(ours).toMatchObject({
      stackDialogId: 'd1',
      body: 'OFFER 3',
      headers: { Contact: '<sip:us@192.0.2.1>' },
    });
    ours.respond(200, { body: 'ANSWER 3' });
    expect(ours.acks).toEqual([{}]);
    expect(s.last('reanswered')).toMatchObject({ sdp: 'ANSWER 3', owed: false });
    call.reinvite(null);
    s.wire.last('INVITE').respond(200, { body: 'OFFER 4' });
    expect(s.last('reanswered')).toMatchObject({ sdp: 'OFFER 4', owed: true });
    call.acknowledge('ANSWER 4');
    expect(s.wire.last('INVITE').acks).toMatchObject([{ body: 'ANSWER 4' }]);
    call.reinvite('OFFER 5', 'UPDATE');
    s.wire.last('UPDATE').respond(488);
    expect(s.last('rerefused')?.status).toBe(488);
  });

  test('INFO of our types, and no other', () => {
    const s = server();
    const call = s.talking();
    const info = (type: string) =>
      s.wire.receive('INFO', { dialog: 'd1', headers: [['Content-Type', type]], body: 'Signal=5' }).answers;
    expect(info('application/dtmf-relay')).toMatchObject([{ status: 200 }]);
    expect(s.last('info')).toMatchObject({ contentType: 'application/dtmf-relay', content: 'Signal=5' });
    expect(info('text/x')).toMatchObject([{ status: 415, headers: { Accept: 'application/dtmf-relay' } }]);
    call.info('application/x', 'y');
    expect(s.wire.last('INFO')).toMatchObject({ body: 'y' });
  });

  test('a transfer the peer asks for', () => {
    const s = server();
    const call = s.talking();
    const refer = (to: string) => s.wire.receive('REFER', { dialog: 'd1', headers: [['Refer-To', to]] });
    expect(refer('nonsense').answers).toMatchObject([{ status: 400 }]);
    const { answers } = refer('<sip:carol@192.0.2.9>');
    const asked = s.last('refer');
    expect(asked).toMatchObject({ to: 'sip:carol@192.0.2.9' });
    call.acceptRefer(asked!.id);
    expect(answers).toMatchObject([{ status: 202 }]);
    call.notify(asked!.id, 180, 'Ringing');
    call.notify(asked!.id, 200, 'OK');
    call.notify(asked!.id, 200, 'OK');
    const notes = s.wire.asked.filter(a => a.method === 'NOTIFY');
    expect(notes.map(n => [n.body, n.headers['Subscription-State']])).toEqual([
      ['SIP/2.0 180 Ringing\r\n', 'active;expires=60'],
      ['SIP/2.0 200 OK\r\n', 'terminated;reason=noresource'],
    ]);
    const second = refer('<sip:dave@192.0.2.9>');
    call.refuseRefer(s.last('refer')!.id, 603, { reason: 'Decline' });
    expect(second.answers).toMatchObject([{ status: 603 }]);
  });

  test('a transfer we ask for', () => {
    const s = server();
    const call = s.talking();
    call.refer('r1', 'sip:carol@192.0.2.9');
    expect(s.wire.last('REFER').headers['Refer-To']).toBe('<sip:carol@192.0.2.9>');
    s.wire.last('REFER').respond(202);
    const note = (body: string) =>
      s.wire.receive('NOTIFY', { dialog: 'd1', headers: [['Content-Type', 'message/sipfrag']], body });
    note('SIP/2.0 180 Ringing');
    expect(s.last('referred')).toMatchObject({ id: 'r1', status: 180, done: false });
    note('SIP/2.0 200 OK');
    expect(s.last('referred')).toMatchObject({ id: 'r1', status: 200, done: true });
    call.refer('r2', 'sip:dave@192.0.2.9');
    s.wire.last('REFER').respond(603);
    expect(s.last('referred')).toMatchObject({ id: 'r2', status: 603, done: true });
  });
});

describe('a call out', () => {
  test('rings, is answered, is hung up', () => {
    const s = server();
    const call = s.signalling.dial({ to: 'sip:bob@192.0.2.7', user: 'room', sdp: 'OFFER' }, s.hear);
    const invite = s.wire.last('INVITE');
    expect(invite).toMatchObject({ uri: 'sip:bob@192.0.2.7', body: 'OFFER' });
    invite.respond(100);
    invite.respond(180);
    expect([s.last('trying'), s.last('progress')]).toMatchObject([{}, { status: 180 }]);
    invite.respond(200, { body: 'ANSWER', dialog: 'o1' });
    expect(s.last('answered')).toMatchObject({ sdp: 'ANSWER', owed: false });
    expect(invite.acks).toEqual([{}]);
    call.hangup([['Reason', 'x']]);
    expect(s.wire.last('BYE')).toMatchObject({ stackDialogId: 'o1', headers: { Reason: 'x' } });
    s.wire.last('BYE').respond(200);
    expect(s.last('ended')?.by).toBe('local');
    expect(s.signalling.size).toBe(0);
  });

  test('taken back; a 200 that crosses the CANCEL is acknowledged and ended', () => {
    const s = server();
    const call = s.signalling.dial({ to: 'sip:bob@192.0.2.7', user: 'room', sdp: 'OFFER' }, s.hear);
    call.hangup();
    const invite = s.wire.last('INVITE');
    expect(invite.cancelled).toBe(true);
    invite.respond(200, { body: 'ANSWER', dialog: 'o1' });
    expect(invite.acks).toEqual([{}]);
    expect(s.wire.last('BYE').stackDialogId).toBe('o1');
    expect(s.last('answered')).toBeUndefined();
  });

  test('refused', () => {
    const s = server();
    s.signalling.dial({ to: 'sip:bob@192.0.2.7', user: 'room' }, s.hear);
    s.wire.last('INVITE').respond(486);
    expect(s.last('failed')).toMatchObject({ status: 486 });
    expect(s.signalling.size).toBe(0);
  });
});

describe('texts', () => {
  test('both ways in the call', () => {
    const s = server();
    const call = s.talking();
    call.message('hello');
    expect(s.wire.last('MESSAGE')).toMatchObject({ stackDialogId: 'd1', body: 'hello' });
    s.wire.last('MESSAGE').respond(200);
    expect(s.last('messaged')?.status).toBe(200);
    const { answers } = s.wire.receive('MESSAGE', { dialog: 'd1', headers: PLAIN, body: 'grüß dich' });
    const { id, text } = s.last('message')!;
    expect(text).toBe('grüß dich');
    call.answerMessage(id, 413, { headers: [['Warning', '399 x "long"']] });
    expect(answers).toMatchObject([{ status: 413, headers: { Warning: '399 x "long"' } }]);
  });

  test('outside of calls: 405 where nobody judges them', () => {
    const s = server();
    s.talking();
    const { answers } = s.wire.receive('MESSAGE', { headers: PLAIN, body: 'x' });
    expect(answers).toMatchObject([{ status: 405 }]);
    expect(s.counts).toEqual(['refused/405']);
  });

  const judged = () => {
    const asked: (readonly Candidate[])[] = [];
    const s = server({
      writer: (_, _flow, candidates) => {
        asked.push(candidates);
        return candidates.find(c => c.sameFlow)?.call ?? { status: 403, headers: [['Warning', 'why']] };
      },
    });
    return { ...s, asked };
  };

  test('outside of a call, of one that has one: the call’s', () => {
    const s = judged();
    const call = s.talking();
    const { answers } = s.wire.receive('MESSAGE', { headers: PLAIN, body: 'hello' });
    expect(s.asked).toEqual([[{ call: call.id, sameFlow: true }]]);
    expect(s.last('message')).toMatchObject({ call: call.id, text: 'hello' });
    call.answerMessage(s.last('message')!.id, 200);
    expect(answers).toMatchObject([{ status: 200 }]);
    expect(s.told.filter(t => t.startsWith('in MESSAGE'))).toHaveLength(1);
    s.wire.receive('BYE', { dialog: 'd1' });
    s.wire.receive('MESSAGE', { headers: PLAIN, body: 'too late' });
    expect(s.asked.at(-1)).toEqual([]);
  });

  test.each([
    ['another source', { host: '192.0.2.9' }, [false]],
    ['another name', { from: 'sip:eve@192.0.2.7' }, []],
    ['another room', { uri: 'sip:1001@192.0.2.1' }, []],
  ])('of %s: refused in words', (_, o, paths) => {
    const s = judged();
    s.talking();
    const { answers } = s.wire.receive('MESSAGE', { headers: PLAIN, body: 'x', ...o });
    expect(s.asked.at(-1)?.map(c => c.sameFlow)).toEqual(paths);
    expect(answers).toMatchObject([{ status: 403, headers: { Warning: 'why' } }]);
    expect([s.counts, s.last('message')]).toEqual([['refused/403'], undefined]);
  });

  test('of whom we called', () => {
    const s = judged();
    s.talkingOut();
    s.wire.receive('MESSAGE', { uri: 'sip:room%207@192.0.2.1', headers: PLAIN, body: 'x' });
    expect(s.asked.at(-1)).toHaveLength(1);
  });
});

test('requests of no call: OPTIONS is answered, the rest refused', () => {
  const s = server();
  expect(s.wire.receive('OPTIONS').answers).toMatchObject([{ status: 200 }]);
  expect(s.wire.receive('BYE').answers).toMatchObject([{ status: 481 }]);
  expect(s.wire.receive('REFER').answers).toMatchObject([{ status: 403 }]);
  expect(s.wire.receive('REGISTER').answers).toMatchObject([{ status: 403 }]);
});
