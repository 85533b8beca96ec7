import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeAvcc } from '../../codecs/h264/avcc.ts';
import { systemClock } from '../../src/io/clock.ts';
import {
  aacConfigTag,
  aacFrameTag,
  avcConfigTag,
  avcFrameTag,
  type Parts,
} from '../../src/proto/rtmp/flv.ts';
import { Child } from '../../test/harness/child.ts';
import { rtmpClient } from '../../test/harness/peers/rtmp-client.ts';
import { freePort } from '../../test/harness/ports.ts';

const SPS = Buffer.from('6742c01ed90280bfe5c044000003000400000300c83c58b920', 'hex');
const PPS = Buffer.from('68cb83cb20', 'hex');

describe('our RTMP client against node-media-server', () => {
  let server: Child;
  let port = 0;
  let dir = '';
  beforeAll(async () => {
    port = await freePort();
    const http = { port: await freePort() };
    dir = mkdtempSync(join(tmpdir(), 'nms-'));
    const config = join(dir, 'config.json');
    const store = { path: join(dir, 'data') };
    const auth = { play: false, publish: false, jwt: { secret: 'x'.repeat(32), users: [] } };
    writeFileSync(config, JSON.stringify({ bind: '127.0.0.1', rtmp: { port }, http, store, auth }));
    const main = createRequire(import.meta.url).resolve('node-media-server');
    const app = join(dirname(dirname(main)), 'bin', 'app.js');
    server = new Child('node-media-server', process.execPath, [app, '-c', config, '--no-admin'], {
      cwd: dir,
    });
    await server.until(new RegExp(`rtmp.*${port}`, 'i'));
  });
  afterAll(async () => {
    await server.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  it.each([undefined, 0, 1] as const)('what it publishes it plays, handshake schema %s', async schema => {
    const path = `live/stream${schema ?? 'simple'}`;
    const up = await rtmpClient(port, 'publish', path, systemClock, schema);
    await up.until(e => e.type === 'ready');
    const sent: { media: 'audio' | 'video'; timestampMs: number; parts: Parts }[] = [
      { media: 'audio', timestampMs: 0, parts: aacConfigTag(Buffer.from('1188', 'hex')) },
      { media: 'video', timestampMs: 0, parts: avcConfigTag(writeAvcc([SPS], [PPS])) },
      { media: 'video', timestampMs: 0, parts: avcFrameTag(true, 0, [Buffer.alloc(20_000, 0x65)]) },
      { media: 'audio', timestampMs: 21, parts: aacFrameTag(Buffer.alloc(300, 0x21)) },
      { media: 'video', timestampMs: 66, parts: avcFrameTag(false, 40, [Buffer.alloc(900, 0x41)]) },
      { media: 'video', timestampMs: 0x1000010, parts: avcFrameTag(false, 0, [Buffer.alloc(9000, 0x41)]) },
    ];
    up.send({ type: 'metadata', values: { width: 360, height: 640 } });
    for (const tag of sent) up.send({ type: 'media', ...tag });
    const down = await rtmpClient(port, 'play', path, systemClock, schema);
    await down.until(e => e.type === 'media' && e.timestampMs === 0x1000010);
    const got = down.heard.flatMap(e =>
      e.type === 'media' ? [`${e.media} ${e.timestampMs} ${Buffer.from(e.body).toString('base64')}`] : [],
    );
    const want = sent.map(t => `${t.media} ${t.timestampMs} ${Buffer.concat(t.parts).toString('base64')}`);
    expect(got.sort()).toEqual(want.sort());
    expect(down.heard.find(e => e.type === 'metadata')).toMatchObject({
      values: { width: 360, height: 640 },
    });
    for (const c of [up, down]) {
      c.send({ type: 'stop' });
      await c.closed;
    }
  });
});
