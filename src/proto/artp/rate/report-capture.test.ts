import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { missing } from '../../../../test/harness/child.ts';
import { writeRtcp } from '../../rtp/rtcp.ts';
import { LossRecorder } from './loss-recorder.ts';

const tshark = missing('tshark', 'text2pcap') ? test.skip : test;

tshark('tshark names every part of a report and finds none malformed', () => {
  const r = new LossRecorder(5);
  for (let i = 0; i < 80; i++) if (i % 7 !== 3) r.note(i, i, i * 20);
  const bytes = writeRtcp(r.report(7, 1620)!);
  const dir = mkdtempSync(join(tmpdir(), 'report-'));
  try {
    const lines = (bytes.toString('hex').match(/.{1,32}/g) ?? []).map(
      (l, i) => `${(i * 16).toString(16).padStart(6, '0')} ${l.replace(/../g, '$& ')}`,
    );
    writeFileSync(join(dir, 'in.txt'), `${lines.join('\n')}\n`);
    execFileSync('text2pcap', ['-q', '-u', '5001,5001', join(dir, 'in.txt'), join(dir, 'in.pcap')], {
      stdio: 'ignore',
    });
    const out = execFileSync(
      'tshark',
      ['-r', join(dir, 'in.pcap'), '-d', 'udp.port==5001,rtcp', '-O', 'rtcp'],
      { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
    );
    expect(out).toMatch(/Extended report/i);
    expect(out).toMatch(/Loss Run Length Encoding/i);
    expect(out).toMatch(/DLRR/);
    expect(out).toMatch(/Transport-wide|Transport-cc/i);
    expect(out).not.toMatch(/malformed/i);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});
