/** One picture of the room: who speaks, or everyone in a grid, as an admin says, live. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { afterAll, describe, expect, it } from 'vitest';
import type { StreamStats } from '../../src/contract.ts';
import { Child, missing } from '../harness/child.ts';
import { flashPhone } from '../harness/lip-sync/flash-phone.ts';
import { ARRANGEMENTS, Server } from '../harness/server.ts';

/** Every picture, brought to this size. */
const WIDTH = 32;
const HEIGHT = 16;
const BYTES = WIDTH * HEIGHT * 3;
/** Of a picture, at least: a member shows at all. */
const SHOWS = 0.1;

const colours = missing('ffmpeg') ? describe.skip : describe;

colours.each(ARRANGEMENTS)('layout, %s', arrangement => {
  const dir = mkdtempSync(join(tmpdir(), 'layout-'));
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  it('grid and speaker, to a player and a phone, as the setting changes', async () => {
    const server = await Server.start(join(dir, 'server'), arrangement);
    const ends: (() => Promise<unknown>)[] = [() => server.stop()];
    let player: Watcher | undefined;
    try {
      for (const colour of ['red', 'blue']) {
        const publisher = publish(`${server.rtmp}/room/1000/${colour}`, colour);
        ends.push(() => publisher.stop('SIGINT'));
      }
      await server.until(
        'pictures of both',
        () => hows(server, 'in'),
        p => p.length === 2,
      );
      player = new Watcher(`${server.rtmp}/room/1000?as=player`);
      const watcher = player;
      ends.push(() => watcher.child.stop('SIGINT'));
      const phone = await flashPhone({
        port: server.ports.sip,
        room: '1000',
        user: 'phone',
        apartMs: 0,
        pictureLateMs: 0,
        receives: true,
      });
      ends.push(() => phone.close());
      const shows = (wanted: number): Promise<unknown> =>
        server.until(
          `${wanted} members in the picture`,
          async () => watcher.colours(),
          seen => (seen.red > SHOWS ? 1 : 0) + (seen.blue > SHOWS ? 1 : 0) === wanted,
        );
      const said = (how: string): Promise<unknown> =>
        server.until(
          'both legs say so',
          () => hows(server),
          all => all.length === 2 && all.every(h => h === how),
        );

      await server.api('PUT', '/rooms/1000', { layout: 'grid' });
      await shows(2);
      await said('grid');
      await server.api('PUT', '/rooms/1000', { layout: 'speaker' });
      await shows(0); // the phone beeps: it is seen, in black
      await said('passthrough');
      expect(server.bugs()).toEqual([]);
    } catch (error) {
      console.error(player?.child.output, await hows(server), server.log());
      throw error;
    } finally {
      for (const end of ends.reverse()) await end().catch(() => {});
    }
  }, 120_000);
});

/** How the pictures of all legs that see one are made; `in`: of all that send one. */
async function hows(server: Server, direction: StreamStats['direction'] = 'out'): Promise<string[]> {
  const legs = await server.api<{ leg: string }[]>('GET', '/legs');
  const streams: string[] = [];
  for (const { leg } of legs ?? []) {
    const found = await server.api<{ streams?: StreamStats[] }>('GET', `/legs/${encodeURIComponent(leg)}`);
    for (const s of found?.streams ?? [])
      if (s.direction === direction && s.media === 'video') streams.push(s.how);
  }
  return streams;
}

function publish(url: string, colour: string): Child {
  return new Child(`ffmpeg ${colour}`, 'ffmpeg', [
    ...'-hide_banner -nostdin -loglevel warning -re -f lavfi -i'.split(' '),
    `color=${colour}:size=320x240:rate=15`,
    ...'-re -f lavfi -i anullsrc=r=48000:cl=mono'.split(' '),
    ...'-c:v libx264 -preset veryfast -tune zerolatency -profile:v baseline -bf 0 -g 30 -pix_fmt yuv420p'.split(
      ' ',
    ),
    ...['-c:a', 'aac', '-b:a', '48k', '-flvflags', 'no_duration_filesize', '-f', 'flv', url],
  ]);
}

/** A player that decodes what it gets as it comes. */
class Watcher {
  readonly child: Child;
  #picture = Buffer.alloc(BYTES);

  constructor(url: string) {
    this.child = new Child(
      'ffmpeg player',
      'ffmpeg',
      [
        ...'-hide_banner -nostdin -loglevel warning -flags low_delay -rtmp_buffer 200 -i'.split(' '),
        ...[url, '-map', '0:v', '-fps_mode', 'passthrough', '-s', `${WIDTH}x${HEIGHT}`],
        ...'-pix_fmt rgb24 -f rawvideo -flush_packets 1 pipe:3'.split(' '),
      ],
      { stdio: ['pipe', 'pipe', 'pipe', 'pipe'] },
    );
    let rest = Buffer.alloc(0);
    (this.child.process.stdio[3] as Readable).on('data', (bytes: Buffer) => {
      rest = Buffer.concat([rest, bytes]);
      const whole = Math.floor(rest.length / BYTES);
      if (whole > 0) this.#picture = Buffer.from(rest.subarray((whole - 1) * BYTES, whole * BYTES));
      rest = rest.subarray(whole * BYTES);
    });
  }

  /** Shares of the newest picture. */
  colours(): { readonly red: number; readonly blue: number } {
    let red = 0;
    let blue = 0;
    for (let i = 0; i < BYTES; i += 3) {
      const [r, g, b] = this.#picture.subarray(i, i + 3) as unknown as [number, number, number];
      if (r > 150 && g < 100 && b < 100) red++;
      if (b > 150 && r < 100 && g < 100) blue++;
    }
    return { red: (red * 3) / BYTES, blue: (blue * 3) / BYTES };
  }
}
