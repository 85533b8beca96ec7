import { type Call, Caller } from './caller.ts';
import { Delays } from './delays.ts';
import { type Bench, type BenchOptions, type Figure, median } from './measure.ts';
import { Measured } from './measured.ts';
import { Phone, PTIME_MS, voices } from './phone.ts';
import { type Program, startProgram } from './program.ts';
import { stampedPictures } from './stamped.ts';
import { VIDEO_FPS, VideoPhone } from './video-phone.ts';

const PHONES = 20;
/** Each speaks in turn. */
const TURN_MS = 4000;
const TURNS = 8;
const RAW_S = 10;
/** 400 kbit/s at 15 a second. */
const PICTURES = { width: 640, height: 360, fps: VIDEO_FPS, bytes: 3300, keyBytes: 14_000 };

interface Member {
  readonly sound: Phone;
  readonly picture: VideoPhone;
  readonly soundPort: number;
  readonly picturePort: number;
}
type To = Pick<Call, 'rtpPort' | 'videoPort'>;

export const speakers: Bench = {
  name: 'speakers',
  about:
    `${PHONES} video phones (G.711, H.264 640×360 at 15 a second, 400 kbit/s) in one room, another one speaks every ` +
    `${TURN_MS / 1000} s and is seen by all, passed through; baseline: every packet of theirs back through raw node:dgram`,
  async run(o) {
    const made = await stampedPictures(PICTURES);
    const delays = new Delays();
    const { talking, quiet } = await voices();
    const members: Member[] = [];
    let talker = 0;
    for (let i = 0; i < PHONES; i++) {
      const [sound, picture] = [new Phone(i + 1, quiet, talking), new VideoPhone(i, made, delays)];
      members.push({ sound, picture, soundPort: await sound.open(), picturePort: await picture.open() });
    }
    const speak = (next: number): void => {
      (members[talker] as Member).sound.talks = false;
      (members[next] as Member).sound.talks = true;
      talker = next;
    };
    speak(0);
    try {
      const raw = await reflected(members, delays, o);
      const program = await startProgram();
      try {
        return await inTurn(program, members, delays, raw, speak, o);
      } finally {
        await program.end();
      }
    } finally {
      for (const { sound, picture } of members) {
        sound.close();
        picture.close();
      }
    }
  },
};

interface Raw {
  readonly percent: number;
  readonly us: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

async function reflected(members: readonly Member[], delays: Delays, { note }: BenchOptions): Promise<Raw> {
  note('baseline');
  const raw = Measured.worker(new URL('./raw-forwarder.ts', import.meta.url), ['0', `${2 * PHONES}`]);
  try {
    const ports = await raw.said<number[]>('ports');
    const to = members.map((_, i) => ({
      rtpPort: ports[2 * i] as number,
      videoPort: ports[2 * i + 1] as number,
    }));
    const stop = pace(members, to);
    await ms(2000);
    delays.take();
    const [before, at, had] = [await raw.usage(), performance.now(), received(members)];
    await ms(RAW_S * 1000);
    const after = await raw.usage();
    const spentUs = after.cpuUs - before.cpuUs;
    const { p50Ms, p99Ms } = delays.take();
    const packets = received(members) - had;
    const percent = spentUs / 10 / (performance.now() - at);
    stop();
    return { percent, us: spentUs / packets, p50Ms, p99Ms };
  } finally {
    await raw.end();
  }
}

async function inTurn(
  { process, sip }: Program,
  members: readonly Member[],
  delays: Delays,
  raw: Raw,
  speak: (next: number) => void,
  { note }: BenchOptions,
): Promise<Figure[]> {
  const caller = new Caller(sip);
  await caller.open();
  const calls: Call[] = [];
  for (const [i, m] of members.entries())
    calls.push(await caller.call('1000', `phone-${i}`, m.soundPort, m.picturePort));
  const stop = pace(members, calls);
  note('warming up');
  await ms(2 * TURN_MS);
  delays.take();
  const switchMs: number[] = [];
  let missed = 0;
  const [before, began, had] = [await process.usage(), performance.now(), received(members)];
  for (let turn = 1; turn <= TURNS; turn++) {
    note(`turn ${turn} of ${TURNS}`);
    const next = (turn * 7) % PHONES;
    const at = performance.now();
    speak(next);
    await ms(TURN_MS);
    for (const [i, { picture }] of members.entries()) {
      if (i === next) continue;
      if (picture.sees === next) switchMs.push(Math.max(0, picture.seesSinceMs - at));
      else missed++;
    }
  }
  const after = await process.usage();
  const packets = received(members) - had;
  const spentUs = after.cpuUs - before.cpuUs;
  const { p50Ms, p99Ms } = delays.take();
  stop();
  await Promise.all(calls.map(call => call.end()));
  caller.close();
  const percent = spentUs / 10 / (performance.now() - began);
  return [
    { what: 'CPU of one core', value: percent, unit: '%', baseline: raw.percent },
    { what: 'a packet sent, mix and RTCP and all', value: spentUs / packets, unit: 'µs', baseline: raw.us },
    { what: 'delay of a picture, p50', value: p50Ms, unit: 'ms', baseline: raw.p50Ms },
    { what: 'delay of a picture, p99', value: p99Ms, unit: 'ms', baseline: raw.p99Ms },
    { what: 'from the first word to the new speaker’s picture, median', value: median(switchMs), unit: 'ms' },
    {
      what: 'from the first word to the new speaker’s picture, worst',
      value: Math.max(...switchMs),
      unit: 'ms',
    },
    { what: 'switches that a phone did not see', value: missed, unit: '', goal: 'none' },
  ];
}

const received = (members: readonly Member[]): number =>
  members.reduce((n, m) => n + m.sound.received + m.picture.received, 0);

/** Sound every 20 ms and pictures 15 times a second, all phones’ turns spread evenly. Gives the undo. */
function pace(members: readonly Member[], to: readonly To[]): () => void {
  const began = performance.now();
  let [said, shown] = [0, 0];
  const timer = setInterval(() => {
    const elapsed = performance.now() - began;
    for (; said < (elapsed * PHONES) / PTIME_MS; said++)
      members[said % PHONES]?.sound.send((to[said % PHONES] as To).rtpPort);
    for (; shown < (elapsed * PHONES * VIDEO_FPS) / 1000; shown++)
      members[shown % PHONES]?.picture.show((to[shown % PHONES] as To).videoPort);
  }, 1);
  return () => clearInterval(timer);
}

const ms = (n: number): Promise<void> => new Promise(resolve => setTimeout(resolve, n));
