import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { LegEvent, Millis, Termination } from '../../src/contract.ts';
import type { SipMessage } from '../../src/proto/sip/message.ts';
import { parseMessage } from '../../src/proto/sip/parse.ts';
import type { OnCall } from '../../src/proto/sip/signalling.ts';
import { FrontCall } from './call.ts';
import type { CallIn, CallOut } from './call-steps.ts';
import { sipNative } from './native.ts';
import { textParts } from './texts.ts';

const ALLOW = 'INVITE, ACK, CANCEL, BYE, MESSAGE';

function invite(allow: string | undefined, transport: string): SipMessage {
  const parsed = parseMessage(
    Buffer.from(
      [
        'INVITE sip:1000@127.0.0.1 SIP/2.0',
        `Via: SIP/2.0/${transport} 127.0.0.1:5070;branch=z9hG4bKa`,
        'From: <sip:bob@127.0.0.1>;tag=b',
        'To: <sip:1000@127.0.0.1>',
        'Call-ID: c',
        'CSeq: 1 INVITE',
        ...(allow === undefined ? [] : [`Allow: ${allow}`]),
        'Content-Length: 0',
        '\r\n',
      ].join('\r\n'),
    ),
  );
  if (!parsed.ok) throw new Error(parsed.reason);
  return parsed.message;
}

/** A call that is up with its phone, and what comes out of it. */
function talking({ allow = ALLOW, transport = 'UDP' }: { allow?: string; transport?: string } = {}) {
  const call = new FrontCall(false, undefined, invite(allow, transport));
  const feed = (input: CallIn | { type: 'tick' }, now: Millis = 0): CallOut[] => {
    call.handle(input, now);
    const out: CallOut[] = [];
    for (let o = call.poll(); o !== undefined; o = call.poll()) out.push(o);
    return out;
  };
  const leg = (event: LegEvent, now?: Millis) => feed({ type: 'leg', event }, now);
  const sip = (event: Parameters<OnCall>[0], now?: Millis) => feed({ type: 'sip', event }, now);
  feed({ type: 'begin' });
  feed({ type: 'placed' });
  leg({ type: 'description', id: 0, native: sipNative('A') });
  const begun = sip({ type: 'confirmed', call: 'c', sdp: undefined });
  return {
    call,
    feed,
    leg,
    begun,
    wrote: (from: string, text: string) => leg({ type: 'text', from, text }),
    answers: (status: number) => sip({ type: 'messaged', call: 'c', status }),
    writes: (text: string, now?: Millis, id = 1) => sip({ type: 'message', call: 'c', id, text }, now),
    said: (id: number, why?: Termination) => leg({ type: 'said', id, ...(why && { why }) }),
  };
}
const message = (content: string) => ({ type: 'message', content });
const TEXTS_ON = { type: 'leg', command: { type: 'texts', on: true } };

describe('to the phone', () => {
  test('whose Allow has MESSAGE: the leg is asked for texts, and each becomes a MESSAGE', () => {
    const b = talking();
    expect(b.begun).toContainEqual(TEXTS_ON);
    expect(b.wrote('alice', 'hello')).toEqual([message('alice: hello')]);
  });

  test.each(['INVITE, ACK, BYE', ''])('whose Allow (%j) has none hears nothing', allow => {
    const b = talking({ allow });
    expect(b.begun).toEqual([{ type: 'leg', command: { type: 'confirmed' } }]);
    expect(b.wrote('alice', 'hello')).toEqual([]);
  });

  test('one at a time, in order; more than 20 wait for nobody: the oldest go', () => {
    const b = talking();
    expect(b.wrote('a', '0')).toEqual([message('a: 0')]);
    for (let i = 1; i <= 20; i++) expect(b.wrote('a', String(i))).toEqual([]);
    expect(b.wrote('a', '21')).toEqual([{ type: 'text-lost', reason: 'full' }]);
    for (let i = 2; i <= 21; i++) expect(b.answers(200)).toEqual([message(`a: ${i}`)]);
    expect(b.answers(200)).toEqual([]);
    expect(b.wrote('a', 'again')).toEqual([message('a: again')]);
  });

  test('over UDP in numbered parts, over TCP whole', () => {
    const text = '说话'.repeat(400);
    const tcp = talking({ transport: 'TCP' });
    expect(tcp.wrote('alice', text)).toEqual([message(`alice: ${text}`)]);
    const udp = talking();
    const parts: string[] = [];
    for (let out = udp.wrote('alice', text); out.length > 0; out = udp.answers(200))
      parts.push((out[0] as { content: string }).content);
    expect(parts).toHaveLength(7);
    for (const [i, part] of parts.entries()) {
      expect(part.startsWith(`alice (${i + 1}/7): `)).toBe(true);
      expect(Buffer.byteLength(part)).toBeLessThanOrEqual(400);
    }
    expect(parts.map(p => p.slice('alice (1/7): '.length)).join('')).toBe(text);
  });

  test('cut between characters, whatever they are', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary', maxLength: 400 }),
        fc.integer({ min: 40, max: 200 }),
        (text, max) => {
          const parts = textParts('bob', text, max);
          for (const part of parts) expect(Buffer.byteLength(part)).toBeLessThanOrEqual(max);
          const texts = parts.map(p => p.replace(/^bob(?: \(\d+\/\d+\))?: /, ''));
          expect(texts.join('')).toBe(text);
        },
      ),
      { numRuns: Number(process.env.FUZZ_RUNS ?? 200) },
    );
  });

  test.each([405, 408, 415, 481, 501])('%i: no more of them, and the call goes on', status => {
    const b = talking();
    b.wrote('alice', 'one');
    b.wrote('alice', 'two');
    const out = b.answers(status);
    expect(out).toMatchObject([
      {
        type: 'text-lost',
        reason: 'not-shown',
        note: expect.stringMatching(/not sent to this phone any more/),
      },
      { type: 'leg', command: { type: 'texts', on: false } },
    ]);
    expect(b.wrote('alice', 'three')).toEqual([]);
    expect(b.call.state).toBe('up');
  });

  test('one it refuses is lost, the next is tried', () => {
    const b = talking();
    b.wrote('alice', 'one');
    b.wrote('alice', 'two');
    expect(b.answers(486)).toEqual([{ type: 'text-lost', reason: 'refused' }, message('alice: two')]);
  });
});

describe('from the phone', () => {
  const refused = (status: number, words: RegExp) => ({
    type: 'answer-message',
    id: 1,
    status,
    headers: expect.arrayContaining([['Warning', expect.stringMatching(words)]]),
  });

  test('goes to the leg, whose answer is the phone’s', () => {
    const b = talking();
    expect(b.writes('hello')).toEqual([{ type: 'leg', command: { type: 'say', id: 1, text: 'hello' } }]);
    expect(b.said(1)).toEqual([{ type: 'answer-message', id: 1, status: 200 }]);
  });

  test('the room’s refusal is told in its words', () => {
    const b = talking();
    b.writes('hello');
    const text = 'The PIN comes first.';
    expect(b.said(1, { blame: 'client', reason: 'not-permitted', text })).toMatchObject([
      refused(403, /The PIN comes first/),
    ]);
    const out = b.said(1, { blame: 'server', reason: 'timeout', text: 'Nobody there.' });
    expect(out).toMatchObject([refused(500, /Nobody there/)]);
    expect((out[0] as { headers: unknown }).headers).toContainEqual(['Retry-After', '5']);
  });

  test('4096 bytes are taken, 4097 are not', () => {
    const b = talking();
    expect(b.writes('é'.repeat(2048))).toMatchObject([{ type: 'leg', command: { type: 'say' } }]);
    expect(b.writes(`${'é'.repeat(2048)}!`)).toMatchObject([
      refused(413, /4096 bytes at most, and this one has 4097/),
    ]);
  });

  test('twenty at once, then two a second', () => {
    const b = talking();
    for (let i = 0; i < 20; i++) expect(b.writes('x', 0)).toMatchObject([{ type: 'leg' }]);
    expect(b.writes('x', 0)).toMatchObject([refused(500, /too many texts/)]);
    expect(b.writes('x', 500)).toMatchObject([{ type: 'leg' }]);
    expect(b.writes('x', 500)).toMatchObject([refused(500, /too many texts/)]);
  });

  test('while another agent takes the call over: later', () => {
    const b = talking();
    b.leg({ type: 'closed', why: { blame: 'server', reason: 'agent-lost' } });
    expect(b.writes('x')).toMatchObject([refused(500, /takes this call over/)]);
    expect(b.wrote('alice', 'hello')).toEqual([message('alice: hello')]);
    b.feed({ type: 'placed' });
    b.leg({ type: 'description', id: 0, native: sipNative('B') });
    const moved = b.feed({ type: 'sip', event: { type: 'reanswered', call: 'c', sdp: 'C', owed: false } });
    expect(moved).toContainEqual(TEXTS_ON);
  });
});
