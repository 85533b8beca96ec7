import { describe, expect, it } from 'vitest';
import { Refusal } from '../../kit/refusal.ts';
import { FrameReader, PING, writeFrame } from './frames.ts';
import { readHello, readHelloAck, writeHello, writeHelloAck, writeRefused } from './hello.ts';
import {
  connectionKey,
  isConnection,
  SHORT_TRAILER_BYTES,
  TRAILER_BYTES,
  TrailerView,
  writeTrailer,
} from './trailer.ts';

describe('frames', () => {
  const messages = [{ t: 'join', n: 1, text: 'ünï €' }, [], null, 'x'.repeat(900)];
  const stream = Buffer.concat(messages.flatMap(m => [PING, writeFrame(m, 1000)!]));
  const read = (chunks: readonly Uint8Array[]): unknown[] => {
    const got: unknown[] = [];
    const reader = new FrameReader(1000, m => void got.push(m));
    for (const c of chunks) expect(reader.push(c)).toBeUndefined();
    return got;
  };
  it('are cut out of the stream whole, byte by byte and cut anywhere', () => {
    expect(read([stream])).toEqual(messages);
    expect(read([...stream].map(b => Uint8Array.of(b)))).toEqual(messages);
    for (let cut = 0; cut <= stream.length; cut++)
      expect(read([stream.subarray(0, cut), stream.subarray(cut)])).toEqual(messages);
  });
  it('too large or not JSON end the stream', () => {
    expect(writeFrame('x'.repeat(999), 1000)).toBeUndefined();
    expect(new FrameReader(1000, () => {}).push(Buffer.of(0, 0, 3, 0xe9))).toBe('frame-too-large');
    expect(new FrameReader(1000, () => {}).push(Buffer.of(255, 255, 255, 255, 1))).toBe('frame-too-large');
    const heard: unknown[] = [];
    const reader = new FrameReader(1000, m => void heard.push(m));
    expect(reader.push(Buffer.of(0, 0, 0, 1, 0x7b))).toBe('not-json');
    expect(reader.push(writeFrame('later', 1000)!)).toBe('not-json');
    expect(heard).toEqual([]);
  });
  it('survive absurd nesting', () => {
    const deep = Buffer.from('['.repeat(500_000));
    const head = Buffer.alloc(4);
    head.writeUInt32BE(deep.length);
    expect(new FrameReader(1 << 20, () => {}).push(Buffer.concat([head, deep]))).toBe('not-json');
  });
});

describe('HELLO', () => {
  const hello = { process: 'agent-1', connection: Buffer.from('0102030405060708', 'hex') };
  const router = { id: 'r1', host: '192.0.2.7', port: 7120, ticket: 'dGlja2V0' };
  const ack = { ...hello, secret: Buffer.alloc(32, 9), udpPort: 7100, routers: [router] };
  const why = (run: () => unknown): Refusal['why'] => {
    try {
      run();
    } catch (error) {
      if (error instanceof Refusal) return error.why;
      throw error;
    }
    throw new Error('accepted');
  };
  const wire = (m: object): unknown => JSON.parse(JSON.stringify(m));

  it('and its answer come back as they were', () => {
    expect(readHello(wire(writeHello(hello)))).toMatchObject(hello);
    expect(readHelloAck(wire(writeHelloAck(ack)))).toMatchObject(ack);
  });
  it('of another version is refused in words, whatever else it says', () => {
    for (const read of [readHello, readHelloAck]) {
      const refused = why(() => read({ kind: 'who knows', version: 2 }));
      expect(refused.reason).toBe('artp-version');
      expect(refused.text).toContain('aRTP 2');
    }
  });
  it('is strict, and its refusal repeats no value', () => {
    const good = writeHelloAck(ack);
    const bad: unknown[] = [
      null,
      'hello',
      [],
      {},
      { ...good, extra: 1 },
      { ...good, secret: Buffer.alloc(31).toString('base64') },
      { ...good, secret: 'S3cret!' },
      { ...good, connection: 'zz' },
      { ...good, udpPort: 0 },
      { ...good, udpPort: '7100' },
      { ...good, routers: [{ ...router, host: 'example.org' }] },
      { ...good, routers: new Array(5).fill(router) },
      { ...good, version: '1' },
      { ...good, process: '' },
    ];
    for (const b of bad) {
      expect(why(() => readHelloAck(b)).reason).toBe('bad-hello');
      expect(why(() => readHelloAck(b)).text).not.toContain('S3cret');
      expect(why(() => readHello(b)).reason).toBe('bad-hello');
    }
  });
  it('refused by the other side: its words arrive', () => {
    const text = 'This room node does not know the certificate of agent-1.';
    const said = { blame: 'client', reason: 'untrusted', text } as const;
    expect(why(() => readHelloAck(wire(writeRefused(said))))).toEqual(said);
  });
});

describe('the hop trailer', () => {
  const connection = Buffer.from('fedcba9876543210', 'hex');
  const datagram = Buffer.alloc(40 + TRAILER_BYTES, 0xee);
  datagram[0] = 0x80;
  it('without connection is shorter, reads back, and matches none', () => {
    const out = Buffer.alloc(40 + SHORT_TRAILER_BYTES, 0xee);
    out[0] = 0x80;
    expect(writeTrailer(out, 40, undefined, 61, 77, 5)).toBe(47);
    const view = new TrailerView();
    expect(view.read(out)).toBeUndefined();
    expect(view).toMatchObject({ hasConnection: false, path: 61, hops: 0, sequence: 77, start: 40 });
    expect(isConnection(out, view.start, connection)).toBe(false);
    out[40]! |= 0x80;
    view.read(out);
    expect(view).toMatchObject({ path: 61, hops: 2 });
    for (let cut = 0; cut < 15; cut++) expect(view.read(out.subarray(out.length - cut))).toBe('short');
  });
  it('reads back, and names its connection', () => {
    expect(writeTrailer(datagram, 40, connection, 3, 65535, 1_000_000)).toBe(datagram.length);
    const view = new TrailerView();
    expect(view.read(datagram)).toBeUndefined();
    expect(view).toMatchObject({ path: 3, sequence: 65535, start: 40 });
    expect(view.sendTime).toBe(Math.floor(1_000_000 * 262.144) % 2 ** 24);
    expect(connectionKey(datagram, 40)).toBe(connection.readUIntBE(0, 6));
    expect(isConnection(datagram, 40, connection)).toBe(true);
    expect(isConnection(datagram, 40, Buffer.from('fedcba9876543211', 'hex'))).toBe(false);
  });
  it('is what cleartext and other protocols lack', () => {
    const view = new TrailerView();
    const plain = Buffer.alloc(172);
    plain[0] = 0x80;
    expect(view.read(plain)).toBe('cleartext');
    expect(view.read(Buffer.from('0001000021 12a442'.padEnd(80, '0'), 'hex'))).toBe('short');
    expect(view.read(Buffer.concat([Buffer.of(0, 1), Buffer.alloc(60, 0x2f)]))).toBe('not-rtp');
    for (let cut = 0; cut < datagram.length; cut++) view.read(datagram.subarray(0, cut));
  });
});
