import { describe, expect, test } from 'vitest';
import { Refusal } from '../../kit/refusal.ts';
import { acceptCall, answerCall, type CallLocal, type CallPlan, offerCall } from './call.ts';
import type { KeyingLocal, SrtpPolicy } from './keying.ts';
import { readCrypto, SUITES } from './sdes.ts';
import { parseSdp, type Sdp, writeSdp } from './sdp.ts';

const KEY = (fill: number): string => Buffer.alloc(30, fill).toString('base64');
const CRYPTO = (tag: number, fill: number, suite = 'AES_CM_128_HMAC_SHA1_80'): string =>
  `a=crypto:${tag} ${suite} inline:${KEY(fill)}`;
const HASH = Array.from({ length: 32 }, (_, i) => (i + 16).toString(16).toUpperCase()).join(':');
const DTLS = [`a=fingerprint:SHA-256 ${HASH.toLowerCase()}`, 'a=setup:actpass'];

let count = 0;
const keying = (policy: SrtpPolicy): KeyingLocal => ({
  policy,
  random: n => Buffer.alloc(n, ++count),
  fingerprint: { algorithm: 'sha-256', value: 'AA:BB' },
});
const local = (policy: SrtpPolicy = 'optional', video = false): CallLocal => ({
  audio: {
    sessionId: '1',
    address: '192.0.2.1',
    port: 4000,
    codecs: ['PCMU'],
    direction: 'sendrecv',
    keying: keying(policy),
  },
  video: { codecs: ['H264'], direction: 'sendrecv', maxBps: 1_000_000, keying: keying(policy) },
  videoPorts: video ? { main: 4002 } : {},
});

function sdp(...sections: readonly (readonly [head: string, ...lines: string[]])[]): Sdp {
  const text = ['v=0', 'o=- 1 1 IN IP4 192.0.2.9', 's=-', 'c=IN IP4 192.0.2.9', 't=0 0'];
  for (const [head, ...lines] of sections) text.push(`m=${head}`, ...lines);
  const read = parseSdp([...text, ''].join('\r\n'));
  if (typeof read === 'string') throw new Error(read);
  return read;
}
const audio = (profile: string, ...lines: string[]): [string, ...string[]] => [
  `audio 5000 ${profile} 0`,
  ...lines,
];

function answered(offer: Sdp, mine = local(), before?: CallPlan): { sdp: Sdp; plan: CallPlan; text: string } {
  const result = answerCall(offer, mine, before);
  if (result instanceof Refusal) throw result;
  return { ...result, text: writeSdp(result.sdp) };
}
const refused = (offer: Sdp, policy: SrtpPolicy): Refusal => {
  const result = answerCall(offer, local(policy));
  if (!(result instanceof Refusal)) throw new Error('it was taken');
  return result;
};

describe('SDES in an offer', () => {
  test.each(['RTP/SAVP', 'RTP/SAVPF', 'RTP/AVP', 'RTP/AVPF'])(
    '%s: answered with the tag and a key of ours',
    profile => {
      const { plan, text, sdp: ours } = answered(sdp(audio(profile, CRYPTO(3, 9))));
      const [line] = ours.sections[0]!.crypto!;
      expect(text).toContain(`m=audio 4000 ${profile} 0`);
      expect(text).toContain(`a=crypto:${line}`);
      expect(readCrypto(line!)).toMatchObject({ tag: 3, keys: { profile: 'AES_CM_128_HMAC_SHA1_80' } });
      const k = plan.audio.keying;
      if (k.type !== 'sdes') throw new Error(k.type);
      expect(Buffer.from(k.receive.masterKey)).toEqual(Buffer.alloc(16, 9));
      expect(readCrypto(line!)).toMatchObject({ keys: { masterKey: k.send.masterKey } });
      expect(text).not.toContain(KEY(9));
    },
  );

  test('the first line that is understood is taken, others are skipped', () => {
    const { plan, sdp: ours } = answered(
      sdp(
        audio(
          'RTP/SAVP',
          CRYPTO(1, 1, 'AES_192_CM_HMAC_SHA1_80'),
          `${CRYPTO(2, 2)} UNENCRYPTED_SRTP`,
          `${CRYPTO(3, 3)} KDR=0 WSH=64`,
          CRYPTO(4, 4, 'AES_CM_128_HMAC_SHA1_32'),
          CRYPTO(5, 5),
        ),
      ),
    );
    expect(plan.audio.keying).toMatchObject({ tag: 4, receive: { profile: 'AES_CM_128_HMAC_SHA1_32' } });
    expect(ours.sections[0]!.crypto).toHaveLength(1);
  });

  test.each([
    ['encrypted first', ['RTP/SAVP', 'RTP/AVP'], [4000, 0]],
    ['plain first', ['RTP/AVP', 'RTP/SAVP'], [0, 4000]],
    ['DTLS and plain', ['RTP/AVP', 'UDP/TLS/RTP/SAVPF'], [0, 4000]],
  ])(
    'one medium offered twice, %s: the encrypted one is taken, the other gets port 0',
    (_, profiles, ports) => {
      const lines = (p: string): string[] =>
        p.startsWith('UDP') ? DTLS : p === 'RTP/SAVP' ? [CRYPTO(1, 1)] : [];
      const offer = sdp(...profiles.map(p => audio(p, ...lines(p))));
      expect(answered(offer).sdp.sections.map(s => s.port)).toEqual(ports);
      const plain = answered(sdp(...profiles.map(p => audio(p, ...lines(p)))), local('off')).sdp.sections;
      expect(plain.map(s => s.port)).toEqual(profiles.map(p => (p === 'RTP/AVP' ? 4000 : 0)));
    },
  );

  test('pictures are taken in the same way, each with keys of its own', () => {
    const video = (profile: string, ...lines: string[]): [string, ...string[]] => [
      `video 5002 ${profile} 97`,
      'a=rtpmap:97 H264/90000',
      'a=fmtp:97 packetization-mode=1',
      ...lines,
    ];
    const offer = sdp(audio('RTP/SAVP', CRYPTO(1, 1)), video('RTP/AVP'), video('RTP/SAVP', CRYPTO(1, 2)));
    const { plan, sdp: ours } = answered(offer, local('optional', true));
    expect(ours.sections.map(s => s.port)).toEqual([4000, 0, 4002]);
    const [a, v] = [plan.audio.keying, plan.video.main!.keying];
    if (a.type !== 'sdes' || v.type !== 'sdes') throw new Error('plain');
    expect(a.send.masterKey).not.toEqual(v.send.masterKey);
    const required = answered(
      sdp(audio('RTP/SAVP', CRYPTO(1, 1)), video('RTP/AVP')),
      local('required', true),
    );
    expect(required.sdp.sections.map(s => s.port)).toEqual([4000, 0]);
  });

  test('a re-INVITE keeps our key while theirs stays, and brings a new one when theirs is new', () => {
    const first = answered(sdp(audio('RTP/SAVP', CRYPTO(1, 1))));
    const held = answered(sdp(audio('RTP/SAVP', CRYPTO(1, 1), 'a=sendonly')), local(), first.plan);
    expect(held.sdp.sections[0]!.crypto).toEqual(first.sdp.sections[0]!.crypto);
    expect(held.plan.audio.direction).toBe('recvonly');
    const renewed = answered(sdp(audio('RTP/SAVP', CRYPTO(1, 2))), local(), held.plan);
    expect(renewed.sdp.sections[0]!.crypto).not.toEqual(first.sdp.sections[0]!.crypto);
  });
});

describe('DTLS-SRTP in an offer', () => {
  test.each([
    ['actpass', 'active', 'client'],
    ['active', 'passive', 'server'],
    ['passive', 'active', 'client'],
  ])('setup %s is answered %s', (offered, said, role) => {
    const lines = [DTLS[0]!, `a=setup:${offered}`];
    const { plan, text } = answered(sdp(audio('UDP/TLS/RTP/SAVP', ...lines)));
    expect(plan.audio.keying).toMatchObject({
      type: 'dtls',
      role,
      fingerprints: [{ algorithm: 'sha-256', value: HASH }],
    });
    expect(text).toContain('m=audio 4000 UDP/TLS/RTP/SAVP 0');
    expect(text).toContain(`a=setup:${said}`);
    expect(text).toContain('a=fingerprint:sha-256 AA:BB');
    expect(text).not.toContain('tls-id');
  });

  test('a fingerprint for the whole session counts; weak hashes do not', () => {
    const head = sdp(audio('UDP/TLS/RTP/SAVP', 'a=setup:actpass'));
    expect(answerCall(head, local())).toBeInstanceOf(Refusal);
    const text = writeSdp(sdp(audio('UDP/TLS/RTP/SAVP'))).replace(
      't=0 0\r\n',
      `t=0 0\r\n${DTLS.join('\r\n')}\r\n`,
    );
    expect(answered(parseSdp(text) as Sdp).plan.audio.keying.type).toBe('dtls');
    const weak = sdp(
      audio('UDP/TLS/RTP/SAVP', `a=fingerprint:sha-1 ${HASH.slice(0, 59)}`, 'a=setup:actpass'),
    );
    expect(refused(weak, 'optional')).toMatchObject({ why: { reason: 'no-media-keys' } });
  });

  test('the association goes on through a re-INVITE in its roles; another certificate or tls-id begins a new one', () => {
    const tls = 'a=tls-id:abcdefghijklmnopqrst';
    const first = answered(sdp(audio('UDP/TLS/RTP/SAVP', DTLS[0]!, 'a=setup:active', tls)));
    expect(first.text).toMatch(/a=tls-id:[\w-]{24}\r\n/);
    const again = answered(sdp(audio('UDP/TLS/RTP/SAVP', ...DTLS, tls)), local(), first.plan);
    expect(again.plan.audio.keying).toBe(first.plan.audio.keying);
    expect(again.text).toContain('a=setup:passive');
    const other = answered(sdp(audio('UDP/TLS/RTP/SAVP', ...DTLS, `${tls}x`)), local(), first.plan);
    expect(other.plan.audio.keying).toMatchObject({
      type: 'dtls',
      role: 'server',
      peerId: 'abcdefghijklmnopqrstx',
    });
    expect(other.plan.audio.keying).not.toMatchObject({ id: (first.plan.audio.keying as { id: string }).id });
    const cert = DTLS[0]!.replace('10:11', '11:11');
    const moved = answered(sdp(audio('UDP/TLS/RTP/SAVP', cert, 'a=setup:actpass', tls)), local(), first.plan);
    expect(moved.plan.audio.keying).not.toBe(first.plan.audio.keying);
  });

  test('keys in the description go before a certificate where both are there in plain RTP', () => {
    expect(answered(sdp(audio('RTP/AVP', CRYPTO(1, 1), ...DTLS))).plan.audio.keying.type).toBe('sdes');
    expect(answered(sdp(audio('RTP/AVP', ...DTLS))).plan.audio.keying.type).toBe('dtls');
    expect(answered(sdp(audio('RTP/SAVP', ...DTLS))).plan.audio.keying.type).toBe('dtls');
    // A certificate alone says nothing of a handshake: some send it with everything.
    expect(answered(sdp(audio('RTP/AVP', DTLS[0]!))).plan.audio.keying.type).toBe('none');
  });
});

describe('refusals, in words', () => {
  test.each<[string, Sdp, SrtpPolicy, string, RegExp]>([
    [
      'plain where it must not be',
      sdp(audio('RTP/AVP')),
      'required',
      'srtp-required',
      /without encryption.*turn media encryption/,
    ],
    [
      'encrypted where it is off',
      sdp(audio('RTP/SAVP', CRYPTO(1, 1))),
      'off',
      'no-common-profile',
      /turned off \(sip.srtp\)/,
    ],
    [
      'no suite',
      sdp(audio('RTP/SAVP', CRYPTO(1, 1, 'F8_128_HMAC_SHA1_80'))),
      'optional',
      'no-common-suite',
      /F8_128_HMAC_SHA1_80 is not known.*takes AES_CM_128_HMAC_SHA1_80/,
    ],
    ['no keys', sdp(audio('RTP/SAVP')), 'optional', 'no-media-keys', /neither a=crypto keys nor/],
    ['no profile', sdp(audio('TCP/RTP/AVP')), 'optional', 'no-common-profile', /takes RTP\/AVP/],
  ])('%s', (_, offer, policy, reason, text) =>
    expect(refused(offer, policy).why).toMatchObject({
      blame: 'client',
      reason,
      text: expect.stringMatching(text),
    }),
  );

  test('keys are in no sentence', () => {
    const { why } = refused(
      sdp(audio('RTP/SAVP', CRYPTO(1, 1, 'X'), CRYPTO(2, 2, 'Y'), `${CRYPTO(3, 3)} KDR=1`)),
      'optional',
    );
    expect(why.text).not.toMatch(/AQEB|AgIC|AwMD/);
  });
});

describe('our own offers', () => {
  test.each<[SrtpPolicy, string]>([
    ['off', 'RTP/AVP'],
    ['optional', 'RTP/AVP'],
    ['preferred', 'RTP/SAVP'],
    ['required', 'RTP/SAVP'],
  ])('%s: %s', (policy, profile) => {
    const offer = offerCall(local(policy, true));
    expect(offer.sections.map(s => s.protocol)).toEqual([profile, profile]);
    const suites = offer.sections.map(s => (s.crypto ?? []).map(l => l.split(' ').slice(0, 2)));
    const all = profile === 'RTP/SAVP' ? SUITES.map((s, i) => [String(i + 1), s]) : [];
    expect(suites).toEqual([all, all]);
    expect(new Set(offer.sections.flatMap(s => s.crypto ?? [])).size).toBe(2 * all.length);
  });

  test('the answer chooses a line; our key of that tag is the one', () => {
    const mine = local('required');
    const offer = offerCall(mine);
    const suite = SUITES[3]!;
    const plan = acceptCall(sdp(audio('RTP/SAVP', CRYPTO(4, 8, suite))), offer, mine) as CallPlan;
    const ours = readCrypto(offer.sections[0]!.crypto![3]!);
    expect(plan.audio.keying).toMatchObject({ tag: 4, send: (ours as { keys: object }).keys });
    // From here on the line in use is offered, and no other.
    const again = offerCall(mine, offer, plan);
    expect(again.sections[0]!.crypto).toEqual([offer.sections[0]!.crypto![3]]);
    // Another answer (of another fork) may choose another.
    expect(acceptCall(sdp(audio('RTP/SAVP', CRYPTO(1, 8))), offer, mine)).toMatchObject({
      audio: { keying: { tag: 1 } },
    });
  });

  test.each([
    ['a tag that was not offered', ['RTP/SAVP', CRYPTO(9, 8)], /tag or a suite/],
    ['the suite of another tag', ['RTP/SAVP', CRYPTO(2, 8)], /tag or a suite/],
    ['two lines', ['RTP/SAVP', CRYPTO(1, 8), CRYPTO(4, 8)], /exactly one/],
    ['no line', ['RTP/SAVP'], /exactly one/],
    ['a broken line', ['RTP/SAVP', 'a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:AA'], /cannot be used/],
    ['plain RTP', ['RTP/AVP'], /RTP\/AVP where RTP\/SAVP was offered/],
    ['DTLS', ['UDP/TLS/RTP/SAVP', ...DTLS], /where RTP\/SAVP was offered/],
  ] as const)('an answer with %s is refused', (_, [profile, ...lines], why) => {
    const mine = local('preferred');
    expect(acceptCall(sdp(audio(profile, ...lines)), offerCall(mine), mine)).toMatchObject({
      why: { reason: 'bad-answer', text: expect.stringMatching(why) },
    });
  });

  test('keys nobody asked for are not taken', () => {
    const mine = local('optional');
    const plan = acceptCall(sdp(audio('RTP/AVP', CRYPTO(1, 1))), offerCall(mine), mine);
    expect(plan).toMatchObject({ audio: { keying: { type: 'none' } } });
  });

  test('in a call under DTLS we offer actpass, the same name, and take either role', () => {
    const mine = local();
    const first = answered(sdp(audio('UDP/TLS/RTP/SAVP', ...DTLS, 'a=tls-id:abcdefghijklmnopqrst')), mine);
    const offer = offerCall(mine, first.sdp, first.plan);
    const { id } = first.plan.audio.keying as { id: string };
    expect(offer.sections[0]).toMatchObject({ protocol: 'UDP/TLS/RTP/SAVP', setup: 'actpass', tlsId: id });
    const answer = (...lines: string[]) =>
      acceptCall(sdp(audio('UDP/TLS/RTP/SAVP', ...lines)), offer, mine, first.plan);
    expect(answer(DTLS[0]!, 'a=setup:passive', 'a=tls-id:abcdefghijklmnopqrst')).toMatchObject({
      audio: { keying: first.plan.audio.keying },
    });
    expect(answer(DTLS[0]!, 'a=setup:active')).toMatchObject({ audio: { keying: { role: 'server' } } });
    expect(answer(DTLS[0]!)).toMatchObject({ why: { text: expect.stringMatching(/setup/) } });
    expect(answer('a=setup:active')).toMatchObject({ why: { text: expect.stringMatching(/fingerprint/) } });
  });

  test('plain RTP in the answer of a call that was opportunistic: only where nothing else is required', () => {
    for (const [policy, there] of [
      ['optional', true],
      ['required', false],
    ] as const) {
      const mine = local(policy);
      const first = answered(sdp(audio('RTP/AVP', CRYPTO(1, 1))), mine);
      const offer = offerCall(mine, first.sdp, first.plan);
      const plan = acceptCall(sdp(audio('RTP/AVP')), offer, mine, first.plan);
      expect(plan instanceof Refusal).toBe(!there);
    }
  });
});
