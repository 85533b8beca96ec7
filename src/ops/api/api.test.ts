import { afterAll, beforeAll, expect, test } from 'vitest';
import { ADMIN_KEY, ask, testServer } from '../http/server.testing.ts';

let world: Awaited<ReturnType<typeof testServer>>;
let base: string;

beforeAll(async () => {
  world = await testServer();
  await world.server.listen();
  base = world.server.bases.find(b => b.startsWith('https://localhost')) as string;
});
afterAll(() => world.server.close(0));

const api = (method: string, path: string, body?: unknown) =>
  ask(`${base}/api/v1${path}`, {
    method,
    headers: {
      authorization: `Bearer ${ADMIN_KEY}`,
      ...(body !== undefined && { 'content-type': 'application/json' }),
    },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });

test('without the admin key nothing is told, on loopback too', async () => {
  for (const headers of [{}, { authorization: 'Bearer wrong' }, { authorization: 'Basic eDp5' }]) {
    const answer = await ask(`${base}/api/v1/rooms`, { headers: headers as Record<string, string> });
    expect(answer.status).toBe(401);
    expect(answer.headers['www-authenticate']).toBe('Bearer');
    expect(answer.json()).toEqual({
      type: 'urn:roombridge:problem:not-authorized',
      title: 'Not authorized',
      status: 401,
      detail:
        'The API needs the header `Authorization: Bearer <admin key>`; Roombridge says at its start where the key is.',
    });
  }
});

test('rooms are listed and told without their PIN', async () => {
  const room = {
    room: '1000',
    participants: 1,
    settings: { hasPin: true, maxParticipants: 10, locked: false, layout: 'speaker' },
  };
  const all = await api('GET', '/rooms');
  expect(all.status).toBe(200);
  expect(all.json()).toEqual([room]);
  expect((await api('GET', '/rooms/1000')).json()).toEqual(room);
  expect(all.body).not.toContain('4711');
  const none = await api('GET', '/rooms/nope');
  expect(none.status).toBe(404);
  expect(none.json()).toMatchObject({
    type: 'urn:roombridge:problem:no-such-room',
    detail: 'There is no room nope; see GET /api/v1/rooms.',
  });
});

test('settings change by what is given, and a PIN is taken away with null', async () => {
  const set = await api('PUT', '/rooms/1000', { locked: true, pin: '123456' });
  expect(set.json()).toMatchObject({ settings: { hasPin: true, locked: true, maxParticipants: 10 } });
  expect(world.backend.calls.at(-1)).toEqual(['settings', '1000', { locked: true, pin: '123456' }]);
  expect((await api('PUT', '/rooms/1000', { pin: null })).json()).toMatchObject({
    settings: { hasPin: false },
  });
});

test.each([
  [{ pin: 'abcd' }, 'body.pin: must be 4 to 12 digits, so that a phone can send it.'],
  [{ locked: 'yes' }, 'body.locked: Invalid input: expected boolean, received string.'],
  [{ lokced: true }, 'body: Unrecognized key: "lokced".'],
  ['{', "Body is not valid JSON but content-type is set to 'application/json'"],
  ['[]', 'body: Invalid input: expected object, received array.'],
  ['{"__proto__": {"x": 1}}', "Body is not valid JSON but content-type is set to 'application/json'"],
])('settings %j are refused', async (body, detail) => {
  const answer = await api('PUT', '/rooms/1000', body);
  expect(answer.json()).toEqual({
    type: 'urn:roombridge:problem:bad-request',
    title: 'Bad request',
    status: 400,
    detail,
  });
});

test('other bodies than JSON are 415, large ones 413', async () => {
  const put = (headers: Record<string, string>, body: string) =>
    ask(`${base}/api/v1/rooms/1000`, {
      method: 'PUT',
      headers: { authorization: `Bearer ${ADMIN_KEY}`, ...headers },
      body,
    });
  expect((await put({ 'content-type': 'text/plain' }, 'x')).json()).toMatchObject({
    status: 415,
    type: 'urn:roombridge:problem:unsupported-media-type',
  });
  const large = await put({ 'content-type': 'application/json' }, ' '.repeat(70_000));
  expect(large.json()).toMatchObject({ status: 413, type: 'urn:roombridge:problem:too-large' });
});

test('participants are listed, kicked and muted', async () => {
  expect((await api('GET', '/rooms/1000/participants')).json()).toMatchObject([{ participant: 'alice' }]);
  expect((await api('GET', '/rooms/1000/participants/alice')).json()).toMatchObject({ display: 'Alice' });
  expect((await api('GET', '/rooms/1000/participants/bob')).json()).toMatchObject({
    type: 'urn:roombridge:problem:no-such-participant',
  });
  const kick = await api('DELETE', '/rooms/1000/participants/alice', '');
  expect([kick.status, kick.body]).toEqual([204, '']);
  expect(world.backend.calls.at(-1)).toEqual(['kick', '1000', 'alice']);
  expect((await api('DELETE', '/rooms/1000/participants')).status).toBe(204);
  expect((await api('DELETE', '/rooms/1000/participants/bob')).status).toBe(404);
  expect(
    (await api('POST', '/rooms/1000/participants/alice/mute', { media: 'audio', on: true })).status,
  ).toBe(204);
  expect(world.backend.calls.at(-1)).toEqual(['mute', '1000', 'alice', 'audio', true]);
  expect(
    (await api('POST', '/rooms/1000/participants/alice/mute', { media: 'smell', on: true })).status,
  ).toBe(400);
  expect((await api('POST', '/rooms/1000/participants/alice/mute')).status).toBe(400);
});

test('a room is ended', async () => {
  expect((await api('DELETE', '/rooms/1000')).status).toBe(204);
  expect((await api('DELETE', '/rooms/1001')).status).toBe(404);
});

test('names in the path are percent-decoded', async () => {
  await api('PUT', '/rooms/caf%C3%A9%2F1', {});
  expect(world.backend.calls.at(-1)).toEqual(['settings', 'café/1', {}]);
});

test('legs, their streams and their ladder', async () => {
  expect((await api('GET', '/legs')).json()).toHaveLength(2);
  expect((await api('GET', '/legs?room=1001')).json()).toMatchObject([{ leg: 'l2' }]);
  expect((await api('GET', '/legs?limit=1')).json()).toHaveLength(1);
  expect((await api('GET', '/legs?limit=0')).status).toBe(400);
  expect((await api('GET', '/legs?rom=1')).status).toBe(400);
  expect((await api('GET', '/legs/l1')).json()).toMatchObject({ streams: [{ codec: 'PCMU', jitterMs: 1 }] });
  expect((await api('GET', '/legs/l1/ladder')).json()).toEqual([
    { at: 1, dir: 'in', transport: 'udp', summary: 'INVITE' },
  ]);
  for (const path of ['/legs/l9', '/legs/l9/ladder'])
    expect((await api('GET', path)).json()).toMatchObject({ type: 'urn:roombridge:problem:no-such-leg' });
});

test('agents are listed and drained; trunks are told', async () => {
  expect((await api('GET', '/agents')).json()).toMatchObject([{ agent: 'a1', capacity: 100 }]);
  const drain = await api('POST', '/agents/a1/drain');
  expect([drain.status, drain.json()]).toEqual([202, { agent: 'a1', draining: true }]);
  expect((await api('POST', '/agents/a9/drain')).status).toBe(404);
  expect((await api('POST', '/agents/a1/drain', { on: false })).json()).toEqual({
    agent: 'a1',
    draining: false,
  });
  expect((await api('POST', '/agents/a1/drain', { no: 1 })).status).toBe(400);
  const out = await api('POST', '/agents/a1/out-of-service');
  expect([out.status, out.json()]).toEqual([202, { agent: 'a1', outOfService: true }]);
  await api('POST', '/agents/a1/out-of-service', { on: false });
  expect(world.backend.calls.slice(-2)).toEqual([
    ['outOfService', 'a1', true],
    ['outOfService', 'a1', false],
  ]);
  expect((await api('POST', '/agents/a9/out-of-service')).status).toBe(404);
  expect((await api('GET', '/trunks')).json()).toMatchObject([
    { trunk: 'office', proxies: [{ status: 200 }] },
  ]);
});

test('calls out: made, listed, withdrawn; what is not allowed says which setting would allow it', async () => {
  const made = await api('POST', '/rooms/1000/calls', { to: '+4930123', timeoutS: 30, trunk: 'office' });
  expect(made.status).toBe(201);
  expect(made.json()).toMatchObject({ call: 'call-1', state: 'ringing', status: 180 });
  expect(world.backend.calls.at(-1)).toEqual([
    'dial',
    '1000',
    { to: '+4930123', timeoutMs: 30_000, trunk: 'office' },
  ]);
  const refused = await api('POST', '/rooms/1000/calls', { to: '+1900' });
  expect(refused.status).toBe(403);
  expect(refused.json()).toMatchObject({ detail: expect.stringContaining('sip.trunks[].outbound.numbers') });
  expect((await api('POST', '/rooms/1000/calls', { to: 'x', timeoutS: 1 })).status).toBe(400);
  expect((await api('GET', '/rooms/1000/calls')).json()).toHaveLength(1);
  expect((await api('GET', '/rooms/1000/calls/call-1')).json()).toMatchObject({ text: 'It rings.' });
  expect((await api('GET', '/rooms/1000/calls/other')).status).toBe(404);
  expect((await api('DELETE', '/rooms/1000/calls/call-1')).status).toBe(204);
  expect((await api('DELETE', '/rooms/2000/calls/call-1')).status).toBe(404);
});

test('paths between routers: told in numbers and in a sentence', async () => {
  expect((await api('GET', '/paths')).json()).toEqual(await world.backend.paths());
});

test('drills: begun in words, listed, ended', async () => {
  const impairment = { loss: '30%', burst: '80ms', delay: '100ms', rate: '200kbit' };
  const made = await api('POST', '/drills', { room: '1000', seconds: 30, impairment });
  expect(made.status).toBe(201);
  expect(made.headers['location']).toBe('/api/v1/drills/drill-1');
  expect(made.json()).toMatchObject({ drill: 'drill-1', impairment: { loss: '30%' }, endsAt: 60_001 });
  expect(world.backend.calls.at(-1)).toEqual([
    'drill',
    {
      room: '1000',
      seconds: 30,
      direction: 'both',
      impairment: { loss: 0.3, burst: { ms: 80 }, delayMs: 100, rateBps: 200_000 },
    },
  ]);
  await api('POST', '/drills', { leg: 'l1', direction: 'to-member', impairment: { delay: '1s' } });
  expect(world.backend.calls.at(-1)).toEqual([
    'drill',
    { leg: 'l1', seconds: 60, direction: 'to-member', impairment: { delayMs: 1000 } },
  ]);
  expect((await api('GET', '/drills')).json()).toMatchObject([
    { drill: 'drill-1', legs: [{ impaired: true }, { impaired: false, text: 'It travels by TCP.' }] },
  ]);
  expect((await api('GET', '/drills/drill-1')).json()).toMatchObject({ room: '1000' });
  expect((await api('GET', '/drills/drill-2')).status).toBe(404);
  expect((await api('DELETE', '/drills/drill-1')).status).toBe(204);
  expect((await api('DELETE', '/drills/drill-2')).status).toBe(404);
});

test.each([
  [{ room: '1000' }, 400, 'body.impairment'],
  [{ room: '1000', impairment: {} }, 400, 'A drill needs something to impair'],
  [{ impairment: { loss: '1%' } }, 400, 'A drill needs a room or a leg, and not both.'],
  [
    { room: '1000', leg: 'l1', impairment: { loss: '1%' } },
    400,
    'A drill needs a room or a leg, and not both.',
  ],
  [{ room: '1000', impairment: { loss: 30 } }, 400, 'body.impairment.loss'],
  [
    { room: '1000', impairment: { loss: '130%' } },
    400,
    'loss 130% cannot be read: write a share from 0% to 100%.',
  ],
  [{ room: '1000', impairment: { lost: '30%' } }, 400, 'Unrecognized key: "lost"'],
  [{ room: '1000', seconds: 601, impairment: { loss: '1%' } }, 400, 'body.seconds'],
  [{ room: 'busy', impairment: { loss: '1%' } }, 409, 'A drill runs in room busy already.'],
])('a drill %j is refused with %d', async (body, status, detail) => {
  const answer = await api('POST', '/drills', body);
  expect(answer.status).toBe(status);
  expect(answer.json()['detail']).toContain(detail);
});

test('a ticket is given', async () => {
  const ask = { user: 'alice', protocol: 'rtmp', role: 'publish' };
  const answer = await api('POST', '/rooms/1000/tickets', ask);
  expect([answer.status, answer.json()]).toEqual([
    201,
    { url: 'rtmp://h/room/1000/alice', token: 'tk_x', expiresAt: 2 },
  ]);
  expect(world.backend.calls.at(-1)).toEqual(['ticket', { room: '1000', ...ask }]);
  expect((await api('POST', '/rooms/1000/tickets', { ...ask, protocol: 'sip' })).status).toBe(400);
});

test('probes need no key', async () => {
  expect((await ask(`${base}/healthz`)).json()).toEqual({ status: 'ok' });
  expect((await ask(`${base}/readyz`)).json()).toEqual({ status: 'ready' });
  world.backend.ready = async () => ({ ready: false, why: 'Draining.' });
  expect((await ask(`${base}/readyz`)).json()).toMatchObject({
    status: 503,
    type: 'urn:roombridge:problem:not-ready',
    detail: 'Draining.',
  });
  world.metrics.count('sip', 'junk', 'short');
  world.metrics.legOpened('sip', 40);
  world.metrics.legClosed('sip', { blame: 'client', reason: 'bye' });
  world.metrics.gauge('rooms', 'Rooms.', () => [{ value: 3 }]);
  const metrics = await ask(`${base}/metrics`);
  expect(metrics.headers['content-type']).toMatch(/^text\/plain/);
  for (const line of [
    'roombridge_sip_junk_total{reason="short"} 1',
    'roombridge_legs_opened_total{gateway="sip"} 1',
    'roombridge_leg_setup_seconds_bucket{le="0.05",gateway="sip"} 1',
    'roombridge_legs_closed_total{gateway="sip",blame="client",reason="bye"} 1',
    'roombridge_rooms 3',
    'roombridge_http_requests_total{method="GET",status="401"} 3',
  ])
    expect(metrics.body).toContain(line);
});

test('the OpenAPI description has every route with its key', async () => {
  const { paths, openapi } = (await ask(`${base}/api/openapi.json`)).json() as {
    openapi: string;
    paths: Record<string, Record<string, { security?: object[]; responses: object }>>;
  };
  expect(openapi).toBe('3.1.0');
  const all = Object.entries(paths).flatMap(([p, m]) => Object.keys(m).map(k => `${k.toUpperCase()} ${p}`));
  expect(all.sort()).toEqual([
    'DELETE /api/v1/drills/{drill}',
    'DELETE /api/v1/rooms/{room}',
    'DELETE /api/v1/rooms/{room}/calls/{call}',
    'DELETE /api/v1/rooms/{room}/participants',
    'DELETE /api/v1/rooms/{room}/participants/{participant}',
    'GET /api/v1/agents',
    'GET /api/v1/drills',
    'GET /api/v1/drills/{drill}',
    'GET /api/v1/legs',
    'GET /api/v1/legs/{leg}',
    'GET /api/v1/legs/{leg}/ladder',
    'GET /api/v1/paths',
    'GET /api/v1/rooms',
    'GET /api/v1/rooms/{room}',
    'GET /api/v1/rooms/{room}/calls',
    'GET /api/v1/rooms/{room}/calls/{call}',
    'GET /api/v1/rooms/{room}/participants',
    'GET /api/v1/rooms/{room}/participants/{participant}',
    'GET /api/v1/trunks',
    'GET /healthz',
    'GET /metrics',
    'GET /readyz',
    'POST /api/v1/agents/{agent}/drain',
    'POST /api/v1/agents/{agent}/out-of-service',
    'POST /api/v1/drills',
    'POST /api/v1/rooms/{room}/calls',
    'POST /api/v1/rooms/{room}/participants/{participant}/mute',
    'POST /api/v1/rooms/{room}/tickets',
    'PUT /api/v1/rooms/{room}',
  ]);
  for (const [path, methods] of Object.entries(paths))
    for (const route of Object.values(methods))
      expect(route.security, path).toEqual(path.startsWith('/api/') ? [{ adminKey: [] }] : undefined);
});

test('every route of the description says what it does, what it takes by example, and how it may fail', async () => {
  interface Op {
    summary?: string;
    requestBody?: { content: Record<string, object> };
    responses: Record<string, { description: string }>;
  }
  const { paths } = (await ask(`${base}/api/openapi.json`)).json() as {
    paths: Record<string, Record<string, Op>>;
  };
  for (const [path, methods] of Object.entries(paths))
    for (const [method, { summary, requestBody, responses }] of Object.entries(methods)) {
      const at = `${method} ${path}`;
      expect(summary, at).toMatch(/^[A-Z].*\.$/);
      if (!path.startsWith('/api/')) continue;
      for (const code of [400, 401, 429, 503]) expect(responses[code]?.description, at).toBeTruthy();
      for (const content of Object.values(requestBody?.content ?? {}))
        expect(JSON.stringify(content), at).toMatch(/"examples?":/);
    }
});
