/** Sound and picture of a member stay together, whatever its timestamps say and however late its picture is. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Child, missing } from '../harness/child.ts';
import { flashPhone } from '../harness/lip-sync/flash-phone.ts';
import { apart, flashesOf } from '../harness/lip-sync/flashes.ts';
import { WhepListener } from '../harness/lip-sync/whep-listener.ts';
import { ARRANGEMENTS, Server } from '../harness/server.ts';

const LONGEST_APART_MS = 80;
const RECORD_MS = 12_000;
/** A member is settled when its second report has come. */
const SETTLED_S = 3;

const wait = (ms: number): Promise<void> => new Promise(done => setTimeout(done, ms));
const flashing = missing('ffmpeg', 'ffprobe') ? describe.skip : describe;

flashing.each(ARRANGEMENTS)('lip-sync, %s', arrangement => {
  const dir = mkdtempSync(join(tmpdir(), 'lip-sync-'));
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  const record = (name: string, url: string): Child =>
    new Child(`ffmpeg ${name}`, 'ffmpeg', [
      ...'-hide_banner -nostdin -y -loglevel warning -analyzeduration 3000000 -rtmp_buffer 200 -i'.split(' '),
      ...[url, '-c', 'copy', join(dir, `${name}.flv`)],
    ]);

  /** Each flash less its beep, ms, in what `name` recorded. */
  const judge = async (name: string): Promise<number[]> => {
    const found = await flashesOf(join(dir, `${name}.flv`));
    const late = { ...found, flashes: found.flashes.filter(at => at > (found.flashes[0] ?? 0) + SETTLED_S) };
    const differences = apart(late);
    console.log(`${arrangement}, ${name}: flash less beep ${differences.join(', ')} ms`);
    return differences;
  };

  const within = (differences: readonly number[]): void => {
    expect(differences.length).toBeGreaterThanOrEqual(3);
    for (const ms of differences) expect(Math.abs(ms)).toBeLessThanOrEqual(LONGEST_APART_MS);
  };

  it('a phone whose picture is late and whose timestamps are 700 ms apart, and a publisher, in files of players', async () => {
    const server = await Server.start(join(dir, 'server'), arrangement);
    const ends: (() => Promise<unknown>)[] = [() => server.stop()];
    try {
      const phone = await flashPhone({
        port: server.ports.sip,
        room: '1000',
        user: 'flash',
        apartMs: 700,
        pictureLateMs: 250,
      });
      ends.push(() => phone.close());
      const publisher = publishFlashes(`${server.rtmp}/room/2000/wx`);
      ends.push(() => publisher.stop('SIGINT'));
      await server.until(
        'both are there',
        async () => [...(await server.participants('1000')), ...(await server.participants('2000'))],
        p => p.length === 2,
      );
      const players = [
        record('phone', `${server.rtmp}/room/1000/flash?as=one`),
        record('room-of-phone', `${server.rtmp}/room/1000?as=two`),
        record('publisher', `${server.rtmp}/room/2000/wx?as=three`),
        record('room-of-publisher', `${server.rtmp}/room/2000?as=four`),
      ];
      ends.push(() => Promise.all(players.map(p => p.stop('SIGINT'))));
      const listeners = {
        'publisher by WHEP': await WhepListener.open(`${server.web}/whep/2000/wx?as=five`),
        'room by WHEP': await WhepListener.open(`${server.web}/whep/2000?as=six`),
      };
      for (const listener of Object.values(listeners)) ends.push(() => listener.close());
      await wait(RECORD_MS);
      await Promise.all(players.map(p => p.stop('SIGINT')));
      const names = ['phone', 'room-of-phone', 'publisher', 'room-of-publisher'];
      const all = await Promise.all(names.map(judge));
      for (const [name, listener] of Object.entries(listeners)) {
        const differences = await listener.apart();
        console.log(
          `${arrangement}, ${name}: flash less beep ${differences.join(', ')} ms by sender reports`,
        );
        all.push(differences);
      }
      for (const differences of all) within(differences);
      expect(server.bugs()).toEqual([]);
    } catch (error) {
      console.error(server.log());
      throw error;
    } finally {
      for (const end of ends.reverse()) await end().catch(() => {});
    }
  }, 120_000);
});

/** The picture is white, and sounds, in the first 120 ms of every two seconds; each flash is a keyframe. */
function publishFlashes(url: string): Child {
  const on = String.raw`lt(mod(t\,2)\,0.12)`;
  return new Child('ffmpeg publisher', 'ffmpeg', [
    ...'-hide_banner -nostdin -loglevel warning -re -f lavfi -i'.split(' '),
    `color=black:size=320x240:rate=25,drawbox=x=0:y=0:w=iw:h=ih:color=white:t=fill:enable='${on}'`,
    ...'-re -f lavfi -i'.split(' '),
    `aevalsrc=0.4*sin(2*PI*1000*t)*${on}:s=48000`,
    ...'-c:v libx264 -preset veryfast -tune zerolatency -profile:v baseline -bf 0 -g 50 -keyint_min 50'.split(
      ' ',
    ),
    ...'-sc_threshold 0 -b:v 400k -pix_fmt yuv420p -c:a aac -ar 48000 -ac 1 -b:a 48k'.split(' '),
    ...['-flvflags', 'no_duration_filesize', '-f', 'flv', url],
  ]);
}
