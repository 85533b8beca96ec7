import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { openDecoder, openEncoder } from '../../codecs/audio.ts';
import { NalType, nalType } from '../../codecs/h264/nal.ts';
import type { MediaPacket, NewTrack, Sink } from '../../src/contract.ts';
import { Timeline } from '../../src/media/timeline.ts';
import { Child, missing } from '../../test/harness/child.ts';
import type { FakeSeat } from '../../test/harness/fakes.ts';
import { eventually, openSite, type Site } from '../../test/harness/rtmp-site.ts';
import { levelAt } from '../../test/harness/tones.ts';
import { readWav } from '../../test/harness/wav.ts';

const RATE = 15;
const SIZE = '360x640';
const picture = ['-f', 'lavfi', '-i', `testsrc2=size=${SIZE}:rate=${RATE}`];
const tone = ['-f', 'lavfi', '-i', 'sine=frequency=440:sample_rate=48000'];
/** What a mini-program's live-pusher sends. */
const baseline =
  '-c:v libx264 -preset veryfast -tune zerolatency -profile:v baseline -bf 0 -g 15 -keyint_min 15 -sc_threshold 0 -b:v 500k -maxrate 500k -bufsize 500k -pix_fmt yuv420p'.split(
    ' ',
  );
/** What OBS sends unless told otherwise. */
const withBFrames =
  '-c:v libx264 -preset veryfast -profile:v high -bf 2 -g 15 -sc_threshold 0 -b:v 500k -pix_fmt yuv420p'.split(
    ' ',
  );
const aac = '-c:a aac -ar 48000 -ac 1 -b:a 48k'.split(' ');
const flv = ['-flvflags', 'no_duration_filesize', '-f', 'flv'];
const quiet = ['-hide_banner', '-loglevel', 'warning', '-nostdin', '-y'];

describe.skipIf(missing('ffmpeg', 'ffprobe'))('RTMP with ffmpeg', () => {
  let dir = '';
  let site: Site;
  const running: Child[] = [];
  beforeAll(() => void (dir = mkdtempSync(join(tmpdir(), 'rtmp-'))));
  afterAll(() => rmSync(dir, { recursive: true, force: true }));
  afterEach(async () => {
    for (const child of running.splice(0)) await child.stop('SIGKILL');
    await site.close();
  });
  const file = (name: string): string => join(dir, name);
  const ffmpeg = (name: string, ...args: string[]): Child => {
    const child = new Child(name, 'ffmpeg', [...quiet, ...args]);
    running.push(child);
    return child;
  };
  const run = async (...args: string[]): Promise<string> => {
    const child = ffmpeg('ffmpeg', ...args);
    const code = await child.exited;
    if (code !== 0) throw new Error(`ffmpeg ended with ${code}: ${child.output.slice(-2000)}`);
    return child.output;
  };
  /** Mean PSNR, dB, of a stream against the picture it was made from. */
  const likeness = async (input: string): Promise<number> => {
    const said = await run(
      '-loglevel',
      'info',
      '-r',
      `${RATE}`,
      '-i',
      input,
      ...picture,
      '-lavfi',
      'psnr=shortest=1',
      '-f',
      'null',
      '-',
    );
    return Number(/average:([\d.]+)/.exec(said)?.[1]);
  };

  it('publishes as a mini-program does: its tone is heard and its picture seen', async () => {
    site = await openSite();
    const live = ffmpeg(
      'publisher',
      '-re',
      ...picture,
      '-re',
      ...tone,
      '-t',
      '4',
      ...baseline,
      ...aac,
      ...flv,
      `${site.url}/room/1000/alice`,
    );
    const { seat, events } = await site.leg(0);
    expect(await live.exited).toBe(0);
    await eventually(() => events.at(-1)?.type === 'closed', 'the leg closed');
    expect(events.at(-1)).toMatchObject({ why: { reason: 'hung-up' } });

    const mic = seat.publications.find(p => p.track.source === 'mic')!;
    const sound = await decodeOpus(mic.heard);
    expect(sound.length / 48000).toBeGreaterThan(3.5);
    const samples = Float32Array.from(sound, s => s / 32768);
    expect(levelAt({ rateHz: 48000, samples }, 48000, 48000, 440)).toBeGreaterThan(-22);
    expect(levelAt({ rateHz: 48000, samples }, 48000, 48000, 1000)).toBeLessThan(-60);
    expect(mic.heard.slice(10, -10).every(p => p.level !== undefined && p.level > 15 && p.level < 27)).toBe(
      true,
    );

    const camera = seat.publications.find(p => p.track.source === 'camera')!;
    writeFileSync(file('seen.h264'), annexB(camera.heard));
    expect(await likeness(file('seen.h264'))).toBeGreaterThan(25);
    expect(camera.heard.filter(p => p.marker).length).toBe(4 * RATE);

    // Lip-sync: both begin at the same time of one clock.
    const begins = (p: typeof mic, clockRate: number): number => p.heard[0]!.pts / (clockRate / 1000);
    expect(Math.abs(begins(mic, 48000) - begins(camera, 90000))).toBeLessThan(80);
  });

  it.each([
    ['baseline', baseline],
    ['B-frames', withBFrames],
  ])(
    'a player of one member gets its picture bit by bit, %s, with the sound',
    async (name, video) => {
      const source = file(`${name}.flv`);
      await run(...picture, ...tone, '-t', '6', ...video, ...aac, ...flv, source);
      const room = new LoopRoom();
      site = await openSite({}, ['alice'], {}, seat => room.seat(seat));
      const live = ffmpeg(
        'publisher',
        '-re',
        '-i',
        source,
        '-c',
        'copy',
        ...flv,
        `${site.url}/room/1000/alice`,
      );
      await site.leg(0);
      const got = file(`${name}-got.flv`);
      const player = ffmpeg(
        'player',
        '-rtmp_buffer',
        '200',
        '-analyzeduration',
        '3000000',
        '-i',
        `${site.url}/room/1000/alice?as=bob`,
        '-c',
        'copy',
        '-f',
        'flv',
        got,
      );
      expect(await live.exited).toBe(0);
      const { leg, events } = await site.leg(1);
      expect(leg.stats().map(s => [s.media, s.how])).toEqual([
        ['audio', 'transcode opus→AAC'],
        ['video', 'passthrough'],
      ]);
      leg.handle({ type: 'close', why: { blame: 'none', reason: 'over' } });
      await player.exited;
      expect(events.at(-1)).toMatchObject({ type: 'closed' });

      const units = async (flvFile: string): Promise<string[]> => {
        await run(
          '-i',
          flvFile,
          '-c:v',
          'copy',
          '-bsf:v',
          'h264_mp4toannexb',
          '-an',
          '-f',
          'h264',
          `${flvFile}.h264`,
        );
        return slices(readFileSync(`${flvFile}.h264`));
      };
      const sent = await units(source);
      const received = await units(got);
      expect(received.length).toBeGreaterThan(2 * RATE);
      const from = sent.indexOf(received[0] as string);
      expect(received).toEqual(sent.slice(from, from + received.length));

      // Presentation times keep the source's spacing; decode times never go back.
      // The reorder depth is learned from the first group: from the fifth picture on.
      const times = (await probe(got)).slice(4);
      const steps = times
        .map(t => t.pts)
        .sort((a, b) => a - b)
        .map((t, i, all) => (i === 0 ? 0 : t - all[i - 1]!))
        .slice(1);
      for (const step of steps) expect(Math.abs(step - 1000 / RATE)).toBeLessThanOrEqual(12);
      expect(times.every((t, i) => i === 0 || t.dts >= times[i - 1]!.dts)).toBe(true);

      await run('-i', got, '-vn', '-ac', '1', file(`${name}.wav`));
      const sound = readWav(file(`${name}.wav`));
      const second = sound.rateHz;
      expect(sound.samples.length).toBeGreaterThan(2 * second);
      expect(levelAt(sound, second, second, 440)).toBeGreaterThan(-24);
      expect(levelAt(sound, second, second, 1000)).toBeLessThan(-55);
    },
    40_000,
  );

  it('plays a room in which nobody is seen: the mix alone, at once', async () => {
    site = await openSite();
    const wav = file('mix.wav');
    const player = ffmpeg(
      'player',
      '-analyzeduration',
      '500000',
      '-i',
      `${site.url}/room/1000?as=alice`,
      '-t',
      '2',
      '-vn',
      wav,
    );
    const { seat } = await site.leg(0);
    const [mix] = seat.subscriptions;
    const encoder = await openEncoder({ codec: 'AAC', clockRate: 48000, channels: 1 }, 48000);
    mix!.on({ type: 'serving', format: encoder.format, how: 'mix' });
    let seq = 0;
    let phase = 0;
    const begun = performance.now();
    const timer = setInterval(() => {
      while (phase / 48 < performance.now() - begun) {
        const pcm = Int16Array.from(
          { length: 960 },
          () => 3277 * Math.sin((2 * Math.PI * 660 * phase++) / 48000),
        );
        encoder.encode(pcm, (payload, pts) =>
          mix!.sink({ seq: seq++, pts, marker: false, payload }, performance.now()),
        );
      }
    }, 20);
    expect(await player.exited).toBe(0);
    clearInterval(timer);
    encoder.close();
    const sound = readWav(wav);
    expect(levelAt(sound, sound.rateHz / 2, sound.rateHz, 660)).toBeGreaterThan(-22);
  });

  it('says no as ffmpeg shows it', async () => {
    site = await openSite();
    const nobody = ffmpeg('player', '-i', `${site.url}/room/1000/bob?as=alice`, '-f', 'null', '-');
    expect(await nobody.exited).not.toBe(0);
    expect(nobody.output).toContain('There is no member "bob" in room 1000 now.');
    const lost = ffmpeg('publisher', ...tone, '-t', '1', ...aac, ...flv, `${site.url}/live/stream`);
    expect(await lost.exited).not.toBe(0);
    expect(lost.output).toContain('is not of the form room/<room>');
  });

  async function probe(path: string): Promise<{ pts: number; dts: number }[]> {
    const args = [
      '-v',
      'error',
      '-select_streams',
      'v',
      '-show_entries',
      'packet=pts,dts',
      '-of',
      'csv=p=0',
      path,
    ];
    const child = new Child('ffprobe', 'ffprobe', args);
    await child.exited;
    return child.output
      .trim()
      .split('\n')
      .map(line => line.split(',').map(Number))
      .map(([pts, dts]) => ({ pts: pts as number, dts: dts as number }));
  }
});

/** Just enough of a room: what one seat publishes, the wants of the others get, sound as AAC. */
class LoopRoom {
  readonly #listeners = new Map<string, Sink<MediaPacket>[]>();
  seat(seat: FakeSeat): void {
    const publish = seat.publish.bind(seat);
    const want = seat.want.bind(seat);
    seat.publish = (track: NewTrack, on) => {
      const p = publish(track, on);
      const keep = p.sink;
      return Object.assign(p, {
        sink: (m: MediaPacket, now: number): void => {
          keep(m, now);
          for (const listener of this.#listeners.get(track.source) ?? []) listener(m, now);
        },
      });
    };
    seat.want = (what, sink, on) => {
      const s = want(what, sink, on);
      if (what.kind !== 'member') return s;
      const line = new Timeline(what.source === 'mic' ? 48000 : 90000);
      s.time = pts => line.at(pts);
      const play: Sink<MediaPacket> = (m, now) => {
        line.arrived(m.pts, now);
        sink(m, now);
      };
      const list = this.#listeners.get(what.source) ?? [];
      this.#listeners.set(what.source, list);
      if (what.source === 'mic') void this.#transcode(play, on, list);
      else {
        queueMicrotask(() =>
          on({ type: 'serving', how: 'passthrough', format: { codec: 'H264', clockRate: 90000 } }),
        );
        list.push(play);
      }
      return s;
    };
  }

  async #transcode(
    sink: Sink<MediaPacket>,
    on: Parameters<FakeSeat['want']>[2],
    list: Sink<MediaPacket>[],
  ): Promise<void> {
    const decoder = await openDecoder({ codec: 'opus', clockRate: 48000 }, 48000);
    const encoder = await openEncoder({ codec: 'AAC', clockRate: 48000, channels: 1 }, 48000);
    on({ type: 'serving', how: 'transcode opus→AAC', format: encoder.format });
    let seq = 0;
    list.push((m, now) =>
      encoder.encode(decoder.decode(m.payload), (payload, pts) =>
        sink({ seq: seq++, pts, marker: false, payload }, now),
      ),
    );
  }
}

async function decodeOpus(packets: readonly MediaPacket[]): Promise<Int16Array> {
  const decoder = await openDecoder({ codec: 'opus', clockRate: 48000 }, 48000);
  const all = Int16Array.from(packets.flatMap(p => [...decoder.decode(p.payload)]));
  decoder.close();
  return all;
}

/** RTP payloads as a byte stream with start codes, put together here anew to check what was sent. */
function annexB(packets: readonly MediaPacket[]): Buffer {
  const out: Uint8Array[] = [];
  for (const { payload } of packets) {
    const fragment = (payload[0]! & 31) === NalType.fuA;
    if (!fragment || payload[1]! & 0x80) out.push(Uint8Array.of(0, 0, 0, 1));
    if (!fragment) out.push(payload);
    else {
      if (payload[1]! & 0x80) out.push(Uint8Array.of((payload[0]! & 0xe0) | (payload[1]! & 31)));
      out.push(payload.subarray(2));
    }
  }
  return Buffer.concat(out);
}

/** Every NAL unit of an Annex B file in hex, without parameter sets and delimiters. */
function slices(stream: Buffer): string[] {
  const units: Buffer[] = [];
  let from = -1;
  for (let i = 0; i + 3 <= stream.length; i++) {
    if (stream[i] !== 0 || stream[i + 1] !== 0 || stream[i + 2] !== 1) continue;
    if (from >= 0) units.push(stream.subarray(from, stream[i - 1] === 0 ? i - 1 : i));
    from = i + 3;
    i += 2;
  }
  if (from >= 0) units.push(stream.subarray(from));
  const apart: readonly number[] = [NalType.sps, NalType.pps, NalType.aud];
  return units.filter(u => !apart.includes(nalType(u))).map(u => u.toString('hex'));
}
