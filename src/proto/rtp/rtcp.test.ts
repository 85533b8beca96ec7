import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { missing } from '../../../test/harness/child.ts';
import { middleNtp, ntpOf, type Rtcp, readRtcp, writeRtcp } from './rtcp.ts';

const report = {
  ssrc: 0x11223344,
  fractionLost: 64,
  lost: -3,
  highestSeq: 0x1fffe,
  jitter: 160,
  lastSr: 0xdeadbeef,
  delaySinceLastSr: 65536,
};

const packets: Rtcp[] = [
  {
    type: 'sr',
    ssrc: 7,
    ntp: 0x0102030405060708n,
    rtpTime: 0xfffffff0,
    packets: 100,
    octets: 16000,
    reports: [report],
  },
  { type: 'rr', ssrc: 7, reports: [report, { ...report, ssrc: 9, lost: 0x7fffff }] },
  {
    type: 'sdes',
    chunks: [
      { ssrc: 7, cname: 'a' },
      { ssrc: 8, cname: 'twelve-chars' },
      { ssrc: 9, cname: '' },
    ],
  },
  { type: 'bye', ssrcs: [7, 8], reason: 'over' },
  { type: 'bye', ssrcs: [7] },
  { type: 'app', ssrc: 7, subtype: 3, name: 'room', data: Uint8Array.of(1, 2, 3, 4) },
  { type: 'nack', sender: 7, media: 8, lost: [65530, 65535, 3, 400] },
  { type: 'pli', sender: 7, media: 8 },
  { type: 'fir', sender: 7, entries: [{ ssrc: 8, seq: 255 }] },
  { type: 'remb', sender: 7, bps: 0x3ffff * 64, ssrcs: [8, 9] },
  { type: 'tmmbr', sender: 7, entries: [{ ssrc: 8, bps: 0x1ffff * 2 ** 40, overhead: 40 }] },
  {
    type: 'tmmbn',
    sender: 7,
    entries: [
      { ssrc: 9, bps: 300_000, overhead: 511 },
      { ssrc: 8, bps: 0, overhead: 0 },
    ],
  },
  {
    type: 'twcc',
    sender: 7,
    media: 8,
    base: 65000,
    reference: -2,
    count: 9,
    arrivals: [
      0,
      4,
      undefined,
      -1,
      300,
      255,
      256,
      ...Array<undefined>(40).fill(undefined),
      ...Array<number>(9).fill(2),
    ],
  },
];

describe('every packet type', () => {
  test.each(packets.map(p => [p.type, p] as const))('%s is read as it was written', (_, p) => {
    const bytes = writeRtcp([p]);
    expect(bytes.length % 4).toBe(0);
    expect(readRtcp(bytes)).toEqual([p]);
  });

  test('a compound keeps its order', () => {
    expect(readRtcp(writeRtcp(packets))).toEqual(packets);
  });
});

test('receiver report, byte by byte', () => {
  expect(writeRtcp([{ type: 'rr', ssrc: 7, reports: [report] }]).toString('hex')).toBe(
    '81c90007' + '00000007' + '11223344' + '40fffffd' + '0001fffe' + '000000a0' + 'deadbeef' + '00010000',
  );
});

test('nack packs neighbours into one word', () => {
  const bytes = writeRtcp([{ type: 'nack', sender: 1, media: 2, lost: [10, 11, 26, 27] }]);
  expect(bytes.toString('hex', 12)).toBe('000a8001' + '001b0000');
});

test('cut anywhere it is junk or a shorter compound, never a throw', () => {
  const bytes = writeRtcp(packets);
  for (let n = 0; n < bytes.length; n++) {
    const read = readRtcp(bytes.subarray(0, n));
    if (typeof read !== 'string') expect(read).toEqual(packets.slice(0, read.length));
  }
});

test('padding is stripped, lying padding is junk', () => {
  const rr = writeRtcp([{ type: 'rr', ssrc: 7, reports: [] }]);
  const padded = Buffer.concat([rr, Buffer.of(0, 0, 0, 4)]);
  padded[0]! |= 0x20;
  padded.writeUInt16BE(2, 2);
  expect(readRtcp(padded)).toEqual([{ type: 'rr', ssrc: 7, reports: [] }]);
  padded[11] = 200;
  expect(readRtcp(padded)).toBe('padding');
});

test('an unknown packet type (XR) is stepped over', () => {
  const xr = Buffer.from('80cf000100000007', 'hex');
  const bytes = Buffer.concat([xr, writeRtcp([{ type: 'pli', sender: 1, media: 2 }])]);
  expect(readRtcp(bytes)).toEqual([{ type: 'pli', sender: 1, media: 2 }]);
});

test('claims larger than the packet are junk', () => {
  expect(readRtcp(Buffer.from('9fc9000100000007', 'hex'))).toBe('rr-short');
  expect(readRtcp(Buffer.from('80c9000900000007', 'hex'))).toBe('length');
  expect(readRtcp(Buffer.alloc(3000, 0x80))).toBe('long');
  // A transport feedback of 65535 packets, all lost, in runs of 8191.
  const huge = Buffer.from(`8fcd0008${'00000001'.repeat(2)}0000ffff00000000${'1fff'.repeat(8)}`, 'hex');
  expect(readRtcp(huge)).toBe('twcc-too-many');
});

test('NTP of a known instant', () => {
  expect(ntpOf(0) >> 32n).toBe(2_208_988_800n);
  expect(ntpOf(1500) & 0xffffffffn).toBe(0x80000000n);
  expect(middleNtp(0x0001_aaaa_bbbb_0000n)).toBe(0xaaaabbbb);
});

const tshark = missing('tshark', 'text2pcap') ? test.skip : test;

tshark('tshark reads the same values', () => {
  const dir = mkdtempSync(join(tmpdir(), 'rtcp-'));
  try {
    const hex = writeRtcp(packets.filter(p => p.type !== 'twcc')).toString('hex');
    const lines = (hex.match(/.{1,32}/g) ?? []).map(
      (l, i) => `${(i * 16).toString(16).padStart(6, '0')} ${l.replace(/../g, '$& ')}`,
    );
    writeFileSync(join(dir, 'in.txt'), `${lines.join('\n')}\n`);
    execFileSync('text2pcap', ['-q', '-u', '5001,5001', join(dir, 'in.txt'), join(dir, 'in.pcap')], {
      stdio: 'ignore',
    });
    const fields = [
      'rtcp.pt',
      'rtcp.ssrc.jitter',
      'rtcp.ssrc.cum_nr',
      'rtcp.sdes.text',
      'rtcp.rtpfb.nack_pid',
    ];
    const out = execFileSync(
      'tshark',
      [
        '-r',
        join(dir, 'in.pcap'),
        '-d',
        'udp.port==5001,rtcp',
        '-T',
        'fields',
        '-E',
        'separator=;',
        ...fields.flatMap(f => ['-e', f]),
        '-e',
        '_ws.malformed',
      ],
      { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
    );
    const [types, jitter, lost, cname, pids, malformed] = out.trimEnd().split(';');
    expect(types).toBe('200,201,202,203,203,204,205,206,206,206,205,205');
    expect(jitter).toBe('160,160,160');
    expect(lost).toMatch(/^(-3|16777213),(-3|16777213),8388607$/);
    expect(cname).toBe('a,twelve-chars,over'); // with the reason of the BYE;
    expect(pids).toBe('65530,65535,65539,400'); // tshark does not wrap: 65539 is 3
    expect(malformed ?? '').toBe('');
  } finally {
    rmSync(dir, { recursive: true });
  }
});
