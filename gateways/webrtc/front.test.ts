import { beforeEach, describe, expect, test } from 'vitest';
import type {
  Front,
  HttpResponse,
  Json,
  LegCommand,
  LegEvent,
  LegRequest,
  PlacedLeg,
} from '../../src/contract.ts';
import { type Refusal, refuse } from '../../src/kit/refusal.ts';
import { makeOffer } from '../../src/proto/webrtc/sdp.testing.ts';
import { fakeHost } from '../../test/harness/fakes.ts';
import { webrtcConfig } from './config.ts';
import { createWebRtcFront } from './front.ts';
import { type Ask, TestMount } from './mount.testing.ts';

const SDP = { 'content-type': 'application/sdp' };
const FRAGMENT = { 'content-type': 'application/trickle-ice-sdpfrag' };
const ANSWER = 'v=0\r\nan answer\r\na=ice-pwd:secret-of-ours\r\n';

let mount: TestMount;
let front: Front;
let placed: { request: LegRequest; on: (e: LegEvent) => void; commands: LegCommand[] }[];
let steps: string[];
let facts: [room: string, participant: string, fact: Json][];
/** What the agent does with an offer. */
let agent: (on: (e: LegEvent) => void) => void;

async function start(config: Record<string, unknown> = {}): Promise<void> {
  mount = new TestMount();
  placed = [];
  steps = [];
  facts = [];
  agent = on => on({ type: 'description', id: 0, native: { sdp: ANSWER } });
  const host = fakeHost({
    http: mount,
    tell: (...said) => void facts.push(said),
    ladder: (_, step) => void steps.push(`${step.summary}\n${step.text}`),
    async place(request, on): Promise<PlacedLeg> {
      const commands: LegCommand[] = [];
      placed.push({ request, on, commands });
      agent(on);
      const send = (c: LegCommand): void => {
        commands.push(c);
        if (c.type === 'offer')
          on({ type: 'description', id: c.id, native: { fragment: `fragment ${c.id}` } });
        if (c.type === 'close') on({ type: 'closed', why: c.why });
      };
      return { id: request.leg, agent: 'a', participant: 'alice', secret: 'resume-me', send };
    },
  });
  front = createWebRtcFront(host, webrtcConfig.parse(config));
  await front.start();
}
beforeEach(() => start());

const post = (url: string, ask: Ask = {}): Promise<HttpResponse> =>
  mount.ask('POST', url, { body: makeOffer([{}]), ...ask, headers: { ...SDP, ...ask.headers } });
const why = (p: Promise<unknown>) =>
  p.then(
    () => expect.fail('it was taken'),
    (e: Refusal) => e.why,
  );

describe('POST', () => {
  test('WHIP: places a sending leg and answers 201', async () => {
    const r = await post('/whip/caf%C3%A9?user=alice&track=screen', {
      headers: { authorization: 'Bearer a.b-c_d=' },
    });
    expect(r).toMatchObject({
      status: 201,
      body: ANSWER,
      headers: {
        'content-type': 'application/sdp',
        location: expect.stringMatching(/^\/whip\/sessions\/[\w-]{24}$/),
        etag: expect.stringMatching(/^"[\w-]+"$/),
        'x-roombridge-secret': 'resume-me',
        'access-control-allow-origin': '*',
        'access-control-expose-headers': expect.stringContaining('Location'),
      },
    });
    expect(placed[0]!.request).toMatchObject({
      v: 1,
      gateway: 'webrtc',
      direction: 'in',
      room: 'café',
      who: { user: 'alice', proof: 'claimed', credential: 'a.b-c_d=', address: '192.0.2.7' },
      roles: ['send'],
      track: 'screen', // a screen takes over no camera
      formats: ['opus'],
      begin: { type: 'offer', native: { kind: 'whip', track: 'screen', sdp: makeOffer([{}]) } },
    });
  });

  test('who is on which line of a player goes to the signalling of its participant', async () => {
    await post('/whep/1000?as=alice');
    placed[0]!.on({ type: 'slots', audio: ['bob', null], video: ['carol'], content: null });
    expect(facts).toEqual([
      [
        '1000',
        'alice',
        {
          type: 'slots',
          audio: ['bob', null],
          video: ['carol'],
          content: null,
        },
      ],
    ]);
    await post('/whip/1000?user=alice');
    expect(placed[1]!.request).not.toHaveProperty('track');
  });

  test('WHEP: the room, or one member', async () => {
    await post('/whep/1000?as=alice');
    await post('/whep/1000/bob');
    expect(placed.map(p => p.request)).toMatchObject([
      { who: { user: 'alice' }, roles: ['receive'], begin: { native: { kind: 'whep' } } },
      { who: { user: 'guest' }, begin: { native: { kind: 'whep', member: 'bob' } } },
    ]);
    expect(placed[0]!.request.who).not.toHaveProperty('credential');
  });

  test('the answer may come after the leg was placed', async () => {
    agent = on => setImmediate(() => on({ type: 'description', id: 0, native: { sdp: ANSWER } }));
    expect((await post('/whip/1000')).status).toBe(201);
  });

  test('what is no SDP, or not called so, or whose answer nobody wants', async () => {
    expect(await why(mount.ask('POST', '/whip/1000', { body: 'x' }))).toMatchObject({
      reason: 'unsupported-media-type',
    });
    expect(await why(post('/whip/1000', { headers: { 'content-type': 'application/json' } }))).toMatchObject({
      reason: 'unsupported-media-type',
    });
    expect(await why(post('/whip/1000', { body: 'nonsense' }))).toMatchObject({
      blame: 'client',
      reason: 'bad-sdp',
    });
    expect(await post('/whip/1000', { headers: { accept: 'text/html' } })).toMatchObject({ status: 406 });
    expect(
      (
        await post('/whip/1000', {
          headers: { accept: 'text/html, */*;q=0.1', 'content-type': 'Application/SDP; charset=utf-8' },
        })
      ).status,
    ).toBe(201);
    expect(placed.length).toBe(1);
  });

  test('refusals of rooms and agents go through in their own words, and leave nothing', async () => {
    agent = () => {
      throw refuse('client', 'wrong-pin', 'The PIN is wrong.');
    };
    expect(await why(post('/whip/1000'))).toMatchObject({ reason: 'wrong-pin' });
    agent = on => on({ type: 'closed', why: { blame: 'server', reason: 'agent-full' } });
    expect(await why(post('/whip/1000'))).toMatchObject({ reason: 'agent-full' });
  });

  test('one address has only so many sessions; ended ones count no more', async () => {
    await start({ maxPerAddress: 2 });
    const first = await post('/whip/1000');
    await post('/whep/1000');
    expect(await why(post('/whip/1000'))).toMatchObject({ reason: 'too-many-requests' });
    expect((await post('/whip/1000', { address: '192.0.2.8' })).status).toBe(201);
    placed[1]!.on({ type: 'closed', why: { blame: 'client', reason: 'hung-up' } });
    expect((await post('/whip/1000')).status).toBe(201);
    await mount.ask('DELETE', first.headers!.location!);
    expect((await post('/whip/1000')).status).toBe(201);
  });

  test('ice servers are told by Link', async () => {
    await start({ iceServers: ['stun:stun.example.org', 'turn:turn.example.org?transport=udp'] });
    expect((await post('/whip/1000')).headers!.link).toBe(
      '<stun:stun.example.org>; rel="ice-server", <turn:turn.example.org?transport=udp>; rel="ice-server"',
    );
  });

  test('ladders show both descriptions without passwords', async () => {
    await post('/whip/1000');
    expect(steps.map(s => s.split('\n')[0])).toEqual(['POST whip 1000', '201 Created']);
    expect(steps.join()).not.toMatch(/muCWoOi3uLifh0NuRHlSv|secret-of-ours/);
    expect(steps.join()).toContain('a=ice-pwd:…');
  });
});

describe('sessions', () => {
  const open = async (): Promise<{ url: string; etag: string }> => {
    const { headers } = await post('/whip/1000');
    return { url: headers!.location!, etag: headers!.etag! };
  };
  const patch = (
    url: string,
    headers: Record<string, string>,
    body = 'a=ice-ufrag:4ZcD\r\na=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n',
  ) => mount.ask('PATCH', url, { headers: { ...FRAGMENT, ...headers }, body });

  test('candidates are taken under the right ETag', async () => {
    const { url, etag } = await open();
    expect(await patch(url, { 'if-match': etag })).toMatchObject({ status: 204 });
    expect(await patch(url, { 'if-match': '"other"' })).toMatchObject({ status: 412 });
    expect(await patch(url, {})).toMatchObject({ status: 428 });
    expect(await why(patch(url, { 'if-match': etag, 'content-type': 'application/sdp' }))).toMatchObject({
      reason: 'unsupported-media-type',
    });
    expect(placed[0]!.commands).toEqual([]);
  });

  test('new credentials restart ICE and make a new ETag', async () => {
    const { url, etag } = await open();
    const fresh = `a=ice-ufrag:Fresh\r\na=ice-pwd:${'x'.repeat(24)}\r\n`;
    const r = await patch(url, { 'if-match': '*' }, fresh);
    expect(r).toMatchObject({
      status: 200,
      body: 'fragment 1',
      headers: { 'content-type': FRAGMENT['content-type'] },
    });
    expect(r.headers!.etag).not.toBe(etag);
    expect(placed[0]!.commands).toEqual([{ type: 'offer', id: 1, native: { restart: true } satisfies Json }]);
    expect(await patch(url, { 'if-match': '*' }, fresh)).toMatchObject({ status: 204 }); // the same again: no restart
    expect(await patch(url, { 'if-match': etag })).toMatchObject({ status: 412 });
  });

  test('DELETE hangs up, once', async () => {
    const { url } = await open();
    expect(await mount.ask('DELETE', url)).toMatchObject({ status: 200 });
    expect(placed[0]!.commands).toEqual([{ type: 'close', why: { blame: 'none', reason: 'hung-up' } }]);
    expect(await why(mount.ask('DELETE', url))).toMatchObject({ reason: 'not-found' });
    expect(await why(patch(url, { 'if-match': '*' }))).toMatchObject({ reason: 'not-found' });
  });

  test('OPTIONS lets pages of other origins in', async () => {
    expect(await mount.ask('OPTIONS', '/whip/1000')).toMatchObject({
      status: 204,
      headers: {
        'accept-post': 'application/sdp',
        'access-control-allow-headers': 'Authorization, Content-Type, If-Match',
      },
    });
    expect(await mount.ask('OPTIONS', '/whip/sessions/x')).toMatchObject({ status: 204 });
    expect(await mount.ask('OPTIONS', '/whep/1000/bob')).toMatchObject({ status: 204 });
  });

  test('close ends them all and takes no more', async () => {
    await open();
    await open();
    await front.close({ blame: 'server', reason: 'shutting-down' });
    expect(placed.map(p => p.commands)).toMatchObject([[{ type: 'close' }], [{ type: 'close' }]]);
    expect(await why(post('/whip/1000'))).toMatchObject({ reason: 'shutting-down' });
    await front.close({ blame: 'server', reason: 'shutting-down' });
  });
});

describe('a page is told through its signalling', () => {
  const opened = async (): Promise<string> =>
    String((await post('/whip/1000?user=alice')).headers?.location ?? '');

  test('that a session has ended without it, and which', async () => {
    const session = await opened();
    placed[0]?.on({ type: 'closed', why: { blame: 'server', reason: 'agent-lost' } });
    expect(facts).toEqual([['1000', 'alice', { type: 'session-ended', session }]]);
    await expect(
      mount.ask('PATCH', session, { body: '', headers: { ...FRAGMENT, 'if-match': '*' } }),
    ).rejects.toMatchObject({ why: { reason: 'not-found' } }); // so that a restart begins anew
  });
  test('not of one that it ended itself', async () => {
    await mount.ask('DELETE', await opened());
    expect(facts).toEqual([]);
  });
  test('that it should open another, when its agent is emptied', async () => {
    const session = await opened();
    placed[0]?.on({ type: 'move' });
    expect(facts).toEqual([['1000', 'alice', { type: 'session-moves', session }]]);
    expect(placed[0]?.request.returns).toBe(true);
  });
});
