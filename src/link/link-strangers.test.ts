import { createSocket, Socket } from 'node:dgram';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { connect as connectTcp, type Socket as TcpSocket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { describe, expect, it, vi } from 'vitest';
import { copyPacket } from '../../test/harness/fake-room.ts';
import { identity, type LinkWorld, ManualClock, until } from '../../test/harness/link.ts';
import type { MediaPacket } from '../contract.ts';
import { asking, audio, camera, mic, refusal, state, video, world, worlds } from './link.testing.ts';

describe('strangers', () => {
  /** Speaks TLS to the room node as `who`, says what it is told to, and returns what comes back. */
  const knock = (w: LinkWorld, who: ReturnType<typeof identity> | undefined, says: Buffer): Promise<string> =>
    new Promise(done => {
      let heard = '';
      const tls = connectTls({
        port: w.tlsPort,
        host: '127.0.0.1',
        rejectUnauthorized: false,
        ...(who && { cert: who.certPem, key: who.keyPem }),
      });
      tls.on('secureConnect', () => tls.write(says));
      tls.on('data', d => void (heard += d.toString()));
      tls.on('error', () => {});
      tls.on('close', () => done(heard));
    });
  const frame = (m: unknown): Buffer => {
    const text = Buffer.from(JSON.stringify(m));
    const head = Buffer.alloc(4);
    head.writeUInt32BE(text.length);
    return Buffer.concat([head, text]);
  };
  const hello = { type: 'hello', version: 1, process: 'x', connection: '0011223344556677' };

  it('with another certificate, or none, are refused in words', async () => {
    const w = await world();
    expect(await knock(w, identity('agent'), frame(hello))).toContain('does not know the certificate');
    expect(await knock(w, undefined, frame(hello))).toContain('none was shown');
    const why = await refusal(
      w
        .client({ as: identity('agent') })
        .port('1000')
        .join(asking('l1'), () => {}),
    );
    expect(why).toMatchObject({ blame: 'client', reason: 'untrusted' });
    expect(w.drops.get('untrusted')).toBe(3);
    expect(w.rooms.size).toBe(0);
  });

  it('a room node with another certificate than it advertised gets no HELLO', async () => {
    const w = await world();
    const client = w.client({ fingerprint: identity('x').fingerprint });
    const why = await refusal(client.port('1000').join(asking('l1'), () => {}));
    expect(why.text).toContain('another certificate');
    const lower = w.client({ fingerprint: w.node.fingerprint.replaceAll(':', '').toLowerCase() });
    await lower.port('1000').join(asking('l1'), () => {});
  });

  it('that hold a key but speak wrongly are closed with a reason', async () => {
    const w = await world();
    const says = (b: Buffer): Promise<string> => knock(w, w.agent, b);
    expect(await says(frame({ ...hello, version: 9 }))).toContain('aRTP 9');
    expect(await says(frame({ ...hello, more: 1 }))).toContain('bad-hello');
    expect(await says(Buffer.from('GET / HTTP/1.1\r\n\r\n'))).toBe('');
    expect(await says(Buffer.concat([frame(hello), frame({ t: 'join' })]))).not.toContain('joined');
    const good = await says(Buffer.concat([frame(hello), Buffer.of(255, 255, 255, 255)]));
    expect(good).not.toContain('joined');
    await until(() => w.server.processes === 0);
    expect(w.rooms.size).toBe(0);
  });

  it('that send bytes which are no TLS, or nothing, do not stay', async () => {
    const clock = new ManualClock();
    const w = await world(clock);
    await new Promise<void>(done => {
      const raw = connectTcp(w.tlsPort, '127.0.0.1', () => raw.write(Buffer.alloc(600, 0x55)));
      raw.on('error', () => {});
      raw.on('close', () => done());
    });
    expect(w.drops.get('tls')).toBe(1);
    const mute = knock(w, w.agent, Buffer.alloc(0));
    const ticking = setInterval(() => clock.advance(1000), 20);
    expect(await mute).toBe('');
    clearInterval(ticking);
  });

  it('that drip one byte after the other into a handshake have no more time than the others', async () => {
    const w = await world();
    let served: TcpSocket | undefined;
    const came = (message: unknown): void => {
      served = (message as { socket: TcpSocket }).socket;
    };
    subscribe('net.server.socket', came);
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      const raw = connectTcp(w.tlsPort, '127.0.0.1').on('error', () => {});
      let isClosed = false;
      raw.on('close', () => void (isClosed = true)).resume();
      await until(() => served !== undefined);
      // The beginning of a ClientHello that would be 16 KB long.
      const bytes = Buffer.from([22, 3, 1, 0x3f, 0xff, 1, 0, 0x3f, 0xfb, 3, 3]);
      const over = (): boolean => isClosed || served!.destroyed;
      for (let i = 0; i < 100 && !over(); i++) {
        raw.write(bytes.subarray(i % bytes.length, (i % bytes.length) + 1));
        await until(() => over() || served!.bytesRead > i);
        vi.advanceTimersByTime(100);
      }
      expect(over()).toBe(true);
      await until(() => isClosed);
    } finally {
      unsubscribe('net.server.socket', came);
      vi.useRealTimers();
    }
  });

  it('cannot hold more than so many connections', async () => {
    const w = await world();
    const open = Array.from({ length: 80 }, () => connectTcp(w.tlsPort, '127.0.0.1').on('error', () => {}));
    await until(() => w.drops.get('connections') === 16);
    for (const s of open) s.destroy();
  });
});

describe('datagrams', () => {
  /** A link with a publication, every datagram it sends to the node, and a socket of a stranger. */
  async function wired(clock?: ManualClock) {
    const w = await world(clock);
    const sent: Buffer[] = [];
    const real = Socket.prototype.send;
    vi.spyOn(Socket.prototype, 'send').mockImplementation(function (this: Socket, ...args: unknown[]) {
      const [bytes, offset, length, port] = args as [Uint8Array, number, number, number];
      if (port === w.udpPort) sent.push(Buffer.from(bytes.subarray(offset, offset + length)));
      return Reflect.apply(real, this, args);
    } as typeof real);
    const port = w.client().port('1000');
    await port.join(asking('l1'), () => {});
    const publication = port.publish('l1', 'l1/0', mic, () => {});
    publication.sink(audio(0), 0);
    const room = w.room('1000');
    const heard = (): MediaPacket[] => room.packets.get('l1/0') ?? [];
    await until(() => heard().length === 1);
    const stranger = createSocket('udp4');
    worlds.push({ close: () => new Promise(done => stranger.close(() => done())) });
    const throwIn = (b: Uint8Array): void => stranger.send(b, w.udpPort, '127.0.0.1');
    const counted = (): number => [...w.drops.all().values()].reduce((a, b) => a + b, 0);
    return { w, sent, port, publication, room, heard, throwIn, counted };
  }

  it('forged, replayed, cut or in clear text are counted and change nothing', async () => {
    const { w, sent, publication, heard, throwIn, counted } = await wired();
    const good = sent.at(-1)!;
    const bad: Buffer[] = [];
    for (let at = 0; at < good.length; at++) {
      const forged = Buffer.from(good);
      forged[at]! ^= 0x41;
      // Path, sequence and send time of the trailer are the hop's own and not sealed: the packet is then a replay.
      bad.push(forged, good.subarray(0, at));
    }
    bad.push(good, Buffer.alloc(0), Buffer.alloc(2000, 0x80), Buffer.alloc(9000, 0x90));
    const clear = Buffer.alloc(172);
    clear[0] = 0x80;
    bad.push(clear, Buffer.from('000100002112a442000000000000000000000000', 'hex'));
    for (let i = 0; i < bad.length; i += 50) {
      for (const b of bad.slice(i, i + 50)) throwIn(b);
      await until(() => counted() === Math.min(bad.length, i + 50));
    }
    expect(heard().length).toBe(1);
    for (const reason of ['forged', 'replayed', 'cleartext', 'not-rtp', 'short', 'unknown-connection'])
      expect(w.drops.get(reason), reason).toBeGreaterThan(0);
    publication.sink(audio(1), 0);
    await until(() => heard().length === 2);
    expect(heard()).toEqual([audio(0), audio(1)]);
  });

  it('from another address do not move the path, unless its owner answers there', async () => {
    const { w, sent, port, room, throwIn } = await wired();
    // A challenge of the real client, late: seen before, so nothing is answered to the stranger.
    const challenge = sent.find(b => (b[1]! & 0xff) === 204)!;
    const before = w.drops.get('replayed');
    throwIn(challenge);
    await until(() => w.drops.get('replayed') === before + 1);
    const heard: MediaPacket[] = [];
    room.track(state('bob/0'));
    await until(() => [...port.tracks()].length === 1);
    port.pull(
      'bob/0',
      p => void heard.push(copyPacket(p)),
      () => {},
    );
    await until(() => room.pulls.size === 1);
    room.play('bob/0', audio(0));
    await until(() => heard.length === 1);
  });

  it('a burst right behind the announcement arrives whole: what comes first waits', async () => {
    const clock = new ManualClock();
    const ticking = setInterval(() => clock.advance(5), 1);
    const { port, room, w } = await wired(clock).finally(() => clearInterval(ticking));
    // From here on no time passes: what waits for its announcement does so for a second, however slow the machine is.
    const picture = port.publish('l1', 'l1/1', camera, () => {});
    for (let i = 0; i < 150; i++) picture.sink(video(i), 0);
    await until(() => room.packets.get('l1/1')?.length === 150);
    expect(room.packets.get('l1/1')).toEqual(Array.from({ length: 150 }, (_, i) => video(i)));
    expect(w.drops.all()).toEqual(new Map());
  });

  it("a sink's bug costs its packet, not the link", async () => {
    const { port, room, w } = await wired();
    room.track(state('bob/0'));
    await until(() => [...port.tracks()].length === 1);
    const heard: number[] = [];
    port.pull(
      'bob/0',
      p => {
        if (heard.push(p.seq) === 1) throw new Error('deaf');
      },
      () => {},
    );
    await until(() => room.pulls.size === 1);
    room.play('bob/0', audio(0));
    room.play('bob/0', audio(1));
    await until(() => heard.length === 2);
    expect(w.bugs).toEqual([new Error('deaf')]);
  });
});
