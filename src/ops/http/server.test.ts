import { createServer } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { refuse } from '../../kit/refusal.ts';
import { ownAddresses } from './names.ts';
import { type Answer, ask, portOf, raw, testServer } from './server.testing.ts';

let world: Awaited<ReturnType<typeof testServer>>;
let https: string;
let http: string;
const wss = new WebSocketServer({ noServer: true });

beforeAll(async () => {
  world = await testServer();
  const { server } = world;
  server.route('POST', '/whip/:room', async r => ({
    status: 201,
    headers: { location: `/whip/sessions/${r.params.room}`, 'content-type': 'application/sdp' },
    body: `${r.method} ${r.query.get('user')} ${r.headers['x-a']} ${r.origin} ${r.address} ${r.body.length}`,
  }));
  server.route('OPTIONS', '/whip/:room', async () => ({ status: 204, headers: { 'x-cors': 'mine' } }));
  server.route('DELETE', '/whip/sessions/:id', async r => {
    if (r.params.id === 'bug') throw new Error('secret inside');
    throw refuse('client', 'no-common-codec', 'No codec is common: offer opus.');
  });
  server.upgrade('/stomp', (req, socket, head) =>
    wss.handleUpgrade(req, socket, head, ws => {
      ws.on('message', m => ws.send(`echo ${m}`));
    }),
  );
  await server.listen();
  [https, , http] = server.bases as [string, string, string];
  https = `https://localhost:${portOf(https)}`;
});
afterAll(() => world.server.close(0));

function expectProblem(answer: Answer, status: number, reason: string): void {
  expect(answer.headers['content-type']).toBe('application/problem+json');
  expect(answer.json()).toMatchObject({ status, type: `urn:roombridge:problem:${reason}` });
  expect(answer.status).toBe(status);
  expect(answer.body).not.toMatch(/\bat .*\.ts|node_modules/);
}

test('pages are served on both, https first, and again by ETag', async () => {
  expect(world.server.bases[0]).toMatch(/^https:\/\/[\d.]+:\d+$/);
  expect(http).toMatch(/^http:\/\/localhost:\d+$/);
  for (const base of [https, http]) {
    const page = await ask(`${base}/r/1000?token=x`);
    expect(page).toMatchObject({ status: 200, body: '<!doctype html><title>Room</title>' });
    expect(page.headers).toMatchObject({
      'content-type': 'text/html; charset=utf-8',
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
    });
    const again = await ask(`${base}/r/1001`, { headers: { 'if-none-match': page.headers.etag as string } });
    expect(again.status).toBe(304);
    expect(again.body).toBe('');
  }
  const head = await ask(`${https}/app.js`, { method: 'HEAD' });
  expect(head).toMatchObject({ status: 200, body: '' });
  expect(head.headers['content-length']).toBe('1');
});

test('the kept certificate names localhost and verifies as its own authority', async () => {
  const page = await ask(`${https}/r/1000`, { ca: world.certificate.cert });
  expect(page.status).toBe(200);
});

test('a gateway route gets parameters, query, headers and raw body, and answers as it likes', async () => {
  const answer = await ask(`${https}/whip/a%20b?user=al%2Fice`, {
    method: 'POST',
    headers: { 'content-type': 'application/sdp', 'x-a': '1' },
    body: Buffer.alloc(256 * 1024),
  });
  expect(answer.status).toBe(201);
  expect(answer.headers).toMatchObject({ location: '/whip/sessions/a b', 'content-type': 'application/sdp' });
  const words = answer.body.split(' ');
  expect(words).toEqual([
    'POST',
    'al/ice',
    '1',
    https,
    expect.stringMatching(/^(127\.0\.0\.1|::1)$/),
    '262144',
  ]);
  for (const headers of [{ 'content-type': 'application/json' }, { 'content-type': 'text/plain' }, {}])
    expect((await ask(`${http}/whip/1`, { method: 'POST', headers, body: '{' })).body).toMatch(/ 1$/);
  expect((await ask(`${http}/whip/1`, { method: 'OPTIONS' })).headers['x-cors']).toBe('mine');
});

test('routes may be added while it listens', async () => {
  world.server.route('GET', '/late', async () => ({ status: 200, body: 'late' }));
  expect((await ask(`${http}/late`)).body).toBe('late');
  expect(() => world.server.route('GET', '/late', async () => ({ status: 200 }))).toThrow(
    'has a handler already',
  );
});

test('a refusal becomes a problem, a bug a 500 without a word of it', async () => {
  const refused = await ask(`${https}/whip/sessions/x`, { method: 'DELETE' });
  expectProblem(refused, 422, 'no-common-codec');
  expect(refused.headers['access-control-allow-origin']).toBe('*');
  const bug = await ask(`${https}/whip/sessions/bug`, { method: 'DELETE' });
  expectProblem(bug, 500, 'internal-error');
  expect(bug.body).not.toContain('secret inside');
  expect(world.errors).toHaveLength(1);
});

test('404, 405, 413 and bad paths are problems', async () => {
  expectProblem(await ask(`${https}/nothing`), 404, 'not-found');
  const wrong = await ask(`${https}/whip/1`, { method: 'DELETE' });
  expectProblem(wrong, 405, 'method-not-allowed');
  expect(wrong.headers.allow).toBe('POST, OPTIONS');
  expectProblem(await ask(`${https}/r/1`, { method: 'POST' }), 405, 'method-not-allowed');
  const api = await ask(`${https}/api/v1/rooms/1000`, { method: 'POST' });
  expectProblem(api, 405, 'method-not-allowed');
  expect(api.headers.allow).toBe('GET, PUT, DELETE');
  const large = Buffer.alloc(256 * 1024 + 1);
  expectProblem(await ask(`${https}/whip/1`, { method: 'POST', body: large }), 413, 'too-large');
  expectProblem(await ask(`${https}/whip/%E0%A4`, { method: 'POST' }), 400, 'bad-request');
  expectProblem(await ask(`${https}/r/%ff`), 400, 'bad-request');
});

test('what is not HTTP, too much header or a foreign method gets a problem and the end', async () => {
  const port = portOf(http);
  expect(await raw(port, 'INVITE sip:x SIP/2.0\r\n\r\n')).toMatch(
    /^HTTP\/1\.1 400 .*urn:roombridge:problem:bad-request/s,
  );
  const long = `GET / HTTP/1.1\r\nHost: x\r\nX: ${'y'.repeat(20_000)}\r\n\r\n`;
  expect(await raw(port, long)).toMatch(/^HTTP\/1\.1 431 .*headers-too-large/s);
  const foreign = 'PROPFIND / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';
  expect(await raw(port, foreign)).toMatch(/^HTTP\/1\.1 404 .*problem:not-found/s);
  expect(await raw(port, 'OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')).toMatch(
    /^HTTP\/1\.1 40\d /,
  );
  expect(await raw(port, 'GET http://evil/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')).toMatch(
    /^HTTP\/1\.1 40\d /,
  );
});

test('WebSockets are handed over on their path only', async () => {
  const ws = new WebSocket(`${https.replace('https', 'wss')}/stomp?x=1`, { rejectUnauthorized: false });
  const reply = await new Promise(done => {
    ws.on('open', () => ws.send('hi'));
    ws.on('message', m => done(String(m)));
  });
  expect(reply).toBe('echo hi');
  ws.terminate();
  const lost = 'GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n';
  expect(await raw(portOf(http), lost)).toMatch(/^HTTP\/1\.1 404 .*problem:not-found/s);
  expect(await raw(portOf(http), lost.replace('/nothing', '/stomp').replace('websocket', 'h2c'))).toMatch(
    /^HTTP\/1\.1 404 /,
  );
});

test('others than this host are sent to https for pages, and get no API in the clear', async context => {
  const address = ownAddresses()[0];
  if (address === undefined) return context.skip('this host has no address but loopback');
  const base = `http://${address}:${portOf(http)}`;
  const page = await ask(`${base}/r/1000?x=1`);
  expect(page.status).toBe(308);
  expect(page.headers.location).toBe(`https://${address}:${portOf(https)}/r/1000?x=1`);
  const bad = await ask(`${base}/r/1000`, { headers: { host: 'evil"\\:80' } });
  expect(bad.headers.location).toBe(`${world.server.bases[0]}/r/1000`);
  expectProblem(await ask(`${base}/api/v1/rooms`), 403, 'https-required');
  for (const path of ['/healthz', '/readyz', '/metrics']) expect((await ask(base + path)).status).toBe(200);
  expect((await ask(`${base}/whip/1`, { method: 'POST' })).status).toBe(201);
});

test('requests of one address are rate-limited', async () => {
  const { server } = await testServer({ requestsPerSecond: 0.001, requestBurst: 2 });
  await server.listen();
  const url = `${server.bases.at(-1)}/r/1`;
  const answers = [await ask(url), await ask(url), await ask(url)];
  expect(answers.map(a => a.status)).toEqual([200, 200, 429]);
  expect(answers[2]!.headers['retry-after']).toBe('1');
  expectProblem(answers[2]!, 429, 'too-many-requests');
  await server.close(0);
});

test('connections of one address are bounded, and a slow request is ended', async () => {
  const { server, metrics } = await testServer({
    connectionsPerAddress: 1,
    headersTimeoutMs: 100,
    requestTimeoutMs: 200,
  });
  await server.listen();
  const port = portOf(server.bases.at(-1)!);
  const slow = raw(port, 'GET / HTTP/1.1\r\nHost: x\r\n');
  expect(await raw(port, 'GET / HTTP/1.1\r\n\r\n')).toBe('');
  expect(await slow).toMatch(/^HTTP\/1\.1 408 .*request-timeout/s);
  expect(await metrics.text()).toContain(
    'roombridge_http_refused_total{reason="too-many-connections-per-address"} 1',
  );
  await server.close(0);
});

test('a port in use is refused in words, and nothing stays open', async () => {
  const other = createServer();
  await new Promise<void>(done => other.listen(0, done));
  const { port } = other.address() as { port: number };
  const { server: busy } = await testServer({}, port);
  await expect(busy.listen()).rejects.toThrow(
    `Port ${port}/tcp (http.httpPort) is in use by another program, or Roombridge runs already: end it, or set http.httpPort to another port (0: any free one).`,
  );
  await busy.close(0);
  await new Promise(done => other.close(done));
});

test('close ends idle, busy and upgraded connections and can be called twice', async () => {
  const { server } = await testServer();
  let upgraded = false;
  server.upgrade('/stomp', (_req, socket) => {
    upgraded = true;
    socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n');
  });
  server.route('GET', '/forever', () => new Promise(() => {}));
  await server.listen();
  const port = portOf(server.bases.at(-1)!);
  const ended = [
    raw(port, 'GET /stomp HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n'),
    raw(port, 'GET /forever HTTP/1.1\r\nHost: x\r\n\r\n'),
    raw(port, ''),
  ];
  while (!upgraded) await new Promise(setImmediate);
  await Promise.all([server.close(50), server.close(50)]);
  await Promise.all(ended);
});
