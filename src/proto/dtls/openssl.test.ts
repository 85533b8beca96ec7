/** openssl, a DTLS stack that shares no code with ours, shakes hands with both cores over a real socket. */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { generateKeyPairSync, randomBytes, X509Certificate } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../io/clock.ts';
import { drive } from '../../io/drive.ts';
import { selfSignedCertificate } from '../x509/self-signed.ts';
import { sha256Fingerprint } from './client.testing.ts';
import { DtlsClient } from './client.ts';
import type { DtlsInput, DtlsOutput } from './end.ts';
import { DtlsServer } from './server.ts';

const found = spawnSync('openssl', ['version']).status === 0;
const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const certificate = selfSignedCertificate({
  commonName: 'WebRTC',
  dnsNames: [],
  ipAddresses: [],
  from: new Date(0),
  days: 36_500,
  serial: Buffer.from([1]),
  ...keys,
}).der;
let folder: string;

beforeAll(() => {
  if (!found) return;
  folder = mkdtempSync(join(tmpdir(), 'dtls-'));
  for (const [name, ...key] of [
    ['ec', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'],
    ['rsa', 'rsa:2048'],
  ]) {
    const out = ['-keyout', join(folder, `${name}.key`), '-out', join(folder, `${name}.pem`)];
    execFileSync(
      'openssl',
      ['req', '-x509', '-nodes', '-subj', '/CN=x', '-days', '9', '-newkey', ...key, ...out],
      {
        stdio: 'ignore',
      },
    );
  }
});
afterAll(() => found && rmSync(folder, { recursive: true }));

/** Runs s_client until the server core has closed or said so; returns what both said. */
async function shake(
  args: readonly string[],
  announced: string,
): Promise<{ outputs: DtlsOutput[]; text: string }> {
  const pem = readFileSync(join(folder, `${announced}.pem`));
  const server = new DtlsServer({
    identity: { certificate, privateKey: keys.privateKey },
    fingerprints: [{ algorithm: 'sha-256', value: sha256Fingerprint(new X509Certificate(pem).raw) }],
    profiles: ['AES_CM_128_HMAC_SHA1_80', 'AEAD_AES_128_GCM'],
    random: randomBytes,
    junk: () => {},
  });
  const outputs: DtlsOutput[] = [];
  const socket = createSocket('udp4');
  await new Promise<void>(done => socket.bind(0, '127.0.0.1', done));
  const connect = ['-dtls1_2', '-connect', `127.0.0.1:${socket.address().port}`];
  const exporter = ['-keymatexport', 'EXTRACTOR-dtls_srtp', '-keymatexportlen', '60'];
  const client = spawn('openssl', ['s_client', ...connect, ...exporter, ...args]);
  let text = '';
  for (const stream of [client.stdout, client.stderr]) stream.on('data', (part: Buffer) => (text += part));
  const exited = new Promise(done => client.once('exit', done));
  await new Promise<void>(done => {
    let port = 0;
    const driven = drive<DtlsInput, DtlsOutput>(server, systemClock, out => {
      outputs.push(out);
      if (out.type === 'send') socket.send(out.bytes, port, '127.0.0.1');
      if (out.type === 'connected') client.stdin.end('Q\n'); // s_client quits with close_notify
      if (out.type === 'closed') setImmediate(done);
    });
    socket.on('message', (bytes, from) => {
      port = from.port;
      driven.feed({ type: 'datagram', bytes });
    });
  });
  client.kill();
  await exited;
  socket.close();
  return { outputs, text };
}

const certificateOf = (name: string): string[] => [
  '-cert',
  join(folder, `${name}.pem`),
  '-key',
  join(folder, `${name}.key`),
];

describe.skipIf(!found)('openssl s_client', () => {
  test.each([
    ['ec', 'SRTP_AES128_CM_SHA1_80', 'AES_CM_128_HMAC_SHA1_80'],
    ['rsa', 'SRTP_AEAD_AES_128_GCM', 'AEAD_AES_128_GCM'],
  ])('with %s certificate, %s, agrees on the same keys', async (name, srtp, profile) => {
    const { outputs, text } = await shake([...certificateOf(name), '-use_srtp', srtp], name);
    const connected = outputs.find(o => o.type === 'connected')!;
    expect(connected.client.profile).toBe(profile);
    const material = /Keying material: ([0-9A-F]+)/.exec(text)![1]!;
    const ours = [
      connected.client.masterKey,
      connected.server.masterKey,
      connected.client.masterSalt,
      connected.server.masterSalt,
    ];
    expect(material.toLowerCase()).toContain(Buffer.concat(ours).toString('hex'));
    expect(text).toContain('SRTP Extension negotiated, profile=');
    expect(text).toMatch(/Extended master secret: yes/);
    expect(outputs.at(-1)).toMatchObject({ type: 'closed', by: 'close-notify' });
  });

  test.each([
    ['without a certificate', [], /no certificate/],
    ['with the certificate of another', ['rsa'], /fingerprint/],
  ])('%s is refused', async (_, names, why) => {
    const certificates = names.flatMap(certificateOf);
    const { outputs } = await shake([...certificates, '-use_srtp', 'SRTP_AES128_CM_SHA1_80'], 'ec');
    expect(outputs.some(o => o.type === 'connected')).toBe(false);
    expect(outputs.at(-1)).toMatchObject({ by: 'fault', text: expect.stringMatching(why) });
  });

  test('without use_srtp, or with weaker suites only, is refused', async () => {
    const plain = await shake(certificateOf('ec'), 'ec');
    expect(plain.outputs.at(-1)).toMatchObject({ by: 'fault', text: expect.stringMatching(/use_srtp/) });
    const weak = await shake(
      [...certificateOf('ec'), '-use_srtp', 'SRTP_AES128_CM_SHA1_80', '-cipher', 'ECDHE-ECDSA-AES128-SHA'],
      'ec',
    );
    expect(weak.outputs.at(-1)).toMatchObject({ by: 'fault', text: expect.stringMatching(/AES_128_GCM/) });
  });
});

/** Runs our client against s_server until it has closed, or the server has told its keys; returns what both said. */
async function call(
  name: string,
  args: readonly string[],
  announced = name,
): Promise<{ outputs: DtlsOutput[]; text: string }> {
  const pem = readFileSync(join(folder, `${announced}.pem`));
  const client = new DtlsClient({
    identity: { certificate, privateKey: keys.privateKey },
    fingerprints: [{ algorithm: 'sha-256', value: sha256Fingerprint(new X509Certificate(pem).raw) }],
    profiles: ['AES_CM_128_HMAC_SHA1_80', 'AES_CM_128_HMAC_SHA1_32', 'AEAD_AES_128_GCM', 'AEAD_AES_256_GCM'],
    random: randomBytes,
    junk: () => {},
  });
  const outputs: DtlsOutput[] = [];
  const socket = createSocket('udp4');
  const free = createSocket('udp4');
  await new Promise<void>(done => socket.bind(0, '127.0.0.1', done));
  await new Promise<void>(done => free.bind(0, '127.0.0.1', done));
  const { port } = free.address();
  await new Promise<void>(done => free.close(done));
  const exporter = ['-keymatexport', 'EXTRACTOR-dtls_srtp', '-keymatexportlen', '88'];
  const accept = ['-dtls1_2', '-listen', '-accept', `127.0.0.1:${port}`];
  const server = spawn('openssl', ['s_server', ...accept, ...certificateOf(name), ...exporter, ...args]);
  let text = '';
  const exited = new Promise(done => server.once('exit', done));
  await new Promise<void>(done => {
    const driven = drive<DtlsInput, DtlsOutput>(client, systemClock, out => {
      outputs.push(out);
      if (out.type === 'send') socket.send(out.bytes, port, '127.0.0.1');
      if (out.type === 'closed') setImmediate(done);
    });
    socket.on('message', bytes => driven.feed({ type: 'datagram', bytes }));
    for (const stream of [server.stdout, server.stderr])
      stream.on('data', (part: Buffer) => {
        text += part;
        if (text.includes('ACCEPT')) driven.feed({ type: 'start' });
        if (/Keying material: [0-9A-F]+\s/.test(text)) driven.feed({ type: 'close' });
      });
  });
  server.kill();
  await exited;
  socket.close();
  return { outputs, text };
}

describe.skipIf(!found)('openssl s_server', () => {
  test.each([
    ['ec', 'ECDHE-ECDSA-AES128-GCM-SHA256', 'SRTP_AES128_CM_SHA1_80', 'AES_CM_128_HMAC_SHA1_80'],
    ['ec', 'ECDHE-ECDSA-AES256-GCM-SHA384', 'SRTP_AES128_CM_SHA1_32', 'AES_CM_128_HMAC_SHA1_32'],
    ['rsa', 'ECDHE-RSA-AES128-GCM-SHA256', 'SRTP_AEAD_AES_128_GCM', 'AEAD_AES_128_GCM'],
    ['rsa', 'ECDHE-RSA-AES256-GCM-SHA384', 'SRTP_AEAD_AES_256_GCM', 'AEAD_AES_256_GCM'],
  ] as const)(
    'with %s certificate, %s, %s, after a cookie, agrees on the same keys',
    async (name, cipher, srtp, profile) => {
      const asks = ['-Verify', '1', '-cipher', cipher, '-use_srtp', srtp];
      const { outputs, text } = await call(name, asks);
      const connected = outputs.find(o => o.type === 'connected')!;
      expect(connected.client.profile).toBe(profile);
      const ours = [
        connected.client.masterKey,
        connected.server.masterKey,
        connected.client.masterSalt,
        connected.server.masterSalt,
      ];
      const material = /Keying material: ([0-9A-F]+)/.exec(text)![1]!;
      expect(material.toLowerCase()).toContain(Buffer.concat(ours).toString('hex'));
      expect(text).toContain(`CIPHER is ${cipher}`);
      expect(text).toContain('CN = WebRTC'); // it asked for our certificate and got it
      expect(outputs.filter(o => o.type === 'send').length).toBeGreaterThanOrEqual(3); // hello, hello with cookie, the rest
      expect(outputs.at(-1)).toMatchObject({ type: 'closed', by: 'us' });
    },
  );

  test('with the certificate of another is refused', async () => {
    const { outputs } = await call('rsa', ['-use_srtp', 'SRTP_AES128_CM_SHA1_80'], 'ec');
    expect(outputs.some(o => o.type === 'connected')).toBe(false);
    expect(outputs.at(-1)).toMatchObject({ by: 'fault', text: expect.stringMatching(/fingerprint/) });
  });

  test('without use_srtp is refused', async () => {
    const { outputs } = await call('ec', []);
    expect(outputs.at(-1)).toMatchObject({ by: 'fault', text: expect.stringMatching(/SRTP profiles/) });
  });
});
