import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { missing } from '../../../test/harness/child.ts';
import { isRtcp } from '../rtp/rtp.ts';
import { PlanePair } from './media/plane.testing.ts';
import { ControlOpener } from './session/control-seal.ts';
import { Keys } from './session/key-ring.ts';
import { Pair } from './session/pair.testing.ts';
import { TRAILER_BYTES, TrailerView, writeTrailer } from './trailer.ts';

const PORT = 47100;
const program = 'tshark';
const tsharkMissing = missing(program);

/** Classic pcap (magic a1b2c3d4), link type 101: raw IPv4. */
function pcap(datagrams: readonly Uint8Array[]): Buffer {
  const header = Buffer.alloc(24);
  header.writeUInt32BE(0xa1b2c3d4, 0);
  header.writeUInt16BE(2, 4);
  header.writeUInt16BE(4, 6);
  header.writeUInt32BE(65535, 16);
  header.writeUInt32BE(101, 20);
  return Buffer.concat([header, ...datagrams.flatMap((d, i) => record(d, i))]);
}
function record(datagram: Uint8Array, i: number): Buffer[] {
  const length = 28 + datagram.length;
  const head = Buffer.alloc(16 + 28);
  head.writeUInt32BE(i, 0);
  head.writeUInt32BE(length, 8);
  head.writeUInt32BE(length, 12);
  const ip = head.subarray(16);
  ip[0] = 0x45;
  ip.writeUInt16BE(length, 2);
  ip[8] = 64;
  ip[9] = 17;
  ip.writeUInt32BE(0x7f000001, 12);
  ip.writeUInt32BE(0x7f000001, 16);
  ip.writeUInt16BE(PORT + 1, 20);
  ip.writeUInt16BE(PORT, 22);
  ip.writeUInt16BE(8 + datagram.length, 24);
  return [head, Buffer.from(datagram)];
}

describe.skipIf(tsharkMissing)('a capture', () => {
  it('opens in Wireshark as RTP, with its extensions, and RTCP beside it', () => {
    const pair = new PlanePair();
    const { sink } = pair.a.send(1, 'video', 90_000, () => {});
    const frame = { start: true, end: false, key: true, config: false, temporal: 1 };
    for (const i of [0, 1, 2]) {
      const p = { seq: 900 + i, pts: 3000 * i, marker: i === 2, payload: Buffer.alloc(1000, i), level: 20 };
      sink(i === 0 ? { ...p, frame } : p, 0);
    }
    const datagrams = pair.sent.map(({ bytes }) => {
      const out = Buffer.alloc(bytes.length + TRAILER_BYTES);
      bytes.copy(out);
      writeTrailer(out, bytes.length, Buffer.from('0102030405060708', 'hex'), 0, 1, 1000);
      return out;
    });
    datagrams.push(Buffer.from(new Pair(1).connect().client.sent.find(d => isRtcp(d.bytes))!.bytes));

    expect(controls(pcap(datagrams))).toMatch(/Packet type: Application specific \(204\)/);
    const seen = tshark(pcap(datagrams)).map(line => [
      ...line.slice(0, -1),
      `${line.at(-1)!.split(',').length}`,
    ]);
    expect(seen).toEqual([
      ['rtp', '2', '97', '0x00000001', '16384', '2147483648', '0', '0xbede', '2'],
      ['rtp', '2', '97', '0x00000001', '16385', '2147486648', '0', '0xbede', '1'],
      ['rtp', '2', '97', '0x00000001', '16386', '2147489648', '1', '0xbede', '1'],
    ]);
  });
});

describe.skipIf(tsharkMissing)('a capture of a session', () => {
  it('opens as RTP with its extensions, and, with the keys, as RTCP with APP packets by name', () => {
    const p = new Pair(70, { there: { loss: 0.2, delayMs: 20 } }).connect();
    p.run(1000);
    const sound = p.client.do(s => s.send(1, 'audio', 48_000, () => {}));
    const pictures = p.client.do(s => s.send(2, 'video', 90_000, () => {}));
    for (let n = 0; n < 200; n++) {
      const now = p.net.clock.now();
      const frame = { start: true, end: true, key: n % 50 === 0, config: false, temporal: n & 1 };
      const payload = Buffer.alloc(80, n);
      p.client.do(() => sound.sink({ seq: n, pts: n * 960, marker: false, payload, level: 40 }, now));
      p.client.do(() => pictures.sink({ seq: n, pts: n * 1800, marker: true, payload, frame }, now));
      p.client.do(s => n % 20 === 0 && s.say({ n }, now));
      p.run(20);
    }
    p.server.do((s, now) => s.close({ blame: 'none', reason: 'done', text: 'The meeting is over.' }, now));
    p.run(200);
    const media = p.client.sent.map(d => d.bytes).filter(b => !isRtcp(b));
    const sealed = [p.client, p.server]
      .flatMap(e => e.sent.map(d => ({ bytes: d.bytes, by: e })))
      .filter(d => isRtcp(d.bytes));

    const seen = tshark(pcap(media));
    const types = new Set(seen.map(line => line[2]));
    for (const type of ['97', '98']) expect(types).toContain(type);
    expect(seen).toHaveLength(media.length);
    // Elements: level, frame marks, and what repeats which packet.
    expect(new Set(seen.flatMap(line => (line[8] ? line[8].split(',') : [])))).toEqual(
      new Set(['1', '2', '3']),
    );

    // Sealed, the first packet of a compound still shows its type, and an APP packet its subtype.
    const outside = sealed.map(({ bytes }) => (bytes[1] === 204 ? `APP ${bytes[0]! & 31}` : `${bytes[1]}`));
    for (const one of ['APP 5', 'APP 6', 'APP 9', 'APP 11', 'APP 12', '207']) expect(outside).toContain(one);

    const view = new TrailerView();
    const openers = new Map(
      [p.client, p.server].map(e => {
        const direction = e === p.client ? 'from-server' : 'from-client';
        return [
          e,
          new ControlOpener(new Keys({ secret: Buffer.alloc(32, 7), suite: 'aes-128-gcm', direction })),
        ];
      }),
    );
    const plain = sealed.flatMap(({ bytes, by }) => {
      view.read(bytes);
      const opened = openers.get(by)!.open(bytes.subarray(0, view.start), 0);
      return typeof opened === 'string' ? [] : [opened.plain];
    });
    expect(plain.length).toBe(sealed.length);
    const packets = controls(pcap(plain));
    expect(packets).toContain('aRTP');
    for (const subtype of [5, 6, 9, 11, 12]) expect(packets).toMatch(new RegExp(`Subtype: ${subtype}\\b`));
    expect(packets).toMatch(/Packet type: Extended report \(RFC 3611\) \(207\)/);
    expect(packets).toMatch(/Transport-wide|Transport wide|Generic RTP Feedback/i);
  });
});

/** What is said of all RTCP packets; fails on anything malformed. */
function controls(capture: Buffer): string {
  return withFile(capture, run => {
    expect(run(['-Y', '_ws.malformed'])).toBe('');
    return run(['-V', '-Y', 'rtcp']);
  });
}

const FIELDS = ['version', 'p_type', 'ssrc', 'seq', 'timestamp', 'marker', 'ext.profile', 'ext.rfc5285.id'];

/** Protocol and fields of every packet that reads as RTP, extensions counted; fails on anything malformed. */
function tshark(capture: Buffer): string[][] {
  return withFile(capture, run => {
    expect(run(['-Y', '_ws.malformed'])).toBe('');
    const fields = FIELDS.flatMap(f => ['-e', `rtp.${f}`]);
    const lines = run(['-Y', 'rtp && !rtcp', '-T', 'fields', ...fields])
      .trim()
      .split('\n');
    return lines.map(line => ['rtp', ...line.split('\t')]);
  });
}

function withFile<T>(capture: Buffer, look: (run: (args: readonly string[]) => string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), 'artp-'));
  try {
    const file = join(folder, 'artp.pcap');
    writeFileSync(file, capture);
    const run = (args: readonly string[]): string => {
      const done = spawnSync(program, ['-r', file, '-d', `udp.port==${PORT},rtp`, ...args], {
        encoding: 'utf8',
      });
      expect(done.status, done.stderr).toBe(0);
      return done.stdout;
    };
    return look(run);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
