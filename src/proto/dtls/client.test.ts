/** A server that is right in everything but one field: each test proves that precisely this one is looked at. */
import { randomBytes, sign } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { DtlsClient } from './client.ts';
import { clientHello } from './client-flight.ts';
import type { DtlsInput, DtlsOptions, DtlsOutput } from './end.ts';
import { verifyData } from './keys.ts';
import { fingerprintOf } from './proof.ts';
import { type ServerForgery, TestServer } from './server.testing.ts';
import { DtlsServer } from './server.ts';
import {
  ALERT,
  CONTENT,
  EXTENSION,
  extension,
  handshakeMessage,
  MESSAGE,
  numbers16,
  SIGNATURE,
  SUITES,
  uint,
  vector,
} from './wire.ts';
import { client as identity, stranger, client as them } from './world.testing.ts';

const junk: string[] = [];
const makeClient = (change: Partial<DtlsOptions> = {}): DtlsClient => {
  junk.length = 0;
  return new DtlsClient({
    identity,
    fingerprints: [fingerprintOf(them.certificate)],
    profiles: ['AES_CM_128_HMAC_SHA1_80', 'AEAD_AES_256_GCM'],
    random: randomBytes,
    junk: reason => void junk.push(reason),
    ...change,
  });
};
const shake = (forgery: ServerForgery = {}, change: Partial<DtlsOptions> = {}): TestServer =>
  new TestServer(makeClient(change), them, forgery).run();
const only = (
  type: number,
  change: (honest: Buffer, s: TestServer) => Buffer | undefined,
): ServerForgery => ({
  body: (t, honest, s) => (t === type ? change(honest, s) : honest),
});
const refused = (s: TestServer, alert: number, text: RegExp): void => {
  expect(s.connected).toBeUndefined();
  expect(s.closed).toMatchObject({ by: 'fault', text: expect.stringMatching(text) });
  expect(s.alerts).toEqual([alert]);
};

/** What a ServerHello is made of. */
const hello = (
  s: TestServer,
  o: { version?: number; suite?: number; compression?: number; more?: Buffer[] },
) =>
  Buffer.concat([
    uint(2, o.version ?? 0xfefd),
    s.random,
    vector(1),
    uint(2, o.suite ?? SUITES[0]!.id),
    uint(1, o.compression ?? 0),
    vector(2, ...(o.more ?? [useSrtp(1), ems])),
  ]);
const useSrtp = (...ids: number[]): Buffer => extension(EXTENSION.useSrtp, numbers16(...ids), vector(1));
const ems = extension(EXTENSION.extendedMasterSecret);

describe('an honest server', () => {
  test.each(['AES_CM_128_HMAC_SHA1_80', 'AEAD_AES_256_GCM'] as const)('agrees on keys for %s', profile => {
    const s = shake({}, { profiles: [profile] });
    expect(s.connected).toMatchObject({ client: s.keys!.client, server: s.keys!.server });
    expect(s.connected!.client.profile).toBe(profile);
    expect(junk).toEqual([]);
  });

  test('with AES-256 and SHA-384', () => {
    const s = shake({ suite: SUITES.find(x => x.id === 0xc02c)! });
    expect(s.connected).toMatchObject({ server: s.keys!.server });
  });

  test('that asks for a cookie gets it, with everything else as before; one that never ends is left', () => {
    const s = shake({ cookies: [Buffer.from('one'), randomBytes(255)] });
    expect(s.connected).toBeDefined();
    const [first, second] = s.hellos;
    expect(second).toEqual(
      clientHello(first!.subarray(2, 34), Buffer.from('one'), [
        'AES_CM_128_HMAC_SHA1_80',
        'AEAD_AES_256_GCM',
      ]),
    );
    const endless = shake({ cookies: Array.from({ length: 9 }, () => randomBytes(8)) });
    refused(endless, ALERT.unexpectedMessage, /message 3/);
  });

  test('that asks for no certificate gets none', () => {
    const s = shake(only(MESSAGE.certificateRequest, () => undefined));
    expect(s.connected).toMatchObject({ server: s.keys!.server });
  });
});

describe('every forged field is refused, and only it is wrong', () => {
  const said = (o: Parameters<typeof hello>[1]) => shake(only(MESSAGE.serverHello, (_, s) => hello(s, o)));

  test('ServerHello: version, suite, compression', () => {
    expect(said({}).connected).toBeDefined();
    refused(said({ version: 0xfeff }), ALERT.protocolVersion, /DTLS 1.2/);
    refused(said({ suite: 0xc009 }), ALERT.illegalParameter, /not offered/);
    refused(said({ compression: 1 }), ALERT.illegalParameter, /not offered/);
    refused(said({ suite: 0xc02f }), ALERT.illegalParameter, /does not fit/);
  });

  test('ServerHello: extensions', () => {
    refused(said({ more: [useSrtp(1)] }), ALERT.handshakeFailure, /extended_master_secret/);
    refused(said({ more: [ems] }), ALERT.handshakeFailure, /SRTP profiles/);
    for (const wrong of [useSrtp(), useSrtp(2), useSrtp(1, 8)])
      refused(said({ more: [wrong, ems] }), ALERT.illegalParameter, /use_srtp/);
    const mki = extension(EXTENSION.useSrtp, numbers16(1), vector(1, uint(1, 1)));
    refused(said({ more: [mki, ems] }), ALERT.illegalParameter, /use_srtp/);
    refused(said({ more: [useSrtp(1), ems, ems] }), ALERT.decodeError, /twice/);
    refused(said({ more: [useSrtp(1), ems, extension(35)] }), ALERT.unsupportedExtension, /extension 35/);
    const renegotiation = extension(EXTENSION.renegotiationInfo, vector(1, uint(1, 7)));
    refused(said({ more: [useSrtp(1), ems, renegotiation] }), ALERT.handshakeFailure, /continues/);
    const formats = extension(EXTENSION.pointFormats, vector(1, uint(1, 1)));
    refused(said({ more: [useSrtp(1), ems, formats] }), ALERT.illegalParameter, /ec_point_formats/);
  });

  test('Certificate: none, another, one that cannot be read', () => {
    const certificate = (change: () => Buffer, o: Partial<DtlsOptions> = {}) =>
      shake(only(MESSAGE.certificate, change), o);
    refused(
      certificate(() => vector(3)),
      ALERT.handshakeFailure,
      /no certificate/,
    );
    refused(
      certificate(() => vector(3, vector(3, stranger.certificate))),
      ALERT.badCertificate,
      /fingerprint/,
    );
    refused(
      certificate(() => vector(3, vector(3, Buffer.from('x'))), {
        fingerprints: [fingerprintOf(Buffer.from('x'))],
      }),
      ALERT.badCertificate,
      /cannot be read/,
    );
    refused(shake({}, { fingerprints: [] }), ALERT.badCertificate, /fingerprint/);
    refused(
      shake({}, { fingerprints: [fingerprintOf(stranger.certificate)] }),
      ALERT.badCertificate,
      /server is not/,
    );
  });

  test('ServerKeyExchange: signature by another, of other randoms, with an algorithm not offered; curve; point', () => {
    const exchange = (change: (b: Buffer, s: TestServer) => Buffer) =>
      shake(only(MESSAGE.serverKeyExchange, change));
    const signed = (
      b: Buffer,
      s: TestServer,
      o: { by?: typeof them; random?: Buffer; algorithm?: number },
    ) => {
      const parameters = b.subarray(0, 4 + b[3]!);
      const message = Buffer.concat([s.choice.clientRandom, o.random ?? s.random, parameters]);
      const signature = sign('sha256', message, (o.by ?? them).privateKey);
      return Buffer.concat([parameters, uint(2, o.algorithm ?? SIGNATURE.ecdsaSha256), vector(2, signature)]);
    };
    expect(exchange((b, s) => signed(b, s, {})).connected).toBeDefined();
    const proof = /could not prove/;
    refused(
      exchange((b, s) => signed(b, s, { by: stranger })),
      ALERT.decryptError,
      proof,
    );
    refused(
      exchange((b, s) => signed(b, s, { random: randomBytes(32) })),
      ALERT.decryptError,
      proof,
    );
    refused(
      exchange((b, s) => signed(b, s, { algorithm: 0x0203 })),
      ALERT.decryptError,
      proof,
    );
    refused(
      exchange((b, s) => signed(b, s, { algorithm: SIGNATURE.rsaPkcs1Sha256 })),
      ALERT.decryptError,
      proof,
    );
    const put = (at: number, byte: number) => (b: Buffer, s: TestServer) => {
      const changed = Buffer.from(b);
      changed[at] = byte;
      return signed(changed, s, {});
    };
    refused(exchange(put(0, 1)), ALERT.illegalParameter, /group/);
    refused(exchange(put(2, 24)), ALERT.illegalParameter, /group/);
    refused(exchange(put(4, 5)), ALERT.illegalParameter, /public key/);
    refused(
      exchange((b, s) => Buffer.concat([signed(b, s, {}), uint(1, 0)])),
      ALERT.decodeError,
      /left over/,
    );
  });

  test('CertificateRequest that takes no key of ours; ServerHelloDone with something in it', () => {
    const request = (types: number[], algorithms: number[]) =>
      shake(
        only(MESSAGE.certificateRequest, () =>
          Buffer.concat([vector(1, Buffer.from(types)), numbers16(...algorithms), vector(2)]),
        ),
      );
    refused(request([1], [SIGNATURE.ecdsaSha256]), ALERT.handshakeFailure, /ECDSA/);
    refused(request([64], [SIGNATURE.rsaPkcs1Sha256]), ALERT.handshakeFailure, /ECDSA/);
    refused(shake(only(MESSAGE.serverHelloDone, () => uint(1, 0))), ALERT.decodeError, /left over/);
  });

  test('Finished: of the other side, of another transcript, too short', () => {
    const finished = (change: (b: Buffer, s: TestServer) => Buffer) => shake(only(MESSAGE.finished, change));
    for (const s of [
      finished((_, s) => verifyData(s.choice.suite, s.master, 'client', s.digest())),
      finished((_, s) => verifyData(s.choice.suite, s.master, 'server', s.digest(1))),
      finished(b => b.subarray(0, 11)),
    ]) {
      expect(s.connected).toBeUndefined();
      expect(s.closed).toMatchObject({ by: 'fault', text: expect.stringMatching(/Finished of the server/) });
    }
  });

  test.each([MESSAGE.certificate, MESSAGE.serverKeyExchange, MESSAGE.serverHello, MESSAGE.serverHelloDone])(
    'message %s left out',
    type => {
      const s = shake(only(type, () => undefined));
      expect(s.connected).toBeUndefined();
    },
  );
});

describe('in time', () => {
  test('nothing is said before the start, which counts once', () => {
    const client = makeClient();
    client.handle({ type: 'datagram', bytes: randomBytes(50) }, 0);
    expect(client.poll()).toBeUndefined();
    expect([client.state, client.deadline]).toEqual(['start', Infinity]);
    client.handle({ type: 'start' }, 0);
    client.handle({ type: 'start' }, 0);
    expect(client.poll()?.type).toBe('send');
    expect(client.poll()).toBeUndefined();
  });

  test('each flight is sent again until it is answered; a repeated flight of the server asks for ours', () => {
    const [client, sent] = [makeClient(), [] as number[]];
    client.handle({ type: 'start' }, 0);
    while (client.deadline < Infinity) {
      sent.push(client.deadline);
      client.handle({ type: 'tick' }, client.deadline);
    }
    expect(sent.slice(0, 4)).toEqual([400, 1200, 2800, 6000]);
    expect(sent).toHaveLength(15);

    const lost = shake(only(MESSAGE.finished, () => undefined));
    expect(lost.client.state).toBe('finished');
    const before = lost.outputs.length;
    const again = handshakeMessage(MESSAGE.serverHello, 0, hello(lost, {}));
    lost.deliver(lost.record(again, 0), 50); // too soon
    lost.deliver(lost.record(again, 0), 150);
    lost.hear();
    expect(lost.outputs.length - before).toBe(1);
  });

  test('close_notify of the server ends it; clear alerts do not', () => {
    const s = shake();
    s.deliver(s.record(Buffer.from([2, 40]), 0, CONTENT.alert));
    expect(s.client.state).toBe('connected');
    s.deliver(s.record(Buffer.from([1, 0]), 1, CONTENT.alert));
    s.hear();
    expect(s.closed).toMatchObject({ by: 'close-notify' });
    const early = makeClient();
    early.handle({ type: 'start' }, 0);
    early.handle({ type: 'datagram', bytes: s.record(Buffer.from([2, 40]), 0, CONTENT.alert) }, 0);
    expect([early.state, early.ignoredAlert]).toEqual(['hello', 40]);
  });
});

test.each([0, 0.3, 0.6])('our two ends agree over a line that loses %f of all datagrams', loss => {
  const server = new DtlsServer({
    identity: them,
    fingerprints: [fingerprintOf(identity.certificate)],
    profiles: ['AEAD_AES_256_GCM'],
    random: randomBytes,
    junk: () => {},
  });
  const client = makeClient();
  const said: DtlsOutput[] = [];
  let dice = 7;
  const lost = (): boolean => {
    dice = (dice * 1103515245 + 12345) % 2 ** 31;
    return dice / 2 ** 31 < loss;
  };
  const carry = (
    from: typeof client | typeof server,
    to: typeof client | typeof server,
    now: number,
  ): void => {
    for (let out = from.poll(); out; out = from.poll()) {
      if (out.type === 'send' && !lost())
        to.handle({ type: 'datagram', bytes: out.bytes } satisfies DtlsInput, now);
      if (out.type !== 'send') said.push(out);
    }
  };
  client.handle({ type: 'start' }, 0);
  for (let now = 0; now < 60_000 && said.length < 2; now += 50) {
    for (const end of [client, server]) if (end.deadline <= now) end.handle({ type: 'tick' }, now);
    carry(client, server, now);
    carry(server, client, now);
  }
  expect(said.map(o => o.type)).toEqual(['connected', 'connected']);
  expect(said[0]).toEqual(said[1]);
});
