import { createServer, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { Client, type IFrame, type IMessage } from '@stomp/stompjs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
import type {
  Agent,
  Host,
  HttpMount,
  Leg,
  LegEvent,
  LegRequest,
  PlacedLeg,
  Termination,
  TicketRequest,
} from '../../src/contract.ts';
import { refuse } from '../../src/kit/refusal.ts';
import { Events, FakeSeat, fakeHost } from '../../test/harness/fakes.ts';
import { createStompAgent } from './agent.ts';
import { config } from './config.ts';

/** The agent behind a real HTTP server, and a host that seats whoever asks. */
class World {
  readonly server: Server = createServer();
  readonly sockets = new Set<Socket>();
  readonly requests: LegRequest[] = [];
  readonly asked: unknown[] = [];
  readonly closed: Termination[] = [];
  readonly host: Host & { readonly counts: string[] };
  seat = new FakeSeat();
  events = new Events();
  leg: Leg | undefined;
  agent!: Agent;
  /** What happens when a client wants to join, before it is seated. */
  admit: (request: LegRequest, signal: AbortSignal) => Promise<void> = async () => {};
  #tell: (e: LegEvent) => void = () => {};

  constructor() {
    const http: HttpMount = {
      route() {},
      upgrade: (path, handler) =>
        void this.server.on('upgrade', (request, socket, head) => {
          if (request.url === path) handler(request, socket, head);
          else socket.destroy();
        }),
      bases: ['http://127.0.0.1'],
    };
    this.host = fakeHost({
      http,
      place: (request, on, signal) => this.#place(request, on, signal),
      ticket: async (ask: TicketRequest) => {
        this.asked.push(ask);
        return { url: 'rtmp://127.0.0.1/room/1000/alice', token: 't', expiresAt: 5 };
      },
      room: {
        mute: async (...asked) => void this.asked.push(asked),
        text: async (_room, _participant, text) => {
          if (text === 'forbidden') throw refuse('client', 'room-locked', 'The room is locked.');
          this.asked.push(text);
        },
      },
    });
  }

  async start(settings: object = {}): Promise<void> {
    this.server.on('connection', socket => {
      this.sockets.add(socket);
      socket.once('close', () => this.sockets.delete(socket));
    });
    this.agent = createStompAgent(this.host, config.parse(settings), 'stomp-1');
    await this.agent.start();
    await new Promise<void>(resolve => this.server.listen(0, '127.0.0.1', resolve));
  }
  get url(): string {
    return `ws://127.0.0.1:${(this.server.address() as AddressInfo).port}/stomp`;
  }
  /** What the front hears of its leg. */
  tell(e: LegEvent): void {
    this.#tell(e);
  }

  async #place(request: LegRequest, on: (e: LegEvent) => void, signal: AbortSignal): Promise<PlacedLeg> {
    this.requests.push(request);
    this.#tell = on;
    await this.admit(request, signal);
    this.leg = await this.agent.take(request, this.seat, e => {
      this.events.emit(e);
      if (e.type === 'closed') this.closed.push(e.why);
    });
    return {
      id: request.leg,
      agent: 'stomp-1',
      participant: this.seat.participant,
      secret: 'resume-me',
      send: c => this.leg?.handle(c),
    };
  }
}

/** On a busy machine a WebSocket may take its time. */
const eventually = <T>(check: () => T): Promise<T> => vi.waitFor(check, { timeout: 10_000, interval: 10 });

/** A member with the STOMP client that browsers use. */
class Member {
  readonly facts: { type: string; [key: string]: unknown }[] = [];
  readonly errors: IFrame[] = [];
  readonly client: Client;
  closedBy: number | undefined;

  constructor(url: string, headers: Record<string, string> = { login: 'alice' }) {
    this.client = new Client({
      webSocketFactory: () => new WebSocket(url, ['v12.stomp']) as unknown as globalThis.WebSocket,
      connectHeaders: headers,
      reconnectDelay: 0,
      onConnect: () =>
        this.client.subscribe('/room/1000', (m: IMessage) => void this.facts.push(JSON.parse(m.body))),
      onStompError: frame => void this.errors.push(frame),
      onWebSocketClose: event => (this.closedBy = event.code),
    });
    this.client.activate();
  }
  send(verb: string, body: unknown): void {
    this.client.publish({
      destination: `/room/1000/${verb}`,
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
  }
  async joined(): Promise<this> {
    await eventually(() => expect(this.facts[1]).toMatchObject({ type: 'roster' }));
    return this;
  }
  /** The first fact of this kind. */
  async fact(type: string): Promise<object> {
    return eventually(() => {
      const fact = this.facts.find(f => f.type === type);
      if (fact === undefined) throw new Error(`no ${type}; got ${JSON.stringify(this.facts)}`);
      return fact;
    });
  }
}

let world: World;
const members: Member[] = [];
const join = (headers?: Record<string, string>): Member => {
  const member = new Member(world.url, headers);
  members.push(member);
  return member;
};

beforeEach(async () => {
  world = new World();
  await world.start();
});
afterEach(async () => {
  for (const member of members.splice(0)) await member.client.deactivate({ force: true });
  await world.agent.close();
  for (const socket of world.sockets) socket.destroy();
  await new Promise(resolve => world.server.close(resolve));
});

describe('joining', () => {
  it('is a signalling leg, pinned here; the member hears who it is and who is there', async () => {
    const member = await join({ login: 'alice', passcode: 'token' }).joined();
    expect(world.requests).toMatchObject([
      {
        gateway: 'stomp',
        room: '1000',
        roles: ['signal'],
        pin: 'stomp-1',
        who: { user: 'alice', credential: 'token', address: '127.0.0.1' },
      },
    ]);
    expect(member.facts).toEqual([
      { type: 'joined', participant: 'alice', secret: 'resume-me' },
      { type: 'roster', members: [] },
    ]);
    expect(world.seat.isConfirmed).toBe(true);
  });

  it('a refusal is an ERROR frame in its words, and the connection is closed', async () => {
    world.admit = async () => {
      throw refuse('client', 'room-full', 'Room 1000 is full; try again later.');
    };
    const member = join();
    await eventually(() => expect(member.closedBy).toBe(1000));
    expect(member.errors[0]).toMatchObject({
      headers: { message: 'room-full' },
      body: 'Room 1000 is full; try again later.',
    });
  });

  it('a client that goes while the room is asked withdraws, and is not seated any more', async () => {
    let seating: (() => void) | undefined;
    let aborted = false;
    world.admit = (_, signal) => {
      signal.addEventListener('abort', () => (aborted = true));
      return new Promise(resolve => (seating = resolve));
    };
    const member = join();
    await eventually(() => expect(seating).toBeDefined());
    await member.client.deactivate({ force: true });
    await eventually(() => expect(aborted).toBe(true));
    seating?.();
    await expect(
      world.agent.take(world.requests[0] as LegRequest, new FakeSeat(), () => {}),
    ).rejects.toMatchObject({ why: { reason: 'connection-lost' } });
    expect(world.leg).toBeUndefined();
    expect(world.seat.isConfirmed).toBe(false);
  });
});

describe('a member', () => {
  it('hears what happens in the room', async () => {
    const member = await join().joined();
    for (const watcher of world.seat.watchers) watcher({ type: 'speaking', participants: ['bob'] });
    expect(await member.fact('speaking')).toEqual({ type: 'speaking', participants: ['bob'] });
  });

  it('mutes itself, writes, and gets tickets', async () => {
    const member = await join().joined();
    member.send('mute', { media: 'audio', on: true });
    member.send('text', { text: 'hello, 世界' });
    member.send('ticket', { id: 'a', protocol: 'rtmp', role: 'publish' });
    expect(await member.fact('ticket')).toEqual({
      type: 'ticket',
      id: 'a',
      url: 'rtmp://127.0.0.1/room/1000/alice',
      token: 't',
      expiresAt: 5,
    });
    expect(world.asked).toEqual([
      ['1000', 'alice', 'audio', true],
      'hello, 世界',
      { room: '1000', user: 'alice', participant: 'alice', protocol: 'rtmp', role: 'publish' },
    ]);
  });

  it.each([
    ['what is not JSON', 'mute', '{', 'bad-body', /not JSON/],
    ['a wrong shape', 'mute', { media: 'smell', on: true }, 'bad-body', /does not fit/],
    ['more than was asked for', 'mute', { media: 'audio', on: true, x: 1 }, 'bad-body', /does not fit/],
    ['a novel', 'text', { text: 'é'.repeat(3000) }, 'bad-body', /4096 bytes/],
    ['an unknown verb', 'dance', {}, 'bad-body', /no verb dance/],
    ['what the room refuses', 'text', { text: 'forbidden' }, 'room-locked', /is locked/],
  ])('%s is refused in words and the member stays', async (_, verb, body, reason, text) => {
    const member = await join().joined();
    member.send(verb, body);
    expect(await member.fact('refused')).toEqual({
      type: 'refused',
      verb,
      reason,
      text: expect.stringMatching(text),
    });
    member.send('text', { text: 'still here' });
    await eventually(() => expect(world.asked).toEqual(['still here']));
  });

  it('writes 4096 bytes at once, and not one more', async () => {
    const member = await join().joined();
    const longest = `${'字'.repeat(1365)}a`;
    member.send('text', { text: `${longest}b` });
    expect(await member.fact('refused')).toMatchObject({ text: expect.stringMatching(/4096 bytes .* 4097/) });
    member.send('text', { text: longest });
    await eventually(() => expect(world.asked).toEqual([longest]));
  });

  it('is told when an admin mutes it', async () => {
    const member = await join().joined();
    world.leg?.handle({ type: 'mute', media: 'audio', on: true });
    expect(await member.fact('muted')).toEqual({ type: 'muted', media: 'audio', on: true });
  });
});

describe('the end', () => {
  it('by DISCONNECT is nobody’s fault', async () => {
    const member = await join().joined();
    await member.client.deactivate();
    await eventually(() => expect(world.closed).toEqual([{ blame: 'none', reason: 'hung-up' }]));
  });

  it('by a broken connection keeps the seat’s claim: connection-lost', async () => {
    await join().joined();
    for (const socket of world.sockets) socket.destroy();
    await eventually(() =>
      expect(world.closed).toMatchObject([{ blame: 'client', reason: 'connection-lost' }]),
    );
  });

  const kicked: Termination = { blame: 'server', reason: 'kicked', text: 'You were removed by an admin.' };

  it('by a kick is told, once, and keeps its verdict', async () => {
    const member = await join().joined();
    world.leg?.handle({ type: 'close', why: kicked });
    await eventually(() => expect(member.closedBy).toBe(1000));
    expect(member.errors).toHaveLength(1);
    expect(member.errors[0]).toMatchObject({ headers: { message: 'kicked' }, body: kicked.text });
    expect(world.closed).toEqual([kicked]);
  });

  it('of the leg elsewhere ends the connection too', async () => {
    const member = await join().joined();
    world.tell({ type: 'closed', why: kicked });
    await eventually(() => expect(member.errors[0]?.headers.message).toBe('kicked'));
  });

  it('of the agent tells everyone', async () => {
    const all = [await join().joined()];
    world.seat = new FakeSeat('1000', 'bob');
    all.push(await join().joined());
    await world.agent.close();
    for (const member of all)
      await eventually(() => expect(member.errors[0]?.headers.message).toBe('shutting-down'));
    expect(world.closed.map(w => w.reason)).toEqual(['shutting-down', 'shutting-down']);
  });
});

describe('strangers', () => {
  /** Sends these WebSocket messages; what came back until the close. */
  const throwAt = (messages: readonly (string | Buffer)[]): Promise<{ said: string; code: number }> =>
    new Promise((resolve, reject) => {
      const socket = new WebSocket(world.url);
      let said = '';
      socket.on('message', data => (said += String(data)));
      socket.on('open', () => {
        for (const m of messages) socket.send(m);
      });
      socket.on('close', code => resolve({ said, code }));
      socket.on('error', reject);
    });

  it('who do not speak STOMP get an ERROR in words', async () => {
    const { said } = await throwAt(['GET / HTTP/1.1\r\n\r\n']);
    expect(said).toMatch(/^ERROR\nmessage:bad-frame\n.*This is not a STOMP frame/s);
    expect(world.requests).toEqual([]);
  });

  it('frames beyond the limit close the connection, and are counted', async () => {
    const { code } = await throwAt([Buffer.alloc(70_000, 97)]);
    expect(code).toBe(1009);
    expect(world.host.counts).toContain('dropped/websocket-error');
  });

  it('connections beyond the limit of an address are closed at once', async () => {
    await world.agent.close();
    await new Promise(resolve => world.server.close(resolve));
    world = new World();
    await world.start({ maxPerAddress: 1 });
    await join().joined();
    const { code } = await throwAt([]);
    expect(code).toBe(1013);
    expect(world.host.counts).toContain('refused/too-many-connections');
  });
});
