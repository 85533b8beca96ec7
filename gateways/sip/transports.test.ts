import { createSocket } from 'node:dgram';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer as createHttp, type Server } from 'node:http';
import { createServer as createHttps } from 'node:https';
import { type AddressInfo, connect } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer as createTls, type TLSSocket } from 'node:tls';
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest';
import type { Front, Host, HttpMount, LegRequest, PlacedLeg } from '../../src/contract.ts';
import { Authority } from '../../test/harness/certificates.ts';
import { fakeHost } from '../../test/harness/fakes.ts';
import { RawSip } from '../../test/harness/peers/raw-sip.ts';
import { freePort } from '../../test/harness/ports.ts';
import { splitting, tlsWire, webSocketWire } from '../../test/harness/sip-client-wires.ts';
import { sipConfig } from './config.ts';
import { createSipFront } from './front.ts';
import { sipNative } from './native.ts';

const SDP =
  'v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4002 RTP/AVP 0\r\n';
const dir = mkdtempSync(join(tmpdir(), 'roombridge-transports-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));
const ca = new Authority(join(dir, 'ca'));
const web = ca.issue('web', ['DNS:localhost', 'IP:127.0.0.1']);
const own = ca.issue('own', ['DNS:sip.example']);
const other = ca.issue('other', ['DNS:other.example']);
const phone = ca.issue('phone', ['URI:sip:phone.example']);

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** The web server as gateways see it: upgrades and a certificate. */
async function mount(): Promise<HttpMount> {
  const upgrades = new Map<string, Parameters<HttpMount['upgrade']>[1]>();
  const servers: Server[] = [createHttp(), createHttps({ cert: web.cert, key: web.key })];
  const bases: string[] = [];
  for (const [i, server] of servers.entries()) {
    server.on('upgrade', (req, socket, head) => {
      socket.on('error', () => {});
      try {
        upgrades.get(req.url ?? '')?.(req, socket, head);
      } catch {
        socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n');
      }
    });
    await new Promise<void>(done => server.listen(0, '127.0.0.1', done));
    bases.unshift(`${['http', 'https'][i]}://localhost:${(server.address() as AddressInfo).port}`);
    ends.push(() => server.close());
  }
  return { route() {}, upgrade: (path, h) => void upgrades.set(path, h), bases, certificate: () => web };
}

interface Site {
  readonly front: Front;
  readonly host: Host & { readonly counts: string[] };
  readonly requests: LegRequest[];
  readonly port: number;
  readonly tlsPort: number;
  readonly https: string;
  readonly http: string;
  close(): Promise<void>;
}

/** A front whose platform seats everybody. */
async function site(config: object = {}): Promise<Site> {
  const requests: LegRequest[] = [];
  const http = await mount();
  const host = fakeHost({
    http,
    advertisedAddress: peer => (peer?.includes(':') ? '::1' : '127.0.0.1'),
    async place(r, on): Promise<PlacedLeg> {
      requests.push(r);
      on({ type: 'description', id: 0, native: sipNative(SDP) });
      return { id: r.leg, agent: 'a', participant: 'p', secret: 's', send() {} };
    },
  });
  const front = createSipFront(host, sipConfig.parse({ address: '127.0.0.1', port: 0, ...config }));
  const close = () => front.close({ blame: 'server', reason: 'shutting-down' });
  ends.push(close);
  const urls = (await front.start()).map(a => a.url);
  const port = (pattern: RegExp): number => Number(urls.map(u => pattern.exec(u)?.[1]).find(p => p));
  const [https = '', plain = ''] = http.bases.map(b => `${b.replace(/^http/, 'ws')}/sip`);
  return {
    ...{ front, host, requests, close },
    port: port(/:(\d+)$/),
    tlsPort: port(/:(\d+);transport=tls/),
    ...{ https, http: plain },
  };
}

const header = (message: string, name: string): string =>
  new RegExp(`^${name}: (.*)\r$`, 'm').exec(message)?.[1] ?? '';
const is = (status: number) => (m: string) => m.startsWith(`SIP/2.0 ${status} `);

describe('a call, hung up by us over the path it came by', () => {
  test.each(['tls', 'ws', 'wss'] as const)('%s', async transport => {
    const s = await site();
    const raw = await RawSip.over(
      hear =>
        transport === 'tls'
          ? tlsWire(s.tlsPort, hear)
          : webSocketWire(transport === 'ws' ? s.http : s.https, hear),
      s.port,
    );
    ends.push(() => raw.close());
    const call = raw.call('1000', 'anna');
    call.invite();
    const ok = await raw.until(is(200), '200');
    const secure = transport !== 'ws';
    expect(header(ok, 'Contact')).toMatch(
      transport === 'tls'
        ? `:${s.tlsPort};transport=tls>`
        : `:${new URL(secure ? s.https : s.http).port};transport=ws>`,
    );
    expect(header(ok, 'Via')).toMatch(new RegExp(`^SIP/2.0/${transport.toUpperCase()} .*;rport=\\d+`));
    expect(s.requests[0]).toMatchObject({ begin: { native: { srtp: secure ? 'preferred' : 'optional' } } });
    raw.send(call.message('ACK', 1, 'ack', header(ok, 'To')));
    const closing = s.close();
    const bye = await raw.until(m => m.startsWith('BYE '), 'BYE');
    expect(bye).toMatch(new RegExp(`^BYE sip:anna@${raw.address} SIP/2.0\r\n`));
    expect(header(bye, 'Via')).toContain(`SIP/2.0/${transport.toUpperCase()} 127.0.0.1:`);
    const echoed = ['Via', 'From', 'To', 'Call-ID', 'CSeq'].map(h => `${h}: ${header(bye, h)}\r\n`).join('');
    raw.send(`SIP/2.0 200 OK\r\n${echoed}Content-Length: 0\r\n\r\n`);
    await closing;
  });
});

test('a call that outlives its connection: our BYE goes over a new one, to where its Contact says', async () => {
  const s = await site({ tls: { verifyServers: false } });
  const heard: string[] = [];
  const server = createTls({ cert: phone.cert, key: phone.key }, (socket: TLSSocket) => {
    socket
      .on('error', () => {})
      .on(
        'data',
        splitting(m => void heard.push(m)),
      );
  });
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done));
  ends.push(() => server.close());
  const { port } = server.address() as AddressInfo;
  const raw = await RawSip.over(hear => tlsWire(s.tlsPort, hear), s.port);
  const call = raw.call('1000', 'anna');
  const contact = `Contact: <sip:anna@127.0.0.1:${port};transport=tls>`;
  raw.send(call.inviteText().replace(/^Contact: .*$/m, `${contact}\r`));
  const ok = await raw.until(is(200), '200');
  raw.send(call.message('ACK', 1, 'ack', header(ok, 'To')));
  await raw.close();
  await new Promise(done => setTimeout(done, 50));
  void s.close();
  await vi.waitUntil(() => heard.length > 0);
  expect(heard[0]).toMatch(new RegExp(`^BYE sip:anna@127.0.0.1:${port};transport=tls SIP/2.0\r\n`));
});

test('the certificate is that of the web server, or our own by name; a new file counts at once for newcomers', async () => {
  const s = await site();
  expect((await tlsWire(s.tlsPort, () => {})).certificate).toBe('web');
  const [certFile, keyFile] = [join(dir, 'live.pem'), join(dir, 'live.key')];
  const put = (from: typeof own): void => {
    copyFileSync(from.certFile, certFile);
    copyFileSync(from.keyFile, keyFile);
  };
  put(own);
  const servers = [{ name: 'other.example', certFile: other.certFile, keyFile: other.keyFile }];
  const t = await site({ tls: { certFile, keyFile, servers } });
  const shown = async (servername?: string) => {
    const wire = await tlsWire(t.tlsPort, () => {}, servername ? { servername } : {});
    await wire.close();
    return wire.certificate;
  };
  expect([await shown(), await shown('other.example'), await shown('sip.example')]).toEqual([
    'own',
    'other',
    'own',
  ]);
  const old = await RawSip.over(hear => tlsWire(t.tlsPort, hear), t.port);
  ends.push(() => old.close());
  await new Promise(done => setTimeout(done, 100));
  put(phone);
  await vi.waitUntil(async () => (await shown()) === 'phone', { timeout: 10_000, interval: 200 });
  expect(await shown('other.example')).toBe('other');
  old.send(old.call('1000', 'anna').message('OPTIONS', 1, 'o'));
  await old.until(is(200), 'answer on the connection that was there before');
});

test('a certificate that is none is told in one sentence', async () => {
  const tls = { certFile: own.certFile, keyFile: other.keyFile };
  await expect(site({ tls })).rejects.toThrow(
    /certificate of sip\.tls\.certFile is no certificate and key that belong/,
  );
  await expect(site({ tls: { ...tls, keyFile: '/nowhere' } })).rejects.toThrow(
    /sip\.tls\.certFile cannot be read/,
  );
  expect(sipConfig.safeParse({ tls: { certFile: 'x' } }).error?.issues[0]?.message).toMatch(/go together/);
});

test('mutual TLS: without a certificate of our authority there is no connection', async () => {
  const s = await site({ tls: { clientCertificates: 'require', caFile: ca.file } });
  const ask = async (o: object): Promise<string> => {
    const raw = await RawSip.over(hear => tlsWire(s.tlsPort, hear, o), s.port);
    ends.push(() => raw.close());
    raw.send(raw.call('1000', 'anna').message('OPTIONS', 1, 'o'));
    return raw.until(is(200), '200');
  };
  expect(await ask({ cert: phone.cert, key: phone.key })).toMatch(/^SIP\/2.0 200/);
  const none = await tlsWire(s.tlsPort, () => {}).catch(() => undefined);
  await none?.closed;
  expect(s.host.counts).toContain('dropped/tls-handshake');
});

test('WebSocket: frames of both kinds, line ends answered, no call without the sub-protocol', async () => {
  const s = await site();
  const kinds: boolean[] = [];
  for (const binary of [false, true]) {
    const raw = await RawSip.over(hear => webSocketWire(s.https, hear, { binary, kinds }), s.port);
    ends.push(() => raw.close());
    raw.send('\r\n\r\n');
    await raw.until(m => m === '\r\n', 'pong');
    raw.call('1000', `a-${binary}`).invite();
    const ok = await raw.until(is(200), '200');
    expect(ok).toContain('.invalid');
  }
  expect(kinds.every(k => !k)).toBe(true);
  await expect(webSocketWire(s.https, () => {}, { protocol: 'xmpp' })).rejects.toThrow(/400/);
  expect((await webSocketWire(s.https, () => {})).protocol).toBe('sip');
});

test('keep-alives over TLS are answered; a message that is not finished holds its connection for 32 s at most', async () => {
  const s = await site();
  const raw = await RawSip.over(hear => tlsWire(s.tlsPort, hear), s.port);
  ends.push(() => raw.close());
  raw.send('\r\n\r\n');
  await raw.until(m => m === '\r\n', 'pong');
});

test('more addresses: what is asked at one is answered from it', async () => {
  const port = await freePort();
  const tlsPort = await freePort();
  await site({ port, tlsPort, alsoListen: [{ address: '127.0.0.2', tlsPort }] });
  const socket = createSocket('udp4');
  ends.push(() => socket.close());
  const answered = new Promise<{ from: string; text: string }>(done =>
    socket.on('message', (data, r) => {
      const text = data.toString();
      if (text.startsWith('SIP/2.0 200')) done({ from: r.address, text });
    }),
  );
  await new Promise<void>(done => socket.bind(0, '127.0.0.1', done));
  const fake = { transport: 'UDP', port: socket.address().port, send() {}, async close() {} } as const;
  const raw = await RawSip.over(async () => fake, port);
  socket.send(raw.call('1000', 'anna').inviteText(), port, '127.0.0.2');
  const { from, text } = await answered;
  expect(from).toBe('127.0.0.2');
  expect(header(text, 'Contact')).toContain(`@127.0.0.2:${port}>`);
  const tls = await tlsWire(tlsPort, () => {}, { host: '127.0.0.2' });
  expect(tls.certificate).toBe('web');
});

const noIpv6 = !Object.values(networkInterfaces()).some(l => l?.some(i => i.address === '::1'));
test.skipIf(noIpv6)('without an address all of IPv4 and IPv6 is listened to', async () => {
  const port = await freePort();
  await site({ address: undefined, port });
  const socket = createSocket('udp6');
  ends.push(() => socket.close());
  const answered = new Promise<string>(done =>
    socket.on('message', data => data.toString().startsWith('SIP/2.0 200') && done(data.toString())),
  );
  await new Promise<void>(done => socket.bind(0, '::1', done));
  const fake = {
    transport: 'UDP',
    port: socket.address().port,
    host: `[::1]:${socket.address().port}`,
    send() {},
    async close() {},
  } as const;
  const raw = await RawSip.over(async () => fake, port);
  socket.send(raw.call('1000', 'anna').inviteText(), port, '::1');
  const ok = await answered;
  expect(header(ok, 'Contact')).toContain(`@[::1]:${port}>`);
  expect(header(ok, 'Via')).toContain(`;received=::1;rport=${socket.address().port}`);
  for (const host of ['127.0.0.1', '::1']) {
    const tcp = connect(port, host);
    ends.push(() => tcp.destroy());
    await new Promise((done, fail) => tcp.once('connect', done).once('error', fail));
    expect((await tlsWire(port + 1, () => {}, { host })).certificate).toBe('web');
  }
});

test('a call to a sips address is answered with a sips Contact', async () => {
  const s = await site();
  const raw = await RawSip.over(hear => tlsWire(s.tlsPort, hear), s.port);
  ends.push(() => raw.close());
  const call = raw.call('1000', 'anna');
  raw.send(call.inviteText().replace(/^INVITE sip:/, 'INVITE sips:'));
  const ok = await raw.until(is(200), '200');
  expect(header(ok, 'Contact')).toBe(`<sips:1000@127.0.0.1:${s.tlsPort}>`);
});
