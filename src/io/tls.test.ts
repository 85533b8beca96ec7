import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type PeerCertificate, type TLSSocket, connect as tlsConnect } from 'node:tls';
import { afterAll, afterEach, expect, test } from 'vitest';
import { Authority, type Issued } from '../../test/harness/certificates.ts';
import { systemClock } from './clock.ts';
import type { TcpListener } from './tcp.ts';
import { connectTls, listenTls, type TlsClientOptions, type TlsListenOptions } from './tls.ts';
import { TlsKeys } from './tls-keys.ts';

const dir = mkdtempSync(join(tmpdir(), 'roombridge-tls-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));
const ca = new Authority(join(dir, 'ca'));
const first = ca.issue('first', ['IP:127.0.0.1', 'DNS:first.example']);
const second = ca.issue('second', ['DNS:second.example']);
const client = ca.issue('client', ['DNS:client.example']);
const stranger = new Authority(join(dir, 'other')).issue('stranger', ['DNS:client.example']);

const LIMITS = { maxQueueBytes: 1 << 20, lingerMs: 200 };
const listeners: TcpListener[] = [];
const sockets: Socket[] = [];
afterEach(async () => {
  for (const s of sockets.splice(0)) s.destroy();
  await Promise.all(listeners.splice(0).map(l => l.close()));
});

function keysOf(own: Issued | undefined, byName: readonly [string, Issued][] = [], trusts = ca): TlsKeys {
  const keys = new TlsKeys();
  keys.replace(own, new Map(byName), [trusts.pem]);
  return keys;
}

async function listen(o: Partial<TlsListenOptions> = {}) {
  const shown: (PeerCertificate | undefined)[] = [];
  const refused: string[] = [];
  const listener = await listenTls(
    {
      ...LIMITS,
      address: '127.0.0.1',
      port: 0,
      maxConnections: 50,
      maxPerAddress: 50,
      setting: 'x.tlsPort',
      keys: keysOf(first),
      clientCertificates: 'none',
      ...o,
    },
    systemClock,
    (c, certificate) => {
      shown.push(certificate);
      return { data: bytes => c.write(bytes), closed() {} };
    },
    why => void refused.push(why),
  );
  listeners.push(listener);
  return { port: listener.port, shown, refused, listener };
}

/** The name in the certificate a server shows. */
function nameShown(port: number, servername?: string): Promise<string> {
  const socket: TLSSocket = tlsConnect({
    port,
    host: '127.0.0.1',
    rejectUnauthorized: false,
    ...(servername && { servername }),
  });
  sockets.push(socket);
  return new Promise((done, fail) => {
    socket.once('error', fail);
    socket.once('secureConnect', () => done(String(socket.getPeerCertificate().subject.CN)));
  });
}

const ask = (port: number, name: string, tls: Partial<TlsClientOptions> = {}) => {
  let say: (text: string) => void = () => {};
  const heard = new Promise<string>(done => (say = done));
  const options: TlsClientOptions = {
    keys: keysOf(undefined),
    verify: true,
    checkName: (n, c) => (c.subject.CN === n ? undefined : new Error(`it is for ${c.subject.CN}`)),
    ...tls,
  };
  const handlers = {
    data: (b: Buffer) => say(b.toString()),
    closed: (e?: string) => say(`closed ${e ?? ''}`),
  };
  return connectTls('127.0.0.1', port, name, options, LIMITS, systemClock, handlers).then(c => {
    c.write(Buffer.from('hello'));
    return heard.finally(() => c.destroy());
  });
};

test('a name in the handshake chooses the certificate; another one from now on is another one', async () => {
  const keys = keysOf(first, [['second.example', second]]);
  const { port } = await listen({ keys });
  expect(await nameShown(port)).toBe('first');
  expect(await nameShown(port, 'SECOND.example')).toBe('second');
  expect(await nameShown(port, 'third.example')).toBe('first');
  keys.replace(client, new Map(), undefined);
  expect(await nameShown(port)).toBe('client');
  expect(await nameShown(port, 'second.example')).toBe('client');
  expect(() => keys.replace({ cert: first.cert, key: second.key }, new Map(), undefined)).toThrow();
  expect(await nameShown(port)).toBe('client');
});

test('a server is believed when an authority signed for its name', async () => {
  const { port } = await listen();
  expect(await ask(port, 'first')).toBe('hello');
  await expect(ask(port, 'other')).rejects.toThrow(
    /No TLS connection to 127.0.0.1 port \d+: it is for first/,
  );
  const keys = keysOf(undefined, [], new Authority(join(dir, 'third')));
  await expect(ask(port, 'first', { keys })).rejects.toThrow(/unable to verify|unable to get|self-signed/);
  expect(await ask(port, 'other', { keys, verify: false })).toBe('hello');
});

test.each(['request', 'require'] as const)('client certificates, %s', async clientCertificates => {
  const { port, shown, refused } = await listen({ clientCertificates });
  expect(await ask(port, 'first', { keys: keysOf(client) })).toBe('hello');
  expect(shown[0]?.subject.CN).toBe('client');
  // TLS 1.3: the client is through before the server has looked.
  const bad = await ask(port, 'first', { keys: keysOf(stranger) }).catch(() => 'closed');
  expect(bad).toMatch(/^closed/);
  const none = await ask(port, 'first').catch(() => 'closed');
  expect(none).toMatch(clientCertificates === 'request' ? /^hello$/ : /^closed/);
  expect(refused).toEqual(clientCertificates === 'request' ? ['certificate'] : ['handshake', 'handshake']);
  expect(shown).toHaveLength(clientCertificates === 'request' ? 2 : 1);
});

test('a handshake has its time, however many bytes come meanwhile', async () => {
  const { port, listener } = await listen({ handshakeMs: 300 });
  const slow = connect(port, '127.0.0.1');
  sockets.push(slow);
  const closed = new Promise<number>(done =>
    slow.on('error', () => {}).once('close', () => done(Date.now())),
  );
  const began = Date.now();
  // The head of a ClientHello that never comes to its end, a byte every 50 ms.
  const hello = Buffer.from('16030100ff010000fb0303', 'hex');
  let n = 0;
  const timer = setInterval(() => slow.writable && slow.write(hello.subarray(n, ++n)), 50);
  expect((await closed) - began).toBeLessThan(2000);
  clearInterval(timer);
  expect(await nameShown(port)).toBe('first');
  for (let i = 0; i < 100 && listener.connections > 1; i++) await new Promise(done => setTimeout(done, 5));
  expect(listener.connections).toBe(1);
});

test('more connections than may be are closed unread', async () => {
  const { port, refused } = await listen({ maxConnections: 1 });
  expect(await nameShown(port)).toBe('first');
  await expect(nameShown(port)).rejects.toThrow();
  expect(refused[0]).toBe('connections');
});
