import { createSocket, type Socket } from 'node:dgram';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { refuse } from '../../src/kit/refusal.ts';
import { openMount } from '../../test/contract/subjects/mount.ts';
import { ArtpRelay, portsOf } from '../../test/harness/artp-relay.ts';
import { eventually, OPUS, World } from './world.testing.ts';

let world: World;
beforeEach(async () => void (world = await World.open()));
afterEach(() => world.close());

describe('joining', () => {
  it('is a leg of its own, pinned here; the member hears who it is and who is there', async () => {
    const { member, events } = await world.join({ token: 't0ken', display: 'Alice' });
    expect(member.participant).toBe('alice');
    expect(world.requests).toMatchObject([
      {
        gateway: 'native',
        room: '1000',
        roles: ['send', 'receive', 'signal'],
        pin: 'native-1',
        who: { user: 'alice', display: 'Alice', credential: 't0ken', address: '127.0.0.1' },
      },
    ]);
    expect(world.seats[0]?.isConfirmed).toBe(true);
    await eventually(() => expect(events).toContainEqual({ type: 'roster', members: [] }));
    await eventually(() => expect(member.state).toBe('active'));
  });

  it('is refused in the words of the platform', async () => {
    world.admit = async () => {
      throw refuse('client', 'room-full', 'Room 1000 is full; try again later.');
    };
    await expect(world.join()).rejects.toThrow('Room 1000 is full; try again later.');
    expect(world.host.counts).toContain('refused/room-full');
  });

  it('is told of every way that does not lead there', async () => {
    const gone = await World.open();
    const { url } = gone;
    await gone.close();
    const webSocket = 'ws://127.0.0.1:1/artp';
    await expect(world.join({ url, insecure: false, webSocket })).rejects.toThrow(
      /^No TLS connection to 127\.0\.0\.1:\d+ \(ECONNREFUSED\): .* No TLS connection to ws:\/\/127\.0\.0\.1:1\/artp/,
    );
  });

  it('wants a certificate that proves something', async () => {
    await expect(world.join({ insecure: false })).rejects.toThrow(/is self-signed: give its authority/);
    await expect(world.join({ fingerprint: 'AA:BB' })).rejects.toThrow(/not the one asked for/);
    expect(world.requests).toEqual([]);
  });
});

describe('where TCP does not come through', () => {
  it('HELLO goes over DTLS on the UDP port, through half of all datagrams lost both ways', async () => {
    const relay = await ArtpRelay.open(portsOf(world.url));
    relay.streams(false);
    let seed = 5;
    relay.loses = () => (seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31) / 2 ** 31 < 0.5;
    const { member } = await world.join({ url: relay.url('1000') });
    expect(world.requests).toHaveLength(1);
    await member.text('through');
    expect(world.texts).toEqual(['through']);
    relay.loses = () => false;
    await member.leave();
    await relay.close();
  }, 30_000);

  it('a stream that is refused again and again leaves the socket alone, and what is known of its way', async () => {
    const relay = await ArtpRelay.open(portsOf(world.url));
    relay.streams(false);
    const { member, events } = await world.join({ url: relay.url('1000') });
    await eventually(() => expect(member.state).toBe('active'));
    const [sockets, refused] = [relay.clients, relay.refused];
    await eventually(() => expect(relay.refused).toBeGreaterThanOrEqual(refused + 3));
    expect(relay.clients).toBe(sockets);
    expect(events.map(e => e.type)).not.toContain('resumed');
    await member.leave();
    await relay.close();
  });

  it('nor UDP, all goes by a WebSocket', async () => {
    const mount = await openMount();
    const own = await World.open({}, { http: mount });
    const relay = await ArtpRelay.open(portsOf(own.url));
    relay.streams(false);
    relay.loses = () => true;
    const webSocket = `ws://127.0.0.1:${mount.port}/artp`;
    const { member } = await own.join({ url: relay.url('1000'), webSocket });
    await member.text('through');
    expect(own.texts).toEqual(['through']);
    expect(member.paths().find(p => p.active)?.route.kind).toBe('stream');
    await member.leave();
    await own.close();
    await mount.close();
    await relay.close();
  });

  it('a refusal comes in words, too', async () => {
    const relay = await ArtpRelay.open(portsOf(world.url));
    relay.streams(false);
    world.admit = async () => {
      throw refuse('client', 'room-full', 'Room 1000 is full; try again later.');
    };
    await expect(world.join({ url: relay.url('1000') })).rejects.toThrow('Room 1000 is full');
    await relay.close();
  });

  it('several ways that all get through are one joining', async () => {
    const relay = await ArtpRelay.open(portsOf(world.url));
    let admit: () => void = () => {};
    const waiting = new Promise<void>(done => (admit = done));
    world.admit = () => waiting;
    const joining = world.join({ url: relay.url('1000') });
    await new Promise(done => setTimeout(done, 2500)); // DTLS has said HELLO meanwhile
    admit();
    await joining;
    expect(world.requests).toHaveLength(1);
    await relay.close();
  });
});

describe('a member', () => {
  it('writes and mutes itself; what is too long or refused is told in words', async () => {
    const { member } = await world.join();
    await member.text('é'.repeat(2048));
    await expect(member.text(`${'é'.repeat(2048)}a`)).rejects.toThrow(/4096 bytes at most.* 4097/);
    await expect(member.text('forbidden')).rejects.toThrow('The room is locked.');
    await member.mute('audio', true);
    expect(world.texts).toEqual(['é'.repeat(2048), ['1000', 'alice', 'audio', true]]);
  });

  it('whose client looks at no text is told by the server that one is too long', async () => {
    const { member, events } = await world.join();
    world.legs[0]?.message({ t: 'text', id: 77, text: `${'字'.repeat(1365)}aa` });
    await eventually(() =>
      expect(events).toContainEqual({
        type: 'refused',
        of: 'text',
        why: {
          blame: 'client',
          reason: 'text-too-long',
          text: 'A text has 4096 bytes at most, and this one has 4097: send it in parts.',
        },
      }),
    );
    expect(world.texts).toEqual([]);
    await member.text(`${'字'.repeat(1365)}a`); // 4096
    expect(world.texts).toHaveLength(1);
  });

  it('hears what happens in the room, and what an admin does', async () => {
    const { events } = await world.join();
    await eventually(() => expect(world.seats[0]?.watchers.size).toBe(1));
    for (const watcher of world.seats[0]!.watchers) watcher({ type: 'text', from: 'bob', text: '你好' });
    world.legs[0]?.handle({ type: 'mute', media: 'audio', on: true });
    await eventually(() => expect(events).toContainEqual({ type: 'muted', media: 'audio', on: true }));
    expect(events).toContainEqual({ type: 'text', from: 'bob', text: '你好' });
  });

  it('leaves, and its leg is closed', async () => {
    const { member, events } = await world.join();
    await member.leave();
    await eventually(() => expect(world.closed).toMatchObject([{ blame: 'none', reason: 'hung-up' }]));
    expect(events.at(-1)).toMatchObject({ type: 'ended', why: { reason: 'hung-up' } });
  });

  it('is told why when it is thrown out', async () => {
    const { member, events } = await world.join();
    world.legs[0]?.handle({
      type: 'close',
      why: { blame: 'client', reason: 'kicked', text: 'An admin threw you out.' },
    });
    expect(await member.ended).toMatchObject({ reason: 'kicked', text: 'An admin threw you out.' });
    expect(events.at(-1)?.type).toBe('ended');
  });
});

describe('strangers', () => {
  const udp = (): Promise<Socket> => {
    const socket = createSocket('udp4');
    return new Promise(done => socket.bind(0, '127.0.0.1', () => done(socket)));
  };
  const throwAt = async (bytes: readonly Buffer[]): Promise<Buffer[]> => {
    const socket = await udp();
    const answers: Buffer[] = [];
    socket.on('message', answer => void answers.push(answer));
    for (const b of bytes) socket.send(b, portsOf(world.url).udpPort, '127.0.0.1');
    await new Promise(done => setTimeout(done, 200));
    socket.close();
    return answers;
  };

  it('on UDP are counted; what is answered is shorter than what they sent, and rare', async () => {
    const rtp = (length: number, last: number): Buffer => {
      const bytes = Buffer.alloc(length, 1);
      bytes[0] = 0x80;
      bytes[1] = 96;
      bytes[length - 1] = last;
      return bytes;
    };
    const long = 0x2f; // a trailer with a connection id, of nobody
    const sent = [rtp(100, 0), rtp(200, 0x27), ...Array.from({ length: 50 }, () => rtp(1200, long))];
    const answers = await throwAt([...sent, Buffer.from('hello'), Buffer.alloc(60, 22)]);
    expect(answers.length).toBeLessThanOrEqual(6);
    for (const answer of answers) expect(answer.length).toBeLessThan(100);
    expect(world.host.counts).toEqual(
      expect.arrayContaining([
        'dropped/cleartext',
        'dropped/unknown-address',
        'dropped/unknown-connection',
        'dropped/short',
        'dropped/dtls-hello',
      ]),
    );
    expect(world.requests).toEqual([]);
  });

  it('who say HELLO again and again are not listened to for a while', async () => {
    const own = await World.open({ hellosPerSecond: 1 });
    own.admit = async () => {
      throw refuse('client', 'room-full', 'Room 1000 is full.');
    };
    for (let i = 0; i < 2; i++) await expect(own.join()).rejects.toThrow('full');
    await expect(own.join()).rejects.toThrow(/Too many members from 127.0.0.1/);
    expect(own.requests).toHaveLength(2);
    await own.close();
  });
});

describe('media', () => {
  it('goes both ways', async () => {
    const { member } = await world.join();
    await eventually(() => expect(member.state).toBe('active'));
    const mic = member.publish({ source: 'mic', format: OPUS, canKeyframe: false, syncGroup: 'a' });
    const heard: Buffer[] = [];
    const serving: unknown[] = [];
    member.want(
      { kind: 'mix', codec: OPUS, ptimeMs: 20 },
      p => void heard.push(Buffer.from(p.payload)),
      e => void serving.push(e),
    );
    await eventually(() => expect(world.seats[0]?.subscriptions).toHaveLength(1));
    const { sink, on } = world.seats[0]!.subscriptions[0]!;
    on({ type: 'serving', format: OPUS, how: 'mix' });
    const now = () => world.host.clock.now();
    await eventually(() => {
      mic.sink({ seq: 1, pts: 960, marker: false, payload: Buffer.from('hello'), level: 30 }, now());
      sink({ seq: 1, pts: 960, marker: false, payload: Buffer.from('there'), level: 20 }, now());
      const said = world.seats[0]?.publications[0]?.heard[0]?.payload ?? [];
      expect(Buffer.from(said).toString()).toBe('hello');
      expect(heard[0]?.toString()).toBe('there');
    });
    expect(serving).toEqual([{ type: 'serving', format: OPUS, how: 'mix' }]);
    expect(world.seats[0]?.publications[0]?.heard[0]).toMatchObject({ level: 30 });
  });
});
