import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { missing } from '../../../test/harness/child.ts';
import { VIDEO_TYPE } from './header.ts';
import { directionKeys } from './keys.ts';
import { MAX_DATAGRAM, MediaSender } from './media-sender.ts';
import { PathSender } from './path.ts';

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
    const keys = directionKeys(Buffer.alloc(32, 3), 'from-client', 0);
    const sender = new MediaSender(keys, Buffer.from('0102030405060708', 'hex'));
    const out = Buffer.alloc(MAX_DATAGRAM);
    const flow = sender.flow(VIDEO_TYPE, () => {});
    const datagram = (length: number): Buffer =>
      Buffer.from(out.subarray(0, sender.trailer(out, length, 1000)));
    const frame = { start: true, end: false, key: true, config: false, temporal: 1 };
    const datagrams = [0, 1, 2].map(i => {
      const p = { seq: 900 + i, pts: 3000 * i, marker: i === 2, payload: Buffer.alloc(1000, i), level: 20 };
      return datagram(flow.seal(i === 0 ? { ...p, frame } : p, out) as number);
    });
    const challenge = new PathSender(keys).seal({ type: 'challenge', token: Buffer.alloc(8) });
    challenge.copy(out);
    datagrams.push(datagram(challenge.length));

    const seen = tshark(pcap(datagrams));
    expect(seen).toEqual([
      ['rtp', '2', '97', '0x00000001', '16384', '2147483648', '0', '0xbede', '2'],
      ['rtp', '2', '97', '0x00000001', '16385', '2147486648', '0', '0xbede', '1'],
      ['rtp', '2', '97', '0x00000001', '16386', '2147489648', '1', '0xbede', '1'],
    ]);
  });
});

const FIELDS = ['version', 'p_type', 'ssrc', 'seq', 'timestamp', 'marker', 'ext.profile', 'ext.rfc5285.id'];

/** Protocol and fields of every packet that reads as RTP, extensions counted; fails on anything malformed. */
function tshark(capture: Buffer): string[][] {
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
    expect(run(['-Y', '_ws.malformed'])).toBe('');
    expect(run(['-V', '-Y', 'rtcp'])).toMatch(/Packet type: Application specific \(204\)/);
    const fields = FIELDS.flatMap(f => ['-e', `rtp.${f}`]);
    const lines = run(['-Y', 'rtp && !rtcp', '-T', 'fields', ...fields])
      .trim()
      .split('\n');
    return lines.map(line => {
      const columns = line.split('\t');
      const extensions = columns.at(-1)!.split(',').length;
      return ['rtp', ...columns.slice(0, -1), String(extensions)];
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
}
