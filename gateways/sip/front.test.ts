import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { Front, Host, Json, LadderStep, LegCommand, LegEvent, LegRequest } from '../../src/contract.ts';
import { systemClock } from '../../src/io/clock.ts';
import { drive } from '../../src/io/drive.ts';
import { openFlows } from '../../src/io/flows.ts';
import { refuse } from '../../src/kit/refusal.ts';
import { SipEndpoint } from '../../src/proto/sip/endpoint.ts';
import type { DialOptions, SipInput } from '../../src/proto/sip/events.ts';
import { EndpointSignalling, type OnCall, type SipCall } from '../../src/proto/sip/signalling.ts';
import { Child, missing } from '../../test/harness/child.ts';
import { fakeHost } from '../../test/harness/fakes.ts';
import { freePort } from '../../test/harness/ports.ts';
import { sipConfig } from './config.ts';
import { createSipFront } from './front.ts';
import { sipNative } from './native.ts';

const SDP =
  'v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4002 RTP/AVP 0\r\n';

/** A platform without agents: remembers what it was asked, answers offers by `SDP`. */
class FakePlatform {
  readonly requests: LegRequest[] = [];
  readonly commands: LegCommand[] = [];
  /** What the front left for a successor, the newest last. */
  readonly wills: Json[] = [];
  readonly ladder: LadderStep[] = [];
  readonly legs = new Map<string, (e: LegEvent) => void>();
  aborted = 0;
  /** Milliseconds until a leg is placed; null: never. */
  delayMs: number | null = 0;
  refusal: Error | undefined;
  readonly host: Host & { readonly counts: string[] };

  constructor(overrides: Partial<Host> = {}) {
    this.host = fakeHost({
      ladder: (_, step) => void this.ladder.push(step),
      place: (r, on, signal) => this.#place(r, on, signal),
      ...overrides,
    });
  }

  async #place(request: LegRequest, on: (e: LegEvent) => void, signal: AbortSignal) {
    this.requests.push(request);
    signal.addEventListener('abort', () => this.aborted++);
    if (this.refusal) throw this.refusal;
    if (this.delayMs === null) await new Promise(() => {});
    if (this.delayMs) await new Promise(done => setTimeout(done, this.delayMs as number));
    const { leg } = request;
    this.legs.set(leg, on);
    const send = (c: LegCommand): void => {
      if (c.type === 'will') return void this.wills.push(c.native);
      this.commands.push(c);
      if (c.type === 'offer' || c.type === 'make-offer')
        on({ type: 'description', id: c.id, native: sipNative(SDP) });
      if (c.type === 'close') this.legs.delete(leg);
    };
    on({ type: 'description', id: 0, native: sipNative(SDP) });
    return { id: leg, agent: 'a', participant: request.who.user, secret: 's', send };
  }

  count(type: LegCommand['type']): number {
    return this.commands.filter(c => c.type === type).length;
  }
}

let front: Front | undefined;
const phones: Phone[] = [];
afterEach(async () => {
  for (const p of phones.splice(0)) await p.close();
  await front?.close({ blame: 'server', reason: 'shutting-down' });
  front = undefined;
});

async function start(platform: FakePlatform, config: object = {}): Promise<number> {
  front = createSipFront(platform.host, sipConfig.parse({ address: '127.0.0.1', port: 0, ...config }));
  const [address] = await front.start();
  return Number(/:(\d+)$/.exec(address?.url ?? '')?.[1]);
}

const scenario = (name: string): string =>
  fileURLToPath(new URL(`../../fixtures/sip/${name}.xml`, import.meta.url));

/** Runs sipp to its end; its exit code is 0 only when every call went by the scenario. */
async function sipp(
  name: string,
  port: number,
  args: readonly string[],
): Promise<{ code: number | null; output: string }> {
  const child = new Child('sipp', 'sipp', [
    `127.0.0.1:${port}`,
    ...['-sf', scenario(name), '-s', '1000', '-i', '127.0.0.1', '-p', String(await freePort()), '-nostdin'],
    ...args,
  ]);
  const code = await child.exited;
  return { code, output: child.output };
}

describe.skipIf(missing('sipp'))('with sipp', () => {
  test.each([
    ['udp', 'u1'],
    ['tcp', 't1'],
  ])('50 calls over %s', async (_, transport) => {
    const platform = new FakePlatform();
    const port = await start(platform);
    const { code, output } = await sipp('sipp-uac', port, ['-m', '50', '-r', '50', '-t', transport]);
    expect(code, output.slice(-2000)).toBe(0);
    expect(platform.requests).toHaveLength(50);
    expect(platform.requests[0]).toMatchObject({
      gateway: 'sip',
      room: '1000',
      roles: ['send', 'receive'],
      who: { user: 'phone', display: 'Phone 1', proof: 'claimed', address: '127.0.0.1' },
      begin: { type: 'offer' },
    });
    expect(platform.count('confirmed')).toBe(50);
    expect(platform.commands.filter(c => c.type === 'close')).toEqual(
      Array(50).fill({ type: 'close', why: { blame: 'none', reason: 'hung-up' } }),
    );
    expect(platform.legs.size).toBe(0);
  });

  test('every call completes at 10 % loss', async () => {
    const platform = new FakePlatform();
    const port = await start(platform);
    const args = ['-m', '100', '-r', '50', '-lost', '10'];
    const { code, output } = await sipp('sipp-uac', port, args);
    expect(code, output.slice(-2000)).toBe(0);
    expect(platform.requests).toHaveLength(100);
    // sipp takes a 200 that comes again (its ACK was lost) for the answer to a lost BYE now and then, and is gone:
    // those few end by the front's own timer.
    expect(platform.count('close')).toBeGreaterThan(90);
  }, 60_000);

  test('CANCEL while placing: 487, and whatever was begun is aborted', async () => {
    const platform = new FakePlatform();
    platform.delayMs = null;
    const port = await start(platform);
    const { code, output } = await sipp('sipp-cancel', port, ['-m', '10', '-r', '50']);
    expect(code, output.slice(-2000)).toBe(0);
    expect(platform.aborted).toBe(10);
  });
});

type CallNews = Parameters<OnCall>[0];

/** A phone made of the same endpoint, as the dialer uses it: flows + drive + proto/sip. */
class Phone {
  readonly news: CallNews[] = [];
  close: () => Promise<void> = async () => {};
  #waiting: (() => void)[] = [];
  #signalling: EndpointSignalling | undefined;
  #port = 0;

  static async to(port: number, can: { messages?: boolean } = {}): Promise<Phone> {
    const phone = new Phone();
    phone.#port = port;
    let feed: (input: SipInput) => void = () => {};
    const flows = await openFlows(
      { address: '127.0.0.1', port: 0, tcp: true, setting: 'phone' },
      systemClock,
      {
        datagram: (flow, bytes) => feed({ type: 'datagram', flow, bytes }),
        chunk: (flow, bytes) => feed({ type: 'chunk', flow, bytes }),
        closed: flow => feed({ type: 'flow-closed', flow }),
        junk() {},
      },
    );
    const local = () => ({ host: '127.0.0.1', port: flows.port });
    const endpoint = new SipEndpoint({ random: randomBytes, local, name: 'phone', ...can });
    phone.#signalling = new EndpointSignalling(input => feed(input), {
      send: (flow, bytes) => flows.send(flow, bytes),
      hangUp: flow => flows.hangUp(flow),
      incoming: () => () => {},
      count() {},
      bug: (_, error) => {
        throw error;
      },
    });
    const run = drive(endpoint, systemClock, out => phone.#signalling?.act(out));
    feed = input => run.feed(input);
    phone.close = async () => {
      run.stop();
      await flows.close();
    };
    phones.push(phone);
    return phone;
  }

  dial(o: Partial<DialOptions> = {}, target = ''): SipCall {
    const to = target || `sip:1000@127.0.0.1:${this.#port}`;
    return (this.#signalling as EndpointSignalling).dial({ to, user: 'alice', sdp: SDP, ...o }, e => {
      this.news.push(e);
      for (const look of this.#waiting.splice(0)) look();
    });
  }

  ping(): Promise<number> {
    return (this.#signalling as EndpointSignalling).ping(`sip:127.0.0.1:${this.#port}`);
  }

  /** Waits for the n-th event of a type (from 1). */
  async next<T extends CallNews['type']>(type: T, n = 1): Promise<Extract<CallNews, { type: T }>> {
    for (;;) {
      const found = this.news.filter(e => e.type === type)[n - 1];
      if (found !== undefined) return found as Extract<CallNews, { type: T }>;
      await new Promise<void>(done => this.#waiting.push(done));
    }
  }
}

describe('refusals', () => {
  test.each([
    ['no-common-codec', 'client', 488, '305 roombridge "No codec in common; offer opus."'],
    ['not-authorized', 'client', 403, '399 roombridge "No codec in common; offer opus."'],
    ['room-full', 'server', 486, '399 roombridge "No codec in common; offer opus."'],
    ['something-new', 'server', 503, '399 roombridge "No codec in common; offer opus."'],
  ] as const)('%s in words', async (reason, blame, status, warning) => {
    const platform = new FakePlatform();
    platform.refusal = refuse(blame, reason, 'No codec in common; offer opus.');
    const phone = await Phone.to(await start(platform));
    phone.dial();
    const failed = await phone.next('failed');
    expect(failed.status).toBe(status);
    expect(failed.response?.headers.get('warning')).toBe(warning);
    expect(failed.response?.headers.get('reason')).toBe(
      `SIP;cause=${status};text="No codec in common; offer opus."`,
    );
  });

  test('no agent: 503 with Retry-After', async () => {
    const platform = new FakePlatform();
    platform.refusal = refuse('server', 'no-agent', 'No agent is free.');
    const phone = await Phone.to(await start(platform));
    phone.dial();
    const failed = await phone.next('failed');
    expect(failed.status).toBe(503);
    expect(failed.response?.headers.get('retry-after')).toBe('10');
  });

  test('an address without a room: 404', async () => {
    const port = await start(new FakePlatform());
    const phone = await Phone.to(port);
    phone.dial({}, `sip:127.0.0.1:${port}`);
    expect((await phone.next('failed')).status).toBe(404);
  });

  test('port in use: one sentence', async () => {
    const port = await start(new FakePlatform());
    const second = createSipFront(fakeHost(), sipConfig.parse({ address: '127.0.0.1', port }));
    await expect(second.start()).rejects.toThrow(
      `UDP port ${port} on 127.0.0.1 is already in use: end the program that has it or set sip.port to another port.`,
    );
  });
});

describe('texts', () => {
  test.each(['udp', 'tcp'])('over %s: from the phone, and to it', async transport => {
    const platform = new FakePlatform();
    const port = await start(platform);
    const phone = await Phone.to(port, { messages: true });
    const call = phone.dial({}, `sip:1000@127.0.0.1:${port};transport=${transport}`);
    await phone.next('answered');
    await vi.waitUntil(() => platform.count('texts') === 1);
    const on = platform.legs.get(platform.requests[0]?.leg as string)!;

    call.message('hello');
    await vi.waitUntil(() => platform.count('say') === 1);
    const say = { type: 'say', id: 1, text: 'hello' };
    expect(platform.commands).toContainEqual(say);
    on({ type: 'said', id: 1 });
    expect((await phone.next('messaged')).status).toBe(200);
    call.message('y'.repeat(4097));
    expect((await phone.next('messaged', 2)).status).toBe(413);
    expect(platform.count('say')).toBe(1);

    on({ type: 'text', from: 'bob', text: 'z'.repeat(4096) });
    const parts: string[] = [];
    while (parts.join('').length < 4096) {
      const { id, text } = await phone.next('message', parts.length + 1);
      parts.push(text.replace(/^bob(?: \(\d+\/11\))?: /, ''));
      call.answerMessage(id, 200);
    }
    expect(parts).toHaveLength(transport === 'udp' ? 11 : 1);
    expect(parts.join('')).toBe('z'.repeat(4096));
  });

  test('a phone that shows none any more: the ladder says so', async () => {
    const platform = new FakePlatform();
    const phone = await Phone.to(await start(platform), { messages: true });
    const call = phone.dial();
    await phone.next('answered');
    await vi.waitUntil(() => platform.count('texts') === 1);
    platform.legs.get(platform.requests[0]?.leg as string)?.({ type: 'text', from: 'bob', text: 'x' });
    call.answerMessage((await phone.next('message')).id, 415);
    await vi.waitUntil(() => platform.count('texts') === 2);
    expect(platform.ladder.map(s => s.summary)).toContain(
      'texts of the room are not sent to this phone any more: it said 415 Unsupported Media Type to a MESSAGE',
    );
    expect(platform.host.counts).toContain('texts_dropped/not-shown');
  });
});

describe('a call', () => {
  test.each(['udp', 'tcp'])(
    'over %s: 180 while it takes a little, then 200, re-INVITE both ways, BYE with words',
    async transport => {
      const platform = new FakePlatform();
      platform.delayMs = 500;
      const port = await start(platform);
      const phone = await Phone.to(port);
      const call = phone.dial(
        { display: '阿丽' },
        `sip:r%C3%A9union@127.0.0.1:${port};transport=${transport}`,
      );
      expect((await phone.next('progress')).status).toBe(180);
      expect((await phone.next('answered')).sdp).toBe(SDP);
      expect(platform.requests[0]).toMatchObject({
        room: 'réunion',
        who: { user: 'alice', display: '阿丽' },
      });

      call.reinvite('HOLD');
      expect((await phone.next('reanswered')).sdp).toBe(SDP);
      expect(platform.commands).toContainEqual({ type: 'offer', id: 1, native: { sdp: 'HOLD' } });

      const leg = platform.requests[0]?.leg as string;
      platform.legs.get(leg)?.({ type: 'want-offer', why: 'codec' });
      expect((await phone.next('offer')).sdp).toBe(SDP);
      expect(platform.commands).toContainEqual({ type: 'make-offer', id: 2, why: 'refresh' });
      call.answer('THEIRS');
      await vi.waitUntil(() => platform.count('answer') === 1);

      platform.legs.get(leg)?.({
        type: 'closed',
        why: { blame: 'client', reason: 'kicked', text: 'An admin ended it.' },
      });
      const ended = await phone.next('ended');
      expect(ended).toMatchObject({ by: 'remote', reason: 'SIP;cause=403;text="An admin ended it."' });
      expect(platform.commands).toContainEqual({ type: 'answer', id: 2, native: { sdp: 'THEIRS' } });
      const summaries = platform.ladder.map(s => `${s.dir} ${s.summary}`);
      expect(summaries[0]).toMatch(/^in INVITE sip:r%C3%A9union@/);
      expect(summaries).toContain('out 200 OK (INVITE)');
      await vi.waitUntil(() => platform.ladder.at(-1)?.summary === '200 OK (BYE)');
    },
  );

  test('offerless: our offer in the 200, their answer from the ACK reaches the agent', async () => {
    const platform = new FakePlatform();
    const phone = await Phone.to(await start(platform));
    const call = phone.dial({ sdp: undefined });
    expect(await phone.next('answered')).toMatchObject({ sdp: SDP, owed: true });
    call.acknowledge('MINE');
    call.info('application/dtmf-relay', 'Signal=#\r\nDuration=200\r\n');
    call.info('application/unheard-of', 'x');
    call.info('application/dtmf', '7');
    call.info('application/media_control+xml', '<media_control>…<picture_fast_update/>…</media_control>');
    call.hangup();
    await phone.next('ended');
    expect(platform.requests[0]?.begin).toEqual({ type: 'make-offer', native: { srtp: 'optional' } });
    expect(platform.commands).toEqual([
      { type: 'answer', id: 0, native: { sdp: 'MINE' } },
      { type: 'confirmed' },
      { type: 'dtmf', digit: '#', ms: 200 },
      { type: 'dtmf', digit: '7', ms: 160 },
      { type: 'keyframe' },
      { type: 'close', why: { blame: 'none', reason: 'hung-up' } },
    ]);
  });

  test('a front that closes says BYE with a reason, and 503 to newcomers meanwhile', async () => {
    const platform = new FakePlatform();
    const phone = await Phone.to(await start(platform));
    phone.dial();
    await phone.next('answered');
    const closed = front?.close({ blame: 'server', reason: 'shutting-down', text: 'Going down.' });
    const ended = await phone.next('ended');
    expect(ended.reason).toBe('SIP;cause=503;text="Going down."');
    await closed;
    expect(platform.commands.at(-1)).toMatchObject({ type: 'close', why: { reason: 'shutting-down' } });
  });

  test('Replaces: another phone takes its place in its room, and it hears why it is hung up', async () => {
    const platform = new FakePlatform();
    const port = await start(platform);
    const one = await Phone.to(port);
    one.dial();
    const { response } = await one.next('answered');
    const tag = (a: { params: ReadonlyMap<string, string | undefined> }): string =>
      a.params.get('tag') as string;
    await vi.waitUntil(() => platform.wills.length === 1);
    const two = await Phone.to(port);
    const { callId, from, to } = response;
    const replaces = { callId, toTag: tag(to), fromTag: tag(from), earlyOnly: false };
    two.dial({ user: 'carol', replaces }, `sip:somewhere@127.0.0.1:${port}`);
    await two.next('answered');
    expect((await one.next('ended')).reason).toContain('RFC 3891');
    expect(platform.requests.map(r => [r.who.user, r.room])).toEqual([
      ['alice', platform.requests[0]?.room],
      ['carol', platform.requests[0]?.room],
    ]);
    await vi.waitUntil(() => platform.count('close') === 1);
  });

  test('REFER: refused in words where transfers are off', async () => {
    const port = await start(new FakePlatform());
    const phone = await Phone.to(port);
    const call = phone.dial();
    await phone.next('answered');
    call.refer('t', 'sip:bob@example.org');
    expect(await phone.next('referred')).toMatchObject({ status: 603, done: true });
  });

  test('a front that vanished: another ends its calls from what it left', async () => {
    const platform = new FakePlatform();
    const phone = await Phone.to(await start(platform));
    phone.dial();
    await phone.next('answered');
    await vi.waitUntil(() => platform.wills.length === 1);
    const will = JSON.parse(JSON.stringify(platform.wills[0])) as Json;
    const successor = createSipFront(fakeHost(), sipConfig.parse({ address: '127.0.0.1', port: 0 }));
    await successor.start();
    await successor.execute?.(will, {
      blame: 'server',
      reason: 'shutting-down',
      text: 'The front is gone.',
    });
    expect(await phone.next('ended')).toMatchObject({
      by: 'remote',
      reason: 'SIP;cause=503;text="The front is gone."',
    });
    await successor.close({ blame: 'server', reason: 'shutting-down' });
  });

  test('OPTIONS is answered', async () => {
    const phone = await Phone.to(await start(new FakePlatform()));
    expect(await phone.ping()).toBe(200);
  });
});

describe('access', () => {
  const guarded = (): FakePlatform =>
    new FakePlatform({
      authRequired: true,
      digestPasswords: name => (name === '99:1000:bob' ? ['old', 'right'] : undefined),
    });

  test('a digest that is right', async () => {
    const platform = guarded();
    const phone = await Phone.to(await start(platform));
    phone.dial({ credentials: { username: '99:1000:bob', password: 'right' } });
    await phone.next('answered');
    expect(platform.requests).toHaveLength(1);
    expect(platform.requests[0]?.who).toMatchObject({
      user: 'bob',
      proof: 'digest',
      credential: '99:1000:bob',
    });
    const secrets = platform.ladder.filter(s => /authorization:/i.test(s.text ?? ''));
    expect(secrets.length).toBeGreaterThan(0);
    for (const s of secrets) expect(s.text).toMatch(/Authorization: \(masked\)\r\n/);
  });

  test('a wrong one, and none', async () => {
    const platform = guarded();
    const port = await start(platform);
    const wrong = await Phone.to(port);
    wrong.dial({ credentials: { username: '99:1000:bob', password: 'wrong' } });
    expect((await wrong.next('failed')).status).toBe(403);
    const none = await Phone.to(port);
    none.dial();
    const failed = await none.next('failed');
    expect(failed.status).toBe(401);
    expect(failed.response?.headers.get('www-authenticate')).toMatch(/realm="roombridge".*SHA-256/);
    expect(platform.requests).toHaveLength(0);
  });

  test('tokens go to the platform, and nowhere else', async () => {
    const platform = guarded();
    const port = await start(platform);
    const one = await Phone.to(port);
    one.dial({ headers: [['X-Roombridge-Token', 'sesame']] });
    await one.next('answered');
    const two = await Phone.to(port);
    two.dial({}, `sip:1000@127.0.0.1:${port};token=sesame`);
    await two.next('answered');
    expect(platform.requests.map(r => r.who.credential)).toEqual(['sesame', 'sesame']);
    expect(JSON.stringify(platform.ladder)).not.toContain('sesame');
  });
});

test('bytes of every kind on both sockets, and the next call goes through', async () => {
  const platform = new FakePlatform();
  const port = await start(platform);
  const udp = createSocket('udp4');
  const tcp = connect({ host: '127.0.0.1', port });
  tcp.on('error', () => {});
  tcp.resume();
  const junk = [
    '',
    '\r\n\r\n',
    '\0\0',
    'INVITE foo SIP/2.0\r\n\r\n',
    'SIP/2.0 200 OK\r\nVia: x\r\n\r\n',
    'A'.repeat(60_000),
  ];
  for (const j of [
    ...junk.map(j => Buffer.from(j)),
    ...Array.from({ length: 200 }, (_, i) => randomBytes(i * 5)),
  ]) {
    udp.send(j, port, '127.0.0.1');
    tcp.write(j);
  }
  const gone = new Promise(done => tcp.once('close', done));
  const phone = await Phone.to(port);
  phone.dial();
  await phone.next('answered');
  await gone; // a stream that is no SIP is hung up
  udp.close();
  expect(platform.host.counts.some(c => c.startsWith('dropped/'))).toBe(true);
});
