import { describe, expect, test } from 'vitest';
import { answerChallenge, DigestServer } from '../../src/proto/sip/digest.ts';
import { type Flow, flowTo } from '../../src/proto/sip/flow.ts';
import type { RequestRefusal } from '../../src/proto/sip/inspect.ts';
import type { SipMessage, SipRequest, SipResponse } from '../../src/proto/sip/message.ts';
import { parseMessage } from '../../src/proto/sip/parse.ts';
import type { HeaderLine } from '../../src/proto/sip/write.ts';
import type { Candidate } from '../../src/proto/sip/writers.ts';
import { fakeHost } from '../../test/harness/fakes.ts';
import { sipConfig } from './config.ts';
import { type Proof, TextWriters } from './front-writers.ts';
import { Guard } from './guard.ts';

const UDP = flowTo('udp', '192.0.2.7', 5060);
const TLS = flowTo('tls', '192.0.2.7', 40_000);
const BOB = '99:1000:bob';
const PASSWORDS: Readonly<Record<string, readonly string[]>> = {
  [BOB]: ['old', 'right'],
  '99:1000:eve': ['eves'],
};

const lines = (headers: readonly HeaderLine[]): string => headers.map(([n, v]) => `${n}: ${v}\r\n`).join('');

function parsed(first: string, headers: readonly HeaderLine[]): SipMessage {
  const common = `Via: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:bob@h>;tag=1\r\nTo: <sip:1000@h>\r\nCall-ID: c\r\nCSeq: 1 MESSAGE\r\n`;
  const p = parseMessage(Buffer.from(`${first}\r\n${common}${lines(headers)}\r\n`));
  if (!p.ok) throw new Error(p.reason);
  return p.message;
}
const text = (headers: readonly HeaderLine[] = []): SipRequest =>
  parsed('MESSAGE sip:1000@h SIP/2.0', headers) as SipRequest;

/** `calls`: what stands behind whom. */
function writers(calls: Readonly<Record<string, Proof>>, authRequired = false) {
  const host = fakeHost({ authRequired, digestPasswords: name => PASSWORDS[name] });
  const guard = new Guard(host, sipConfig.parse({}));
  const digest = new DigestServer('roombridge', Buffer.alloc(32, 7));
  const known = new TextWriters(host, digest, guard, call => calls[call]);
  const of = (m: SipRequest, flow: Flow, candidates: readonly Candidate[]) => known.of(m, flow, candidates);
  /** As a phone that was challenged answers. */
  const answering = (refusal: string | RequestRefusal, username: string, password: string): SipRequest => {
    const challenge = parsed('SIP/2.0 401 X', (refusal as RequestRefusal).headers ?? []) as SipResponse;
    const who = { username, password };
    const answer = answerChallenge(challenge, 'MESSAGE', 'sip:1000@h', who, 'c0ffee');
    return text([answer?.header as HeaderLine]);
  };
  return { host, of, answering };
}
const at = (call: string, sameFlow = true): Candidate => ({ call, sameFlow });
const refused = (status: number, words: RegExp) => ({
  status,
  headers: expect.arrayContaining([['Warning', expect.stringMatching(words)]]),
});
const STRANGER = refused(403, /by the same way as you call/);

describe('by the path of the call', () => {
  test.each([UDP, TLS])('who claims a name is believed where its call comes from', flow => {
    const w = writers({ c1: { by: 'path' } });
    expect(w.of(text(), flow, [at('c1')])).toBe('c1');
  });

  test.each([
    ['from elsewhere', [at('c1', false)]],
    ['of no call', []],
    ['of a call nobody knows any more', [at('over')]],
  ])('%s: 403, in the same words', (_, candidates) => {
    const w = writers({ c1: { by: 'path' } });
    expect(w.of(text(), UDP, candidates)).toMatchObject(STRANGER);
  });

  test('the same call seen from elsewhere is not in the way', () => {
    const w = writers({ c1: { by: 'path' }, c2: { by: 'path' } });
    expect(w.of(text(), UDP, [at('c1', false), at('c2')])).toBe('c2');
  });

  test('two calls of one phone in one room: it says in which', () => {
    const w = writers({ c1: { by: 'path' }, c2: { by: 'path' } });
    expect(w.of(text(), UDP, [at('c1'), at('c2')])).toMatchObject(refused(403, /more than one call/));
  });

  test('callers of a trunk share its path: the trunk says who writes, as it said who called', () => {
    const asserted = '<sip:+4930@trunk>';
    const w = writers({ c1: { by: 'trunk', asserted }, c2: { by: 'trunk', asserted: undefined } });
    const by = (value: string): SipRequest => text([['P-Asserted-Identity', value]]);
    expect(w.of(by(asserted), UDP, [at('c1')])).toBe('c1');
    expect(w.of(by('<sip:+4999@trunk>'), UDP, [at('c1')])).toMatchObject(STRANGER);
    expect(w.of(text(), UDP, [at('c1')])).toMatchObject(STRANGER);
    expect(w.of(by(asserted), UDP, [at('c2')])).toMatchObject(STRANGER);
    expect(w.of(text(), UDP, [at('c2')])).toBe('c2');
  });
});

describe('by password', () => {
  const called: Proof = { by: 'digest', username: BOB };

  test('over UDP, whose addresses can be forged, even where the call comes from', () => {
    const w = writers({ c1: called }, true);
    const first = w.of(text(), UDP, [at('c1')]);
    expect(first).toMatchObject(refused(401, /password of the call/));
    expect(w.of(w.answering(first, BOB, 'right'), UDP, [at('c1')])).toBe('c1');
    expect(w.host.counts).toEqual([]);
  });

  test('a connection shows who it is', () => {
    const w = writers({ c1: called }, true);
    expect(w.of(text(), TLS, [at('c1')])).toBe('c1');
  });

  test('from elsewhere', () => {
    const w = writers({ c1: called }, true);
    const first = w.of(text(), TLS, [at('c1', false)]);
    expect(w.of(w.answering(first, BOB, 'right'), TLS, [at('c1', false)])).toBe('c1');
  });

  test('what was overheard is worth nothing', () => {
    const w = writers({ c1: called }, true);
    const answer = w.answering(w.of(text(), UDP, [at('c1')]), BOB, 'right');
    expect(w.of(answer, UDP, [at('c1')])).toBe('c1');
    const again = w.of(answer, UDP, [at('c1')]);
    expect(again).toMatchObject({ status: 401 });
    expect(JSON.stringify(again)).toContain('stale=true');
  });

  test('a wrong one is 403 and counted; too many are not looked at', () => {
    const w = writers({ c1: called }, true);
    const guess = (password: string) =>
      w.of(w.answering(w.of(text(), UDP, []), BOB, password), UDP, [at('c1')]);
    expect(guess('guess')).toMatchObject(refused(403, /not valid for this room/));
    expect(w.host.counts).toEqual(['unauthorized/digest']);
    for (let i = 0; i < 10; i++) guess('guess');
    expect(w.of(text(), UDP, [at('c1')])).toMatchObject(refused(403, /Too many wrong passwords/));
  });

  test('right, and yet somebody else: the password of one is no leave to write as another', () => {
    const w = writers({ c1: called, c2: { by: 'path' } }, true);
    for (const candidates of [[at('c1')], [at('c1', false), at('c2', false)], []]) {
      const first = w.of(text(), UDP, candidates);
      expect(w.of(w.answering(first, '99:1000:eve', 'eves'), UDP, candidates)).toMatchObject(STRANGER);
    }
  });

  test('two calls with one password: it says in which', () => {
    const w = writers({ c1: called, c2: called }, true);
    const calls = [at('c1', false), at('c2', false)];
    expect(w.of(w.answering(w.of(text(), UDP, calls), BOB, 'right'), UDP, calls)).toMatchObject(
      refused(403, /more than one call/),
    );
  });

  test('nobody learns who is in the room: strangers are challenged alike', () => {
    const w = writers({ c1: called }, true);
    const words = (r: string | RequestRefusal) =>
      (r as RequestRefusal).headers?.filter(([name]) => name === 'Warning');
    const [there, gone] = [w.of(text(), UDP, [at('c1', false)]), w.of(text(), UDP, [])];
    expect([there, gone]).toMatchObject([{ status: 401 }, { status: 401 }]);
    expect(words(there)).toEqual(words(gone));
  });
});

test('a fault of ours is 500, and nothing else', () => {
  const host = fakeHost({
    authRequired: true,
    clock: {
      now: () => {
        throw new Error('broken');
      },
      at: () => () => {},
    },
  });
  const guard = new Guard(host, sipConfig.parse({}));
  const known = new TextWriters(host, new DigestServer('r', Buffer.alloc(32)), guard, () => undefined);
  expect(known.of(text(), UDP, [])).toEqual({ status: 500 });
});
