import { describe, expect, it } from 'vitest';
import { ChunkReader } from './chunk-reader.ts';
import { ChunkWriter } from './chunk-writer.ts';
import { type Message, MessageType, u32 } from './message.ts';

interface Plain {
  type: number;
  streamId: number;
  timestamp: number;
  payload: string;
}
const plain = (m: Message): Plain => ({ ...m, payload: Buffer.from(m.payload).toString('hex') });

/** Reads `bytes` in pieces ending at the given places. */
function read(bytes: Uint8Array, cuts: readonly number[] = [], reader = new ChunkReader()) {
  const messages: Plain[] = [];
  let from = 0;
  for (const cut of [...cuts, bytes.length]) {
    const fault = reader.read(bytes.slice(from, cut), m => messages.push(plain(m)));
    if (fault !== undefined) return { messages, fault: fault.reason };
    from = cut;
  }
  return { messages };
}

/** The same result whole, byte by byte and cut once at every place. */
function readEveryWay(bytes: Uint8Array): Plain[] {
  const whole = read(bytes);
  expect(whole).not.toHaveProperty('fault');
  expect(read(bytes, [...bytes.keys()].slice(1))).toEqual(whole);
  for (let cut = 1; cut < bytes.length; cut++) expect(read(bytes, [cut])).toEqual(whole);
  return whole.messages;
}

const hex = (...parts: string[]): Buffer => Buffer.from(parts.join('').replace(/\s/g, ''), 'hex');

describe('chunk stream reader', () => {
  it('reads all four header types', () => {
    const messages = readEveryWay(
      hex(
        '04 0003e8 000002 08 01000000 aa01', // type 0: time 1000, 2 bytes of audio on stream 1
        '44 000014 000003 08 aa0102', // type 1: 20 later, 3 bytes
        '84 000015 aa0304',
        '05'.repeat(0), // type 2: 21 later, still 3 bytes
        'c4 aa0506', // type 3: again 21 later
      ),
    );
    expect(messages.map(m => [m.timestamp, m.payload])).toEqual([
      [1000, 'aa01'],
      [1020, 'aa0102'],
      [1041, 'aa0304'],
      [1062, 'aa0506'],
    ]);
    expect(messages.every(m => m.type === 8 && m.streamId === 1)).toBe(true);
  });

  it('takes the time of a type 0 as the delta of a type 3 behind it (§5.3.1.2.4)', () => {
    const messages = readEveryWay(hex('04 000064 000001 08 01000000 aa', 'c4 bb'));
    expect(messages.map(m => m.timestamp)).toEqual([100, 200]);
  });

  it('reads two- and three-byte chunk stream ids as different streams', () => {
    const messages = readEveryWay(
      hex('00 00 000001 000001 08 01000000 aa', '01 0001 000002 000001 09 01000000 bb', '80 00 000005 cc'),
    );
    expect(messages.map(m => [m.type, m.timestamp, m.payload])).toEqual([
      [8, 1, 'aa'],
      [9, 2, 'bb'],
      [8, 6, 'cc'],
    ]);
  });

  it('puts interleaved messages of two chunk streams together', () => {
    const messages = readEveryWay(
      hex(
        '02 000000 000004 01 00000000 00000002', // chunk size 2
        '06 000000 000005 09 01000000 1112',
        '04 000000 000003 08 01000000 2122',
        'c6 1314',
        'c4 23',
        'c6 15',
      ),
    );
    expect(messages.map(m => m.payload)).toEqual(['212223', '1112131415']);
  });

  it('reads extended timestamps, repeated in type 3 or not', () => {
    const repeated = hex(
      '02 000000 000004 01 00000000 00000002',
      '06 ffffff 000004 09 01000000 01000000 a1a2',
      'c6 01000000 a3a4',
    );
    const bare = hex(
      '02 000000 000004 01 00000000 00000002',
      '06 ffffff 000004 09 01000000 01000000 a1a2',
      'c6 a3a4',
      'c2 00000003',
    );
    expect(readEveryWay(repeated)).toEqual([
      { type: 9, streamId: 1, timestamp: 0x01000000, payload: 'a1a2a3a4' },
    ]);
    expect(read(bare).messages).toEqual([
      { type: 9, streamId: 1, timestamp: 0x01000000, payload: 'a1a2a3a4' },
    ]);
  });

  it('wraps timestamps at 32 bits', () => {
    const messages = readEveryWay(hex('04 ffffff 000001 08 01000000 fffffff0 aa', '84 000020 bb'));
    expect(messages.map(m => m.timestamp)).toEqual([0xfffffff0, 0x10]);
  });

  it('forgets what an Abort names', () => {
    const messages = readEveryWay(
      hex(
        '02 000000 000004 01 00000000 00000002',
        '06 000000 000004 09 01000000 1112',
        '02 000000 000004 02 00000000 0000',
        'c2 0006',
        '06 000000 000002 09 01000000 3132',
      ),
    );
    expect(messages.map(m => m.payload)).toEqual(['3132']);
  });

  it('delivers empty messages', () => {
    expect(readEveryWay(hex('04 000000 000000 08 01000000', '04 000001 000001 08 01000000 aa'))).toHaveLength(
      2,
    );
  });

  it('refuses what a stranger could grow', () => {
    expect(read(hex('04 000000 ffffff 08 01000000')).fault).toBe('rtmp-message-too-long');
    expect(read(hex('06 000000 500000 09 01000000')).fault).toBe('rtmp-message-too-long');
    expect(read(hex('02 000000 000004 01 00000000 00000000')).fault).toBe('rtmp-chunk-size');
    expect(read(hex('02 000000 000004 01 00000000 80000000')).fault).toBe('rtmp-chunk-size');
    expect(read(hex('c7')).fault).toBe('rtmp-chunk-header');
    const many = Array.from(
      { length: 65 },
      (_, i) => `00 ${i.toString(16).padStart(2, '0')} 000000 000000 08 01000000`,
    );
    expect(read(hex(...many)).fault).toBe('rtmp-chunk-streams');
  });

  it('bounds unfinished messages together', () => {
    const mib = 1024 * 1024;
    const head = (csid: number) => Buffer.concat([Buffer.of(csid), hex('000000 400000 09 01000000')]);
    const pieces = [Buffer.concat([hex('02 000000 000004 01 00000000'), u32(3 * mib)])];
    for (const csid of [10, 11, 12]) pieces.push(head(csid), Buffer.alloc(3 * mib));
    expect(read(Buffer.concat(pieces))).toEqual({ messages: [], fault: 'rtmp-buffer-full' });
  });
});

describe('chunk stream writer', () => {
  it('writes what the reader reads, at any chunk size and time', () => {
    const times = [0, 20, 40, 60, 0xfffffe, 0xffffff, 0x1000000, 0x1000014, 0xfffffff0, 5];
    for (const chunkSize of [1, 128, 4096]) {
      const writer = new ChunkWriter();
      const pieces = [writer.write(2, MessageType.setChunkSize, 0, 0, u32(chunkSize))];
      writer.chunkSize = chunkSize;
      const want: Plain[] = [];
      times.forEach((timestamp, i) => {
        const payload = Buffer.alloc(i * 70 + 1, i);
        const csid = i % 3 === 0 ? 4 : 6;
        pieces.push(writer.write(csid, 9, 1, timestamp, payload.subarray(0, 1), payload.subarray(1)));
        want.push({ type: 9, streamId: 1, timestamp, payload: payload.toString('hex') });
      });
      expect(read(Buffer.concat(pieces)).messages).toEqual(want);
    }
  });

  it('writes the shortest header the past allows', () => {
    const w = new ChunkWriter();
    const body = Buffer.of(1, 2);
    expect(w.write(4, 8, 1, 1000, body).toString('hex')).toBe('040003e80000020801000000' + '0102');
    expect(w.write(4, 8, 1, 1020, body).toString('hex')).toBe('84000014' + '0102');
    expect(w.write(4, 8, 1, 1040, Buffer.of(1)).toString('hex')).toBe('4400001400000108' + '01');
    expect(w.write(4, 8, 1, 1030, body).toString('hex')).toBe('040004060000020801000000' + '0102');
  });

  it('repeats an extended timestamp in every chunk', () => {
    const w = new ChunkWriter();
    w.chunkSize = 2;
    expect(w.write(6, 9, 1, 0x01020304, Buffer.of(1, 2, 3)).toString('hex')).toBe(
      '06ffffff0000030901000000' + '01020304' + '0102' + 'c6' + '01020304' + '03',
    );
  });
});
