/** A phone that seals: the agent of `gateways/sip` under SDES and DTLS-SRTP, on real sockets and a clock of the test. */
import { randomBytes } from 'node:crypto';
import { afterEach, describe, expect, test } from 'vitest';
import { Refusal } from '../../src/kit/refusal.ts';
import { DtlsClient } from '../../src/proto/dtls/client.ts';
import { makeIdentity } from '../../src/proto/dtls/identity.ts';
import { DtlsServer } from '../../src/proto/dtls/server.ts';
import { readRtcp, writeRtcp } from '../../src/proto/rtp/rtcp.ts';
import { RtpView, writeRtpHeader } from '../../src/proto/rtp/rtp.ts';
import type { SrtpKeys } from '../../src/proto/rtp/srtp/profile.ts';
import { SrtpReceiver } from '../../src/proto/rtp/srtp/receiver.ts';
import { SrtpSender } from '../../src/proto/rtp/srtp/sender.ts';
import { type CryptoLine, freshKeys, readCrypto, SUITES, writeCrypto } from '../../src/proto/sdp/sdes.ts';
import type { Sdp } from '../../src/proto/sdp/sdp.ts';
import {
  answered,
  descriptionOf,
  endAll,
  onEnd,
  PlainPhone,
  port,
  request,
  setUp,
  until,
} from '../../test/harness/sip-agent.ts';
import type { SipConfig } from './config.ts';
import type { SrtpPolicy } from './native.ts';

afterEach(endAll);

const identity = makeIdentity(randomBytes(8), Date.now());

/** What one of its sockets seals, opens and shakes. */
class Port {
  sender: SrtpSender | undefined;
  receiver: SrtpReceiver | undefined;
  dtls: DtlsClient | DtlsServer | undefined;
}

class SecurePhone extends PlainPhone {
  readonly on = { rtp: new Port(), rtcp: new Port() };
  readonly said: { text: string; ssrc: number; seq: number }[] = [];
  readonly reported: ReturnType<typeof readRtcp>[] = [];
  /** What came and could not be opened, or was not sealed. */
  readonly junk: string[] = [];
  dtlsPorts: 'one' | 'two' = 'one';

  override async open(): Promise<this> {
    await super.open();
    for (const name of ['rtp', 'rtcp'] as const) {
      this[name].removeAllListeners('message');
      this[name].on('message', (b, from) => this.#heard(name, b, from.port));
    }
    return this;
  }

  keys(send: SrtpKeys, receive: SrtpKeys): void {
    for (const p of [this.on.rtp, this.on.rtcp]) {
      p.sender = new SrtpSender(send);
      p.receiver = new SrtpReceiver(receive);
    }
  }

  offer(profile: string, ...lines: string[]): { sdp: string } {
    const { sdp } = this.sdp(lines);
    return { sdp: sdp.replace('RTP/AVP', profile) };
  }

  seal(to: number, text: string, seq: number, sender = this.on.rtp.sender!): void {
    const out = Buffer.alloc(1500);
    writeRtpHeader(out, 0, false, seq & 0xffff, seq * 160, this.ssrc);
    this.rtp.send(out.subarray(0, sender.seal(out, 12, Buffer.from(text))), to, '127.0.0.1');
  }

  report(to: number, port: Port = this.on.rtcp): void {
    const rr = writeRtcp([
      { type: 'rr', ssrc: this.ssrc, reports: [] },
      { type: 'sdes', chunks: [{ ssrc: this.ssrc, cname: 'x' }] },
    ]);
    this.rtcp.send(port.sender!.sealRtcp(rr), to, '127.0.0.1');
  }

  /** Shakes hands on its RTP port, and on the one beside it where RTCP has that. */
  shake(role: 'client' | 'server', local: Sdp, now: () => number): void {
    const fingerprints = local.sections[0]!.fingerprints!;
    const options = { identity, fingerprints, profiles: SUITES, random: randomBytes, junk: () => {} };
    for (const name of this.dtlsPorts === 'two' ? (['rtp', 'rtcp'] as const) : (['rtp'] as const)) {
      const dtls = role === 'client' ? new DtlsClient(options) : new DtlsServer(options);
      this.on[name].dtls = dtls;
      dtls.handle({ type: 'start' }, now());
      this.#drain(name, port(local) + (name === 'rtcp' ? 1 : 0));
    }
  }

  #heard(name: 'rtp' | 'rtcp', b: Buffer, from: number): void {
    const p = this.on[name];
    if (b[0]! >= 20 && b[0]! < 64) {
      p.dtls?.handle({ type: 'datagram', bytes: b }, 0);
      return this.#drain(name, from);
    }
    const { receiver } = p;
    if (receiver === undefined) return void this.junk.push('no-keys');
    if (b[1]! >= 192 && b[1]! < 224) {
      const plain = receiver.openRtcp(b);
      if (typeof plain === 'string') this.junk.push(plain);
      else this.reported.push(readRtcp(plain));
      return;
    }
    const plain = receiver.open(b);
    if (typeof plain === 'string') return void this.junk.push(plain);
    const v = new RtpView();
    v.read(plain);
    this.said.push({ text: Buffer.from(v.payload()).toString(), ssrc: v.ssrc, seq: v.seq });
  }

  #drain(name: 'rtp' | 'rtcp', to: number): void {
    const p = this.on[name];
    for (let out = p.dtls?.poll(); out; out = p.dtls?.poll()) {
      if (out.type === 'send') this[name].send(out.bytes, to, '127.0.0.1');
      if (out.type !== 'connected') continue;
      const us = p.dtls instanceof DtlsClient ? 'client' : 'server';
      p.sender = new SrtpSender(out[us]);
      p.receiver = new SrtpReceiver(out[us === 'client' ? 'server' : 'client']);
      if (this.dtlsPorts === 'one') Object.assign(this.on.rtcp, { sender: p.sender, receiver: p.receiver });
    }
  }
}

async function ring(o: {
  lines?: (phone: SecurePhone) => { sdp: string };
  srtp?: SrtpPolicy;
  config?: Partial<SipConfig>;
}) {
  const s = await setUp(o.config);
  const phone = await new SecurePhone().open();
  onEnd(() => phone.close());
  const native = { ...o.lines?.(phone), ...(o.srtp && { srtp: o.srtp }) };
  const begin = o.lines ? ({ type: 'offer', native } as const) : ({ type: 'make-offer', native } as const);
  const leg = await s.agent.take(request(begin), s.seat, s.events.emit);
  const local = descriptionOf(s.events, 0);
  let n = 0;
  const play = (text: string): void =>
    s.seat.subscriptions[0]!.sink(
      { seq: n, pts: n++ * 160, marker: false, payload: Buffer.from(text) },
      s.clock.now(),
    );
  const heard = (): string[] => s.seat.publications[0]!.heard.map(p => Buffer.from(p.payload).toString());
  return { ...s, phone, leg, local, play, heard };
}

const line = (sdp: Sdp): CryptoLine => {
  const read = readCrypto(sdp.sections.find(s => s.port !== 0)!.crypto![0]!);
  if (typeof read === 'string') throw new Error(read);
  return read;
};
const offerOf =
  (keys: SrtpKeys, profile = 'RTP/SAVP', ...more: string[]) =>
  (phone: SecurePhone) =>
    phone.offer(profile, `a=crypto:1 ${writeCrypto({ tag: 1, keys }).slice(2)}`, ...more);

/** A call under SDES that is up. */
async function sdes(
  profile: (typeof SUITES)[number] = 'AES_CM_128_HMAC_SHA1_80',
  rtp = 'RTP/SAVP',
  ...more: string[]
) {
  const keys = freshKeys(profile, randomBytes);
  const c = await ring({ lines: offerOf(keys, rtp, ...more) });
  c.phone.keys(keys, line(c.local).keys);
  return { ...c, keys };
}

describe('SDES', () => {
  test.each(SUITES)('%s: sound and reports, sealed both ways', async profile => {
    const { phone, local, play, heard, leg, clock, host } = await sdes(profile);
    expect(local.sections[0]).toMatchObject({ protocol: 'RTP/SAVP' });
    phone.seal(port(local), 'one', 1);
    phone.seal(port(local), 'two', 2);
    await until(() => heard().length === 2);
    expect(heard()).toEqual(['one', 'two']);
    play('room 1');
    play('room 2');
    await until(() => phone.said.length === 2);
    expect(phone.said.map(s => s.text)).toEqual(['room 1', 'room 2']);
    phone.report(port(local) + 1);
    clock.advance(9000);
    await until(() => phone.reported.length > 0);
    expect(phone.reported[0]).toMatchObject([{ type: 'sr' }, { type: 'sdes' }]);
    expect(phone.junk).toEqual([]);
    expect(leg.stats()).toMatchObject([{ security: 'sdes' }, { security: 'sdes' }]);
    expect(host.counts).toEqual([]);
    leg.handle({ type: 'close', why: { blame: 'none', reason: 'hung-up' } });
    await until(() => JSON.stringify(phone.reported.at(-1)).includes('bye'));
  });

  test('with RTCP on the RTP port, in RTP/AVP that carries keys (RFC 8643)', async () => {
    const { phone, local, play, clock } = await sdes('AEAD_AES_256_GCM', 'RTP/AVP', 'a=rtcp-mux');
    expect(local.sections[0]).toMatchObject({ protocol: 'RTP/AVP', rtcpMux: true });
    phone.seal(port(local), 'one', 1);
    play('room');
    clock.advance(9000);
    await until(() => phone.reported.length > 0 && phone.said.length > 0);
  });

  test('clear, forged and replayed packets are counted and heard by nobody', async () => {
    const { phone, local, heard, host } = await sdes();
    phone.seal(port(local), 'good', 1);
    await until(() => heard().length === 1);
    phone.say(port(local), Buffer.from('clear enough to be read'));
    phone.seal(port(local), 'forged', 2, new SrtpSender(freshKeys('AES_CM_128_HMAC_SHA1_80', randomBytes)));
    phone.seal(port(local), 'good', 1);
    await until(() => host.counts.length === 3);
    expect(host.counts.map(c => c.replace(/^rtp_dropped /, ''))).toEqual([
      expect.stringContaining('srtp-forged'),
      expect.stringContaining('srtp-forged'),
      expect.stringContaining('srtp-replayed'),
    ]);
    expect(heard()).toEqual(['good']);
  });

  test("a packet with the right keys is the peer's, wherever it comes from; a stranger cannot take the stream", async () => {
    const { phone, local, play } = await sdes();
    const stranger = await new PlainPhone().open();
    stranger.say(port(local), Buffer.from('x'.repeat(40)));
    phone.seal(port(local), 'one', 1);
    play('room');
    await until(() => phone.said.length === 1);
    stranger.close();
  });

  test('holds keep keys and counters, over the end of the sequence numbers', async () => {
    const { phone, local, heard, play, leg, events, keys } = await sdes();
    for (let seq = 65_530; seq < 65_540; seq++) phone.seal(port(local), `${seq}`, seq);
    await until(() => heard().length === 10);
    play('before');
    await until(() => phone.said.length === 1);
    leg.handle({ type: 'offer', id: 1, native: offerOf(keys, 'RTP/SAVP', 'a=sendonly')(phone) });
    await answered(events, 1);
    expect(descriptionOf(events, 1).sections[0]!.crypto).toEqual(local.sections[0]!.crypto);
    leg.handle({ type: 'offer', id: 2, native: offerOf(keys)(phone) });
    await answered(events, 2);
    expect(descriptionOf(events, 2).sections[0]!.crypto).toEqual(local.sections[0]!.crypto);
    phone.seal(port(local), 'after', 65_541);
    await until(() => heard().length === 11);
    play('after');
    await until(() => phone.said.length === 2);
    expect(phone.said[1]!.ssrc).toBe(phone.said[0]!.ssrc);
    expect(phone.junk).toEqual([]);
  });

  test.each([
    ['go on', true],
    ['begin anew', false],
  ])('new keys in a re-INVITE: the old ones are heard for a moment; counters may %s', async (_, kept) => {
    const { phone, local, heard, play, leg, events, clock, host } = await sdes();
    const old = phone.on.rtp.sender!;
    for (let seq = 65_530; seq < 65_545; seq++) phone.seal(port(local), `${seq}`, seq);
    await until(() => heard().length === 15);
    const fresh = freshKeys('AEAD_AES_128_GCM', randomBytes);
    leg.handle({ type: 'offer', id: 1, native: offerOf(fresh)(phone) });
    await answered(events, 1);
    phone.seal(port(local), 'under way', 65_545, old);
    await until(() => heard().length === 16);
    play('still the old key'); // the phone may not have our answer yet
    await until(() => phone.said.length === 1);

    const sender = new SrtpSender(fresh);
    // A sender that keeps its counter has rolled over before.
    if (kept) for (const seq of [65_000, 65_530, 65_537]) sender.seal(pre(seq, phone.ssrc), 12, Buffer.of(1));
    phone.on.rtp.receiver = new SrtpReceiver(line(descriptionOf(events, 1)).keys);
    phone.seal(port(local), 'new', 65_546, sender);
    await until(() => heard().length === 17);
    play('new key');
    await until(() => phone.said.length === 2);
    expect(phone.said.map(s => s.text)).toEqual(['still the old key', 'new key']);
    expect(host.counts).toEqual([]);
    clock.advance(6000);
    phone.seal(port(local), 'too late', 65_547, old);
    await until(() => host.counts.length > 0);
    expect(heard()).toHaveLength(17);
  });

  test('our counter above 0 and a new key of ours: another SSRC, which everybody reads alike', async () => {
    const { phone, local, play, leg, events, clock } = await sdes();
    const wrap = 66_000;
    for (let n = 0; n < wrap; n++) play('.');
    await until(() => phone.said.length > 0);
    const before = phone.said[0]!.ssrc;
    leg.handle({
      type: 'offer',
      id: 1,
      native: offerOf(freshKeys('AES_CM_128_HMAC_SHA1_80', randomBytes))(phone),
    });
    await answered(events, 1);
    clock.advance(600); // it says nothing, so the switch is by time
    phone.on.rtp.receiver = new SrtpReceiver(line(descriptionOf(events, 1)).keys);
    phone.said.length = 0;
    await until(() => {
      play('new');
      return phone.said.some(s => s.text === 'new');
    });
    expect(phone.said.at(-1)!.ssrc).not.toBe(before);
    expect(local.sections).toHaveLength(1);
  });

  test('an offer of new keys that is withdrawn: the old ones go on, and their counters do not begin again', async () => {
    const { phone, local, heard, play, leg, events } = await sdes();
    play('one');
    leg.handle({ type: 'offer', id: 1, native: offerOf(freshKeys(SUITES[0]!, randomBytes))(phone) });
    await answered(events, 1);
    leg.handle({ type: 'rollback', id: 1 });
    phone.seal(port(local), 'after', 9);
    await until(() => heard().length === 1);
    play('two');
    await until(() => phone.said.length === 2);
    expect(phone.said.map(s => s.text)).toEqual(['one', 'two']);
    expect(phone.junk).toEqual([]);
  });

  test('an offer of ours over hidden signalling: four suites, the answer takes one', async () => {
    const { phone, local, leg, heard, play, seat } = await ring({ srtp: 'preferred' });
    expect(local.sections[0]!.protocol).toBe('RTP/SAVP');
    expect(local.sections[0]!.crypto).toHaveLength(4);
    const ours = local.sections[0]!.crypto!.map(readCrypto)[1] as CryptoLine;
    const keys = freshKeys(ours.keys.profile, randomBytes);
    phone.keys(keys, ours.keys);
    const native = phone.offer('RTP/SAVP', `a=crypto:${writeCrypto({ tag: 2, keys })}`);
    leg.handle({ type: 'answer', id: 0, native });
    await until(() => seat.subscriptions.length > 0);
    phone.seal(port(local), 'hello', 1);
    await until(() => heard().length === 1);
    play('room');
    await until(() => phone.said.length === 1);
  });

  test.each<[SrtpPolicy | undefined, Partial<SipConfig>, string]>([
    ['required', {}, 'srtp-required'],
    [undefined, { srtp: 'required' }, 'srtp-required'],
  ])('plain RTP where %s %j: refused in words', async (srtp, config, reason) => {
    const ringing = ring({ lines: phone => phone.sdp(), ...(srtp && { srtp }), config });
    await expect(ringing).rejects.toMatchObject({
      why: { reason, text: expect.stringMatching(/encryption/) },
    });
    await expect(ringing).rejects.toBeInstanceOf(Refusal);
  });
});

const pre = (seq: number, ssrc: number): Buffer => {
  const b = Buffer.alloc(100);
  writeRtpHeader(b, 0, false, seq & 0xffff, 0, ssrc);
  return b;
};

describe('DTLS-SRTP', () => {
  const lines = (setup: string, fingerprint = identity.fingerprint.value) => [
    `a=fingerprint:sha-256 ${fingerprint}`,
    `a=setup:${setup}`,
  ];

  test.each([
    ['actpass', 'server', 'one'],
    ['active', 'client', 'one'],
    ['passive', 'server', 'two'],
    ['active', 'client', 'two'],
  ] as const)('setup %s, the phone as %s, on %s port(s): sound and reports', async (setup, role, ports) => {
    const { phone, local, clock, play, heard, leg, host } = await ring({
      lines: phone => {
        phone.dtlsPorts = ports;
        return phone.offer('UDP/TLS/RTP/SAVP', ...lines(setup), ...(ports === 'one' ? ['a=rtcp-mux'] : []));
      },
    });
    expect(local.sections[0]).toMatchObject({ setup: role === 'client' ? 'passive' : 'active' });
    play('before there are keys');
    phone.shake(role, local, () => 0);
    clock.advance(400); // our hello was out before the phone listened
    await until(() => phone.on.rtp.sender !== undefined && phone.on.rtcp.sender !== undefined);
    let seq = 0;
    await until(() => {
      phone.seal(port(local), 'one', ++seq);
      return heard().length > 0;
    });
    play('room');
    await until(() => phone.said.length === 1);
    expect(phone.said[0]!.text).toBe('room');
    phone.report(port(local) + (ports === 'two' ? 1 : 0));
    clock.advance(9000);
    await until(() => phone.reported.length > 0);
    expect(leg.stats()).toMatchObject([{ security: 'dtls' }, { security: 'dtls' }]);
    expect(host.counts.filter(c => !/no-keys/.test(c))).toEqual([]);
  });

  test('a re-INVITE with the same certificate goes on without a handshake', async () => {
    const offer = (phone: SecurePhone, ...more: string[]) =>
      phone.offer('UDP/TLS/RTP/SAVP', ...lines('actpass'), 'a=rtcp-mux', ...more);
    const { phone, local, clock, heard, leg, events } = await ring({ lines: phone => offer(phone) });
    phone.shake('server', local, () => 0);
    clock.advance(400);
    await until(() => phone.on.rtp.sender !== undefined);
    const { sender } = phone.on.rtp;
    leg.handle({ type: 'offer', id: 1, native: offer(phone, 'a=sendonly') });
    await answered(events, 1);
    expect(descriptionOf(events, 1).sections[0]).toMatchObject({ setup: 'active' });
    leg.handle({ type: 'offer', id: 2, native: offer(phone) });
    await answered(events, 2);
    let seq = 0;
    await until(() => {
      phone.seal(port(local), 'still', ++seq);
      return heard().length > 0;
    });
    expect(phone.on.rtp.sender).toBe(sender);
  });

  test('another certificate than the one announced ends the call in words', async () => {
    const other = makeIdentity(randomBytes(8), Date.now()).fingerprint.value;
    const { phone, local, clock, events } = await ring({
      lines: phone => phone.offer('UDP/TLS/RTP/SAVP', ...lines('active', other), 'a=rtcp-mux'),
    });
    phone.shake('client', local, () => clock.now());
    await until(() => events.all.some(e => e.type === 'closed'));
    expect(events.all.at(-1)).toMatchObject({
      type: 'closed',
      why: {
        blame: 'client',
        reason: 'dtls-failed',
        text: expect.stringMatching(/fingerprint its SDP announced/),
      },
    });
  });

  test('a handshake that never ends ends the call after 15 s in words', async () => {
    const { clock, events } = await ring({
      lines: phone => phone.offer('UDP/TLS/RTP/SAVP', ...lines('actpass'), 'a=rtcp-mux'),
    });
    clock.advance(14_900);
    expect(events.all.some(e => e.type === 'closed')).toBe(false);
    clock.advance(200);
    expect(events.all.at(-1)).toMatchObject({
      type: 'closed',
      why: { reason: 'dtls-failed', text: expect.stringMatching(/within 15 s/) },
    });
  });
});
