import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { test } from 'vitest';
import { Refusal } from '../../kit/refusal.ts';
import { acceptCall, answerCall, type CallLocal, offerCall } from './call.ts';
import type { KeyingLocal } from './keying.ts';
import { parseSdp, writeSdp } from './sdp.ts';

const numRuns = Number(process.env.FUZZ_RUNS ?? 200);
const folder = new URL('../../../fixtures/sdp/', import.meta.url);
const vectors = readdirSync(folder)
  .filter(f => f.endsWith('.sdp'))
  .map(f => readFileSync(new URL(f, folder), 'utf8'));
/** With all that tells of keys, right and wrong. */
vectors.push(
  [
    'v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0',
    `a=fingerprint:sha-256 ${'AB:'.repeat(31)}CD`,
    'm=audio 5000 RTP/SAVP 0\r\na=crypto:0 X y',
    `a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:${'A'.repeat(40)}|2^20|1:4 WSH=64`,
    'm=audio 5002 RTP/AVP 0',
    'm=video 5004 UDP/TLS/RTP/SAVPF 97\r\na=rtpmap:97 VP8/90000\r\na=setup:actpass\r\na=tls-id:abcdefghijklmnopqrstuv',
    '',
  ].join('\r\n'),
);
const keying: KeyingLocal = {
  policy: 'optional',
  random: n => Buffer.alloc(n, 1),
  fingerprint: { algorithm: 'sha-256', value: 'AA:BB' },
};
const local: CallLocal = {
  audio: {
    sessionId: '1',
    address: '192.0.2.1',
    port: 4000,
    codecs: ['opus', 'G722', 'PCMU', 'PCMA'],
    direction: 'sendrecv',
    keying,
  },
  video: { codecs: ['H264', 'VP8'], direction: 'sendrecv', maxBps: 2_000_000, keying },
  videoPorts: { main: 4002, slides: 4004 },
};

/** Reads it and does with it all that a call would do. */
function survive(text: string): void {
  const sdp = parseSdp(text);
  if (typeof sdp === 'string') return;
  acceptCall(sdp, offerCall(local), local);
  const encrypted: CallLocal = {
    ...local,
    audio: { ...local.audio, keying: { ...keying, policy: 'required' } },
  };
  acceptCall(sdp, offerCall(encrypted), encrypted);
  const answer = answerCall(sdp, local);
  if (answer instanceof Refusal) return;
  const again = parseSdp(writeSdp(answer.sdp));
  if (typeof again === 'string') throw new Error(`our own answer is unreadable: ${again}`);
  if (again.sections.length !== sdp.sections.length)
    throw new Error('the answer has another number of m= lines');
  const offer = parseSdp(writeSdp(offerCall(local, answer.sdp, answer.plan)));
  if (typeof offer === 'string') throw new Error(`our own offer is unreadable: ${offer}`);
}

test('any text', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.string({ unit: 'binary' })), text => survive(`v=0\r\n${text}`)),
    { numRuns },
  );
});

test('vectors cut anywhere', () => {
  for (const v of vectors) for (let n = 0; n <= v.length; n++) survive(v.slice(0, n));
});

test('vectors with lines lost, doubled, swapped and overwritten', () => {
  const lines = vectors.flatMap(v => v.split('\r\n'));
  const edit = fc.record({
    at: fc.nat(60),
    remove: fc.nat(3),
    line: fc.option(fc.oneof(fc.constantFrom(...lines), fc.string())),
  });
  fc.assert(
    fc.property(fc.constantFrom(...vectors), fc.array(edit, { maxLength: 8 }), (v, edits) => {
      const text = v.split('\r\n');
      for (const e of edits)
        text.splice(1 + (e.at % text.length), e.remove, ...(e.line === null ? [] : [e.line]));
      survive(text.join('\r\n'));
    }),
    { numRuns },
  );
});

test('vectors with characters overwritten', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...vectors),
      fc.array(fc.tuple(fc.nat(), fc.string({ unit: 'binary', minLength: 1, maxLength: 3 })), {
        maxLength: 10,
      }),
      (v, edits) => {
        let text = v;
        for (const [at, s] of edits) {
          const i = 5 + (at % text.length);
          text = text.slice(0, i) + s + text.slice(i + s.length);
        }
        survive(text);
      },
    ),
    { numRuns },
  );
});
