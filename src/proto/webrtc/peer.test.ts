import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { sha256Fingerprint, TestClient } from '../dtls/client.testing.ts';
import type { DtlsServer } from '../dtls/server.ts';
import { selfSignedCertificate } from '../x509/self-signed.ts';
import { type PeerOutput, WebRtcPeer } from './peer.ts';
import { makeCheck } from './stun.testing.ts';
import { readStun, type StunMessage } from './stun.ts';

const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const certificate = selfSignedCertificate({
  commonName: 'x',
  dnsNames: [],
  ipAddresses: [],
  from: new Date(0),
  days: 9,
  serial: Buffer.from([1]),
  ...keys,
}).der;
const identity = { certificate, privateKey: keys.privateKey };
const ice = { ufrag: 'ours', pwd: 'the password of ours' };
const near = { address: '192.0.2.1', port: 1 };
const far = { address: '192.0.2.2', port: 2 };

function world() {
  const junk: string[] = [];
  const peer = new WebRtcPeer({
    ice,
    identity,
    fingerprints: [{ algorithm: 'sha-256', value: sha256Fingerprint(certificate) }],
    profiles: ['AEAD_AES_128_GCM'],
    random: randomBytes,
    junk: reason => void junk.push(reason),
    listening: 'UDP port 8189',
    now: 0,
  });
  peer.handle({ type: 'answered' }, 0);
  const drain = (): PeerOutput[] => {
    const outputs: PeerOutput[] = [];
    for (let out = peer.poll(); out; out = peer.poll()) outputs.push(out);
    return outputs;
  };
  const check = (from: typeof near, now: number, useCandidate = false): PeerOutput[] => {
    const bytes = makeCheck({ username: 'ours:theirs', password: ice.pwd, useCandidate });
    peer.handle({ type: 'stun', message: readStun(bytes) as StunMessage, from }, now);
    return drain();
  };
  /** The DTLS client talks to the peer as if it were a DTLS server. */
  const shake = (from: typeof near): PeerOutput[] => {
    const seen: PeerOutput[] = [];
    const waiting: PeerOutput[] = [];
    const through = {
      state: 'hello',
      handle: (input: { type: string; bytes?: Buffer }, now: number) => {
        if (input.bytes) peer.handle({ type: 'dtls', bytes: input.bytes, from }, now);
        const out = drain();
        seen.push(...out);
        waiting.push(...out);
      },
      poll: () => waiting.shift(),
    };
    new TestClient(through as unknown as DtlsServer, identity).run();
    return seen;
  };
  return { peer, junk, drain, check, shake };
}

const tick = (w: ReturnType<typeof world>, now: number): PeerOutput[] => {
  w.peer.handle({ type: 'tick' }, now);
  return w.drain();
};

test('check, DTLS, keys; answers go to the nominated pair', () => {
  const w = world();
  expect(w.check(near, 1)).toMatchObject([
    { type: 'path', from: near },
    { type: 'send', to: near },
  ]);
  expect(w.peer.target).toBeUndefined();
  w.check(far, 2, true);
  const outputs = w.shake(near);
  expect(outputs.filter(o => o.type === 'send').every(o => o.to.port === far.port)).toBe(true);
  const connected = outputs.find(o => o.type === 'connected')!;
  expect(connected.receive.masterKey).not.toEqual(connected.send.masterKey);
});

test('before nomination DTLS is answered where it came from', () => {
  const w = world();
  w.check(near, 1);
  w.check(far, 1);
  expect(
    w
      .shake(far)
      .filter(o => o.type === 'send')
      .every(o => o.to.port === far.port),
  ).toBe(true);
  expect(w.peer.target).toEqual(far);
});

test('a peer that does not come is told why, by how far it came', () => {
  const silent = world();
  expect(silent.peer.deadline).toBe(15_000);
  expect(tick(silent, 15_000)).toMatchObject([
    {
      type: 'closed',
      why: {
        blame: 'client',
        reason: 'no-media',
        text: expect.stringMatching(/No connectivity check reached UDP port 8189 .*firewall/),
      },
    },
  ]);
  const checked = world();
  checked.check(near, 1);
  expect(tick(checked, 15_000)).toMatchObject([{ why: { text: expect.stringMatching(/no DTLS followed/) } }]);
  const begun = world();
  begun.check(near, 1);
  begun.peer.handle(
    { type: 'dtls', bytes: Buffer.from('15fefd00000000000000000002022a', 'hex'), from: near },
    2,
  );
  expect(tick(begun, 15_000)).toMatchObject([
    { why: { text: expect.stringMatching(/hello step.*alert 42/) } },
  ]);
});

test('consent: 30 s after the last valid check it is over', () => {
  const w = world();
  w.check(near, 1, true);
  w.shake(near);
  w.check(near, 20_000);
  expect(w.peer.deadline).toBe(31_000);
  expect(tick(w, 30_999)).toEqual([]);
  expect(tick(w, 31_000)).toEqual([{ type: 'absent', on: true }]);
  expect(w.peer.deadline).toBe(50_000);
  expect(tick(w, 49_999)).toEqual([]);
  expect(tick(w, 50_000)).toMatchObject([
    { type: 'closed', why: { blame: 'client', reason: 'connection-lost' } },
  ]);
  expect(w.check(near, 50_001)).toEqual([]); // closed is closed
});

test('a peer that is heard again is back, from wherever it is now', () => {
  const w = world();
  w.check(near, 1, true);
  w.shake(near);
  expect(tick(w, 11_001)).toEqual([{ type: 'absent', on: true }]);
  expect(w.check(far, 12_000)).toContainEqual({ type: 'absent', on: false });
  expect(w.check(near, 12_001)).not.toContainEqual({ type: 'absent', on: false });
});

test('forged checks are junk and keep nothing alive', () => {
  const w = world();
  const bytes = makeCheck({ username: 'ours:theirs', password: 'wrong' });
  w.peer.handle({ type: 'stun', message: readStun(bytes) as StunMessage, from: near }, 1);
  expect(w.drain()).toEqual([]);
  expect(w.junk).toEqual(['stun-forged']);
});

test('close says close_notify and nothing more', () => {
  const w = world();
  w.check(near, 1, true);
  w.shake(near);
  w.peer.handle({ type: 'close' }, 2);
  expect(w.drain().map(o => o.type)).toEqual(['send']);
  expect(w.peer.deadline).toBe(Infinity);
});
