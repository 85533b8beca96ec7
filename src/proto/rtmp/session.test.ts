import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { EcmaArray, writeAmf0 } from './amf0.ts';
import { ChunkWriter } from './chunk-writer.ts';
import { type ClientOptions, type ClientOutput, ClientSession } from './client-session.ts';
import { ServerSession } from './server-session.ts';
import type { ServerOutput } from './server-types.ts';

type Heard<T> = Exclude<T, { type: 'write' }>;

/** A client and a server session joined by a wire that carries `piece` bytes at a time. */
class Wire {
  readonly server = new ServerSession(
    { random: randomBytes, chunkSize: 4096, handshakeTimeoutMs: 5000, idleTimeoutMs: 10_000 },
    0,
  );
  readonly client: ClientSession;
  readonly atServer: Heard<ServerOutput>[] = [];
  readonly atClient: Heard<ClientOutput>[] = [];
  now = 0;
  readonly #piece: number;
  constructor(options: Partial<ClientOptions> = {}, piece = 100_000) {
    this.#piece = piece;
    this.client = new ClientSession({
      random: randomBytes,
      mode: 'publish',
      app: 'room/1000',
      name: 'alice?token=x',
      tcUrl: 'rtmp://127.0.0.1/room/1000',
      chunkSize: 512,
      timeoutMs: 5000,
      ...options,
    });
  }
  start(): this {
    this.client.handle({ type: 'start' }, this.now);
    return this.settle();
  }
  /** Carries bytes both ways until both are quiet. */
  settle(): this {
    for (let quiet = false; !quiet; ) {
      quiet = true;
      for (let out: ClientOutput | undefined; (out = this.client.poll()); )
        if (out.type === 'write') {
          quiet = false;
          this.#carry(out.bytes, bytes => this.server.handle({ type: 'bytes', bytes }, this.now));
        } else this.atClient.push(out);
      for (let out: ServerOutput | undefined; (out = this.server.poll()); )
        if (out.type === 'write') {
          quiet = false;
          this.#carry(out.bytes, bytes => this.client.handle({ type: 'bytes', bytes }, this.now));
        } else this.atServer.push(out);
    }
    return this;
  }
  #carry(bytes: Uint8Array, to: (piece: Uint8Array) => void): void {
    for (let at = 0; at < bytes.length; at += this.#piece) to(bytes.slice(at, at + this.#piece));
  }
  codes(): string[] {
    return this.atClient.flatMap(e => (e.type === 'status' ? [e.code] : []));
  }
}

const tag = (n: number, length: number): Uint8Array => Buffer.alloc(length, n);

describe('RTMP sessions', () => {
  it.each([100_000, 1, 77])(
    'publish: metadata, sound and picture arrive as sent, %i bytes at a time',
    piece => {
      const w = new Wire({ digest: 1 }, piece).start();
      expect(w.atServer).toEqual([
        { type: 'publish', app: 'room/1000', name: 'alice?token=x', tcUrl: 'rtmp://127.0.0.1/room/1000' },
      ]);
      w.server.handle({ type: 'accept' }, 0);
      w.settle();
      expect(w.codes()).toEqual(['NetStream.Publish.Start']);
      expect(w.atClient.at(-1)).toEqual({ type: 'ready' });
      w.client.handle({ type: 'metadata', values: { width: 360 } }, 0);
      w.client.handle({ type: 'media', media: 'audio', timestampMs: 0, parts: [tag(1, 2), tag(2, 300)] }, 0);
      w.client.handle({ type: 'media', media: 'video', timestampMs: 0xffffff, parts: [tag(3, 9000)] }, 0);
      w.settle();
      expect(w.atServer.slice(1)).toEqual([
        { type: 'metadata', values: { width: 360 } },
        { type: 'media', media: 'audio', timestampMs: 0, body: new Uint8Array([1, 1, ...tag(2, 300)]) },
        { type: 'media', media: 'video', timestampMs: 0xffffff, body: new Uint8Array(tag(3, 9000)) },
      ]);
      w.client.handle({ type: 'stop' }, 0);
      w.settle();
      expect(w.atServer.at(-1)).toMatchObject({ type: 'end', why: { blame: 'none', reason: 'hung-up' } });
    },
  );

  it('play: start, metadata, media, pause, seek refused, and told why it ends', () => {
    const w = new Wire({ mode: 'play', app: 'room', name: '1000?as=alice' }).start();
    expect(w.atServer[0]).toMatchObject({ type: 'play', app: 'room', name: '1000?as=alice' });
    w.server.handle({ type: 'accept' }, 0);
    w.server.handle({ type: 'metadata', values: { encoder: 'us' } }, 0);
    w.server.handle({ type: 'media', media: 'video', timestampMs: 40, parts: [tag(1, 5000)] }, 0);
    w.settle();
    expect(w.codes()).toEqual(['NetStream.Play.Reset', 'NetStream.Play.Start']);
    expect(w.atClient.at(-2)).toEqual({ type: 'metadata', values: { encoder: 'us' } });
    expect(w.atClient.at(-1)).toMatchObject({ type: 'media', media: 'video', timestampMs: 40 });
    w.client.handle({ type: 'pause', on: true }, 0);
    w.settle();
    expect(w.atServer.at(-1)).toEqual({ type: 'pause', on: true });
    expect(w.codes().at(-1)).toBe('NetStream.Pause.Notify');
    const why = { blame: 'server', reason: 'kicked', text: 'An admin removed you.' } as const;
    w.server.handle({ type: 'close', why }, 0);
    w.settle();
    expect(w.atClient.at(-2)).toEqual({
      type: 'status',
      code: 'NetStream.Play.UnpublishNotify',
      text: why.text,
    });
    expect(w.atClient.at(-1)).toMatchObject({ type: 'end', why: { text: why.text } });
    expect(w.atServer.at(-1)).toEqual({ type: 'end', why });
  });

  it('a closed publisher hears NetConnection.Connect.Closed with the sentence', () => {
    const w = new Wire().start();
    w.server.handle({ type: 'accept' }, 0);
    w.server.handle(
      { type: 'close', why: { blame: 'none', reason: 'replaced', text: 'alice pushed again.' } },
      0,
    );
    w.settle();
    expect(w.codes().at(-1)).toBe('NetConnection.Connect.Closed');
    expect(w.atClient.at(-1)).toMatchObject({ type: 'end', why: { text: 'alice pushed again.' } });
  });

  it('a refusal reaches the client as the status it was given', () => {
    const w = new Wire().start();
    w.server.handle({ type: 'refuse', code: 'NetStream.Publish.Denied', text: 'The token has expired.' }, 0);
    w.settle();
    expect(w.atClient).toEqual([
      { type: 'status', code: 'NetStream.Publish.Denied', text: 'The token has expired.' },
      {
        type: 'end',
        why: { blame: 'upstream', reason: 'NetStream.Publish.Denied', text: 'The token has expired.' },
      },
    ]);
    expect(w.atServer.at(-1)?.type).toBe('end');
  });

  it('a server that is full rejects the connect', () => {
    const session = new ServerSession(
      { random: randomBytes, chunkSize: 128, handshakeTimeoutMs: 1, idleTimeoutMs: 1, rejectWith: 'Full.' },
      0,
    );
    const w = new Wire();
    Object.assign(w, { server: session });
    w.start();
    expect(w.atClient).toMatchObject([
      { type: 'end', why: { reason: 'NetConnection.Connect.Rejected', text: 'Full.' } },
    ]);
    expect(w.atServer).toMatchObject([{ type: 'end', why: { reason: 'rejected' } }]);
  });

  it('ends a connection that never asks, and a publisher that went silent after a ping', () => {
    const idle = new Wire();
    expect(idle.server.deadline).toBe(5000);
    idle.server.handle({ type: 'tick' }, 5000);
    expect(idle.server.poll()).toMatchObject({ type: 'end', why: { reason: 'handshake-timeout' } });
    expect(idle.server.deadline).toBe(Number.POSITIVE_INFINITY);

    const w = new Wire().start();
    w.server.handle({ type: 'accept' }, 0);
    w.settle();
    w.now = w.server.deadline;
    expect(w.now).toBe(5000);
    w.server.handle({ type: 'tick' }, w.now);
    w.settle(); // the ping is answered: heard again
    expect(w.server.deadline).toBe(10_000);
    w.server.handle({ type: 'tick' }, 10_000); // quiet since 5000: asks again, and nobody answers
    expect(w.server.deadline).toBe(15_000);
    w.server.handle({ type: 'tick' }, 15_000);
    const outs: ServerOutput[] = [];
    for (let out: ServerOutput | undefined; (out = w.server.poll()); ) outs.push(out);
    expect(outs.at(-1)).toMatchObject({ type: 'end', why: { reason: 'connection-lost' } });
  });

  it('carries one stream and says so to the second', () => {
    const w = new Wire().start();
    w.server.handle({ type: 'accept' }, 0);
    w.settle();
    raw(w, new ChunkWriter().write(3, 20, 1, 0, writeAmf0('publish', 9, null, 'bob', 'live')));
    expect(w.codes().at(-1)).toBe('NetStream.Publish.BadName');
    expect(w.atServer.filter(e => e.type === 'publish')).toHaveLength(1);
    expect(w.atServer.some(e => e.type === 'end')).toBe(false);
  });

  it('survives junk, and says what a command before connect needs', () => {
    const w = new Wire().start();
    w.server.handle({ type: 'accept' }, 0);
    w.settle();
    const writer = new ChunkWriter();
    raw(w, writer.write(3, 20, 0, 0, Buffer.from('02ffff', 'hex')));
    raw(w, writer.write(3, 20, 0, 0, writeAmf0('launchMissiles', 11, null)));
    raw(w, writer.write(3, 99, 0, 0, Buffer.of(1)));
    raw(w, writer.write(3, 22, 1, 0, Buffer.of(8, 0, 0, 9)));
    const junk = w.atServer.flatMap(e => (e.type === 'junk' ? [e.reason] : []));
    expect(junk).toEqual(['amf', 'command', 'message-type', 'aggregate']);
  });

  it('opens aggregates and moves their times', () => {
    const w = new Wire().start();
    w.server.handle({ type: 'accept' }, 0);
    w.settle();
    const aggregate = Buffer.from(
      '080000010003e800000000' + 'aa' + '0000000c' + '090000010003fc00000000' + 'bb' + '0000000c',
      'hex',
    );
    raw(w, new ChunkWriter().write(3, 22, 1, 5000, aggregate));
    expect(w.atServer.slice(1)).toEqual([
      { type: 'media', media: 'audio', timestampMs: 5000, body: new Uint8Array([0xaa]) },
      { type: 'media', media: 'video', timestampMs: 5020, body: new Uint8Array([0xbb]) },
    ]);
  });

  it('takes commands in the AMF 3 envelope and metadata without @setDataFrame', () => {
    const w = new Wire().start();
    w.server.handle({ type: 'accept' }, 0);
    w.settle();
    const writer = new ChunkWriter();
    raw(w, writer.write(3, 18, 1, 0, writeAmf0('onMetaData', new EcmaArray({ encoder: 'x' }))));
    expect(w.atServer.at(-1)).toEqual({ type: 'metadata', values: { encoder: 'x' } });
    raw(w, writer.write(3, 17, 1, 0, Buffer.of(0), writeAmf0('deleteStream', 0, null, 1)));
    expect(w.atServer.at(-1)?.type).toBe('end');
  });

  it('acknowledges what it received within the window', () => {
    const w = new Wire().start();
    w.server.handle({ type: 'accept' }, 0);
    w.settle();
    for (let i = 0; i < 30; i++)
      w.client.handle({ type: 'media', media: 'video', timestampMs: i, parts: [tag(1, 100_000)] }, 0);
    const acks: Uint8Array[] = [];
    for (let out: ClientOutput | undefined; (out = w.client.poll()); )
      if (out.type === 'write') w.server.handle({ type: 'bytes', bytes: out.bytes }, 0);
    for (let out: ServerOutput | undefined; (out = w.server.poll()); )
      if (out.type === 'write') acks.push(out.bytes);
    const ack = Buffer.concat(acks);
    expect(ack.subarray(0, 8).toString('hex')).toMatch(/^(02000000000004 ?03|42000000000004 ?03)/);
    expect(ack.readUInt32BE(ack.length - 4)).toBeGreaterThan(2_500_000);
  });
});

/** Bytes straight to the server, as another client would send them (chunk size 512 as announced). */
function raw(w: Wire, bytes: Uint8Array): void {
  w.server.handle({ type: 'bytes', bytes }, w.now);
  w.settle();
}
