import { describe, expect, test } from 'vitest';
import type { Termination } from '../../src/contract.ts';
import { FrontCall } from './call.ts';
import { BETWEEN_AGENTS } from './call-ends.ts';
import type { CallIn, CallOut } from './call-steps.ts';
import { readDtmfInfo } from './front-dtmf.ts';
import { masked } from './front-ladder.ts';
import { sipNative } from './native.ts';
import { refusalOf } from './status.ts';

const KICKED: Termination = { blame: 'client', reason: 'kicked', text: 'Out.' };

/** Feeds inputs at their times and lists what comes out, shortened. */
function bench(offerless = false) {
  const call = new FrontCall(offerless);
  const feed = (input: CallIn | { type: 'tick' }, now = 0): CallOut[] => {
    call.handle(input, now);
    const out: CallOut[] = [];
    for (let o = call.poll(); o !== undefined; o = call.poll()) out.push(o);
    return out;
  };
  const described = (id: number, sdp: string): CallOut[] =>
    feed({ type: 'leg', event: { type: 'description', id, native: sipNative(sdp) } });
  const up = (): void => {
    feed({ type: 'begin' });
    feed({ type: 'placed' });
    described(0, 'A');
    feed({ type: 'sip', event: { type: 'confirmed', call: 'c', sdp: offerless ? 'THEIRS' : undefined } });
  };
  const sip = (event: Extract<CallIn, { type: 'sip' }>['event']): CallOut[] => feed({ type: 'sip', event });
  return { call, feed, described, up, sip };
}

describe('keyframes by INFO', () => {
  const PFU =
    '<?xml version="1.0"?>\r\n<media_control>\r\n <vc_primitive><to_encoder><picture_fast_update></picture_fast_update></to_encoder></vc_primitive></media_control>';

  test('the phone asks', () => {
    const b = bench();
    b.up();
    const info = (contentType: string, content: string): CallOut[] =>
      b.sip({ type: 'info', call: 'c', contentType, content });
    expect(info('application/media_control+xml', PFU)).toEqual([
      { type: 'leg', command: { type: 'keyframe' } },
    ]);
    expect(info('application/media_control+xml', '<media_control><general_error/></media_control>')).toEqual(
      [],
    );
    expect(info('text/xml', PFU)).toEqual([]);
  });

  test('the phone is asked, in words it would ask us with', () => {
    const b = bench();
    b.up();
    const [out] = b.feed({ type: 'leg', event: { type: 'keyframe-by-signalling' } });
    expect(out).toMatchObject({ type: 'info' });
    const { contentType, content } = out as Extract<CallOut, { type: 'info' }>;
    expect(b.sip({ type: 'info', call: 'c', contentType, content })).toHaveLength(1);
  });
});

describe('placing', () => {
  test('rings when it takes a little, gives up when it takes too long', () => {
    const b = bench();
    b.feed({ type: 'begin' }, 0);
    expect(b.call.deadline).toBe(300);
    expect(b.feed({ type: 'tick' }, 300)).toEqual([{ type: 'ring' }]);
    expect(b.call.deadline).toBe(10_000);
    const out = b.feed({ type: 'tick' }, 10_000);
    expect(out.map(o => o.type)).toEqual(['reject', 'abort']);
    expect(out[0]).toMatchObject({ why: { reason: 'timeout' } });
  });

  test('the answer waits for leg and description, in either order', () => {
    const one = bench();
    expect(one.described(0, 'A')).toEqual([]);
    expect(one.feed({ type: 'placed' })).toEqual([{ type: 'answer', sdp: 'A' }]);
    const two = bench();
    expect(two.feed({ type: 'placed' })).toEqual([]);
    expect(two.described(0, 'A')).toEqual([{ type: 'answer', sdp: 'A' }]);
  });

  test('CANCEL aborts, and what comes late is not heard', () => {
    const b = bench();
    expect(b.sip({ type: 'cancelled', call: 'c' }).map(o => o.type)).toEqual(['abort']);
    expect(b.feed({ type: 'placed' })).toEqual([]);
    expect(b.described(0, 'A')).toEqual([]);
  });

  test.each([
    { type: 'unplaced', why: KICKED },
    { type: 'close', why: KICKED },
    { type: 'leg', event: { type: 'refused', id: 0, why: KICKED } },
    { type: 'leg', event: { type: 'closed', why: KICKED } },
  ] as const)('$type: refused in its words', input => {
    const out = bench().feed(input);
    expect(out).toEqual([{ type: 'reject', why: KICKED }, { type: 'abort' }]);
  });
});

test('a leg that is there, but never says what to answer, is closed when the caller gives up', () => {
  const b = bench();
  b.feed({ type: 'placed' });
  expect(b.sip({ type: 'cancelled', call: 'c' })).toEqual([
    { type: 'abort' },
    {
      type: 'leg',
      command: { type: 'close', why: { blame: 'client', reason: 'cancelled', text: 'The caller gave up.' } },
    },
  ]);
});

describe('up', () => {
  test('the agent refuses an offer: 488 goes out, the call lives', () => {
    const b = bench();
    b.up();
    expect(b.sip({ type: 'offer', call: 'c', sdp: 'T38' })).toEqual([
      { type: 'leg', command: { type: 'offer', id: 1, native: { sdp: 'T38' } } },
    ]);
    const why: Termination = { blame: 'client', reason: 'no-common-codec' };
    expect(b.feed({ type: 'leg', event: { type: 'refused', id: 1, why } })).toEqual([
      { type: 'reject', why },
    ]);
    expect(b.call.state).toBe('up');
  });

  test('an agent that never answers an offer has refused it', () => {
    const b = bench();
    b.up();
    b.feed({ type: 'sip', event: { type: 'offer', call: 'c', sdp: 'X' } }, 1000);
    const out = b.feed({ type: 'tick' }, b.call.deadline);
    expect(out.map(o => o.type)).toEqual(['reject', 'leg']);
    expect(b.call.deadline).toBe(Number.POSITIVE_INFINITY);
  });

  test('offerless re-INVITE: the answer comes with the ACK', () => {
    const b = bench();
    b.up();
    expect(b.sip({ type: 'offer', call: 'c', sdp: undefined })).toEqual([
      { type: 'leg', command: { type: 'make-offer', id: 1, why: 'offerless' } },
    ]);
    expect(b.described(1, 'OURS')).toEqual([{ type: 'answer', sdp: 'OURS' }]);
    expect(b.sip({ type: 'confirmed', call: 'c', sdp: 'THEIRS' })).toEqual([
      { type: 'leg', command: { type: 'answer', id: 1, native: { sdp: 'THEIRS' } } },
    ]);
  });

  test('the agent wants to offer before the ACK: it may after', () => {
    const b = bench();
    b.feed({ type: 'placed' });
    b.described(0, 'A');
    expect(b.feed({ type: 'leg', event: { type: 'want-offer', why: 'codec' } })).toEqual([]);
    expect(b.sip({ type: 'confirmed', call: 'c', sdp: undefined })).toEqual([
      { type: 'leg', command: { type: 'confirmed' } },
      { type: 'leg', command: { type: 'make-offer', id: 1, why: 'refresh' } },
    ]);
    expect(b.described(1, 'NEW')).toEqual([{ type: 'reinvite', sdp: 'NEW' }]);
    expect(b.sip({ type: 'reanswered', call: 'c', sdp: 'OK', owed: false })).toEqual([
      { type: 'leg', command: { type: 'answer', id: 1, native: { sdp: 'OK' } } },
    ]);
  });

  test("the peer's offer overtakes ours: ours is rolled back, and made anew after theirs", () => {
    const b = bench();
    b.up();
    b.feed({ type: 'leg', event: { type: 'want-offer', why: 'codec' } });
    b.described(1, 'NEW');
    expect(b.sip({ type: 'rerefused', call: 'c', status: 491 })).toEqual([
      { type: 'leg', command: { type: 'rollback', id: 1 } },
    ]);
    b.sip({ type: 'offer', call: 'c', sdp: 'THEIRS' });
    expect(b.described(1, 'NEW')).toEqual([]); // a late word of the exchange that is over
    expect(b.described(2, 'A2')).toEqual([{ type: 'answer', sdp: 'A2' }]);
    expect(b.sip({ type: 'confirmed', call: 'c', sdp: undefined })).toEqual([
      { type: 'leg', command: { type: 'make-offer', id: 3, why: 'refresh' } },
    ]);
  });

  test('an ACK without the answer it owes ends the call', () => {
    const b = bench(true);
    b.feed({ type: 'placed' });
    b.described(0, 'OURS');
    const out = b.sip({ type: 'confirmed', call: 'c', sdp: undefined });
    expect(out.map(o => o.type)).toEqual(['hangup', 'leg']);
    expect(out[0]).toMatchObject({ why: { reason: 'no-answer-in-ack' } });
  });

  test('ended by the leg: BYE with its words; by the phone: the leg is closed', () => {
    const one = bench();
    one.up();
    expect(one.feed({ type: 'leg', event: { type: 'closed', why: KICKED } })).toEqual([
      { type: 'hangup', why: KICKED },
    ]);
    const two = bench();
    two.up();
    expect(two.sip({ type: 'ended', call: 'c', by: 'remote' })[0]).toEqual({
      type: 'leg',
      command: { type: 'close', why: { blame: 'none', reason: 'hung-up' } },
    });
  });
});

describe('its agent dies', () => {
  const LOST: Termination = { blame: 'server', reason: 'agent-lost', text: 'It has died.' };
  const lose = (b: ReturnType<typeof bench>, now = 0): CallOut[] =>
    b.feed({ type: 'leg', event: { type: 'closed', why: LOST } }, now);
  const NO_AGENT: Termination = { blame: 'server', reason: 'no-agent' };

  test('another one goes on from our newest description: re-INVITE, its answer, confirmed', () => {
    const b = bench();
    b.up();
    expect(lose(b)).toEqual([{ type: 'place-again', why: 'agent-lost', before: 'A', held: false }]);
    expect(b.described(0, 'B')).toEqual([]);
    expect(b.feed({ type: 'placed' })).toEqual([{ type: 'reinvite', sdp: 'B' }]);
    expect(b.call.deadline).toBe(Number.POSITIVE_INFINITY); // the signalling knows how long to wait
    expect(b.sip({ type: 'reanswered', call: 'c', sdp: 'THEIRS', owed: false })).toEqual([
      { type: 'leg', command: { type: 'answer', id: 0, native: { sdp: 'THEIRS' } } },
      { type: 'leg', command: { type: 'confirmed' } },
    ]);
    // A call like any other, which may lose this one too.
    expect(b.sip({ type: 'offer', call: 'c', sdp: 'X' })).toHaveLength(1);
    expect(b.described(1, 'C')).toEqual([{ type: 'answer', sdp: 'C' }]);
    b.sip({ type: 'confirmed', call: 'c', sdp: undefined });
    b.feed({ type: 'leg', event: { type: 'hold', by: 'peer' } });
    expect(lose(b)).toEqual([{ type: 'place-again', why: 'agent-lost', before: 'C', held: true }]);
  });

  test('nobody takes it: asked again and again for 5 s, then BYE in the words of the loss', () => {
    const b = bench();
    b.up();
    lose(b, 1000);
    const asked: number[] = [];
    let out: CallOut[] = [];
    let now = 1000;
    while (b.call.state !== 'ended') {
      b.feed({ type: 'unplaced', why: NO_AGENT }, now);
      now = b.call.deadline;
      out = b.feed({ type: 'tick' }, now);
      if (out[0]?.type === 'place-again') asked.push(now - 1000);
    }
    expect(asked).toEqual([250, 750, 1750, 2750, 3750, 4750]);
    expect(now).toBe(6000);
    expect(out).toEqual([
      { type: 'abort' },
      { type: 'hangup', why: LOST },
      { type: 'leg', command: { type: 'close', why: LOST } },
    ]);
    expect(b.call.why).toBe(LOST);
    expect(b.call.deadline).toBe(Number.POSITIVE_INFINITY);
  });

  test('what the room refuses, no other agent can grant: BYE at once', () => {
    const b = bench();
    b.up();
    lose(b);
    expect(b.feed({ type: 'unplaced', why: KICKED })).toContainEqual({ type: 'hangup', why: KICKED });
  });

  test('the phone hangs up meanwhile: what is being placed is given back', () => {
    const b = bench();
    b.up();
    lose(b);
    expect(b.sip({ type: 'ended', call: 'c', by: 'remote' }).map(o => o.type)).toEqual(['abort', 'leg']);
    expect(b.feed({ type: 'placed' })).toEqual([]);
  });

  test('the phone offers meanwhile: 491, also to what the dead one left unanswered', () => {
    const b = bench();
    b.up();
    b.sip({ type: 'offer', call: 'c', sdp: 'X' });
    expect(lose(b)).toMatchObject([
      { type: 'reject', why: { reason: 'request-pending' } },
      { type: 'place-again' },
    ]);
    expect(b.sip({ type: 'offer', call: 'c', sdp: 'X' })).toMatchObject([
      { type: 'reject', why: { reason: 'request-pending' } },
    ]);
    expect(refusalOf(BETWEEN_AGENTS).status).toBe(491);
  });

  test('before the ACK: the phone is asked after it', () => {
    const b = bench();
    b.feed({ type: 'placed' });
    b.described(0, 'A');
    lose(b);
    b.described(0, 'B');
    expect(b.feed({ type: 'placed' })).toEqual([]);
    expect(b.sip({ type: 'confirmed', call: 'c', sdp: undefined })).toEqual([{ type: 'reinvite', sdp: 'B' }]);
  });

  test('491 to the re-INVITE: the offer of the phone brings it over, or ours is made again', () => {
    for (const theirs of [true, false]) {
      const b = bench();
      b.up();
      lose(b);
      b.feed({ type: 'placed' });
      b.described(0, 'B');
      expect(b.sip({ type: 'rerefused', call: 'c', status: 491 })).toEqual([
        { type: 'leg', command: { type: 'rollback', id: 0 } },
      ]);
      if (theirs) {
        b.sip({ type: 'offer', call: 'c', sdp: 'X' });
        expect(b.described(1, 'C')).toEqual([{ type: 'answer', sdp: 'C' }]);
        expect(b.sip({ type: 'confirmed', call: 'c', sdp: undefined })[0]).toEqual({
          type: 'leg',
          command: { type: 'confirmed' },
        });
      } else {
        expect(b.call.deadline).toBe(1000);
        expect(b.feed({ type: 'tick' }, 1000)).toEqual([
          { type: 'leg', command: { type: 'make-offer', id: 1, why: 'migrate' } },
        ]);
        expect(b.described(1, 'C')).toEqual([{ type: 'reinvite', sdp: 'C' }]);
        expect(b.sip({ type: 'reanswered', call: 'c', sdp: 'Y', owed: false }).at(-1)).toEqual({
          type: 'leg',
          command: { type: 'confirmed' },
        });
      }
    }
  });

  test('any other refusal of the re-INVITE ends it: there is nothing to go back to', () => {
    const b = bench();
    b.up();
    lose(b);
    b.feed({ type: 'placed' });
    b.described(0, 'B');
    const out = b.sip({ type: 'rerefused', call: 'c', status: 488 });
    expect(out).toMatchObject([
      { type: 'hangup', why: { reason: 'not-moved' } },
      { type: 'leg', command: { type: 'close' } },
    ]);
  });

  test('the other one dies too, before the phone was asked: a third is sought', () => {
    const b = bench();
    b.up();
    lose(b);
    b.feed({ type: 'placed' });
    expect(lose(b)).toEqual([]);
    expect(b.feed({ type: 'tick' }, 250)).toMatchObject([
      { type: 'place-again', why: 'agent-lost', before: 'A' },
    ]);
  });
});

describe('its agent is being emptied', () => {
  const move = (b: ReturnType<typeof bench>): CallOut[] => b.feed({ type: 'leg', event: { type: 'move' } });

  test('another one takes the call, by re-INVITE', () => {
    const b = bench();
    b.up();
    expect(move(b)).toEqual([{ type: 'place-again', why: 'moved', before: 'A', held: false }]);
    b.feed({ type: 'placed' });
    expect(b.described(0, 'B')).toEqual([{ type: 'reinvite', sdp: 'B' }]);
    expect(b.sip({ type: 'reanswered', call: 'c', sdp: 'Y', owed: false }).at(-1)).toEqual({
      type: 'leg',
      command: { type: 'confirmed' },
    });
  });

  test('nobody takes it: it stays where it is', () => {
    const b = bench();
    b.up();
    move(b);
    const why: Termination = { blame: 'server', reason: 'no-agent' };
    expect(b.feed({ type: 'unplaced', why, stays: true })).toEqual([]);
    expect(b.call.deadline).toBe(Number.POSITIVE_INFINITY);
    expect(b.sip({ type: 'offer', call: 'c', sdp: 'X' })).toMatchObject([{ command: { type: 'offer' } }]);
  });

  test('an exchange under way is finished first', () => {
    const b = bench();
    b.up();
    b.sip({ type: 'offer', call: 'c', sdp: 'X' });
    expect(move(b)).toEqual([]);
    b.described(1, 'C');
    expect(b.sip({ type: 'confirmed', call: 'c', sdp: undefined })).toEqual([
      { type: 'place-again', why: 'moved', before: 'C', held: false },
    ]);
  });
});

test.each([
  ['application/dtmf-relay', 'Signal=5\r\nDuration=160\r\n', { digit: '5', ms: 160 }],
  ['application/dtmf-relay', 'Signal= *\r\n', { digit: '*', ms: 160 }],
  ['application/dtmf-relay', 'signal=11\r\nduration=99999', { digit: '#', ms: 5000 }],
  ['application/dtmf', ' d ', { digit: 'D', ms: 160 }],
  ['application/dtmf', '55', undefined],
  ['application/dtmf-relay', 'Duration=3', undefined],
])('key in INFO %s %j', (type, content, key) => expect(readDtmfInfo(type, content)).toEqual(key));

test('credentials are masked wherever they stand', () => {
  const text = masked(
    'INVITE sip:1000@h;token=eyJ.a-b_c;x=y SIP/2.0\r\nAuthorization: Digest username="u",\r\n response="r"\r\nX-Roombridge-Token : abc\r\nTo: <sip:1000@h;token=eyJ>\r\n\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:key\r\n',
  );
  expect(text).toBe(
    'INVITE sip:1000@h;token=(masked);x=y SIP/2.0\r\nAuthorization: (masked)\r\nX-Roombridge-Token : (masked)\r\nTo: <sip:1000@h;token=(masked)>\r\n\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 (masked)\r\n',
  );
  const odd = [
    'a=crypto:1\tS\tinline:KEY',
    'a=crypto: 1  S inline:KEY',
    'a=crypto:1 inline:KEY',
    'a=CRYPTO:1 S INLINE:KEY',
  ];
  for (const line of odd) expect(masked(`${line}\r\n`), line).not.toContain('KEY');
});
