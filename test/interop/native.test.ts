import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDecoder } from '../../codecs/audio.ts';
import { Talker } from '../../gateways/dialer/talker.ts';
import { openTone } from '../../gateways/dialer/tone.ts';
import { connect, type MemberEvent, type NativeMember } from '../../gateways/native/client/index.ts';
import type { Format } from '../../src/contract.ts';
import { systemClock } from '../../src/io/clock.ts';
import { ArtpRelay, portsOf } from '../harness/artp-relay.ts';
import { Child, missing } from '../harness/child.ts';
import { heardMs, spansOf } from '../harness/heard.ts';
import { type OnEnd, Stage, wait } from '../harness/stage.ts';
import { TONES_HZ } from '../harness/tones.ts';

const OPUS: Format = { codec: 'opus', clockRate: 48_000, channels: 2 };
const [SIPP, RTMP, NATIVE] = [0, 1, 2];
const RATE_HZ = 8000;
/** −20 dBFS of a sine's peak, in −dBov. */
const TONE_LEVEL = 23;

const suite = missing('sipp', 'ffmpeg') ? describe.skip : describe;

suite('native members', () => {
  let stage: Stage;
  let url = '';
  beforeAll(async () => {
    stage = await Stage.open('one process', 'rooms: { sessionKeep: 6s }');
    const printed = /artp:\/\/\S+/.exec(stage.server.log())?.[0] ?? '';
    const { tlsPort, udpPort } = portsOf(printed);
    url = `artp://127.0.0.1:${tlsPort}/ROOM?udp=${udpPort}`;
  });
  afterAll(() => stage?.close());
  const to = (room: string): string => url.replace('ROOM', room);

  /** A member that sounds its tone, and what it hears as PCM. */
  const talking = async (onEnd: OnEnd, address: string, user: string, tone: number) => {
    const events: MemberEvent[] = [];
    const member = await connect({
      url: address,
      user,
      insecure: true,
      webSocket: false,
      on: e => void events.push(e),
    });
    const mic = member.publish({ source: 'mic', format: OPUS, canKeyframe: false, syncGroup: user });
    const sound = await openTone(OPUS, TONES_HZ[tone] as number);
    const talker = new Talker(sound, systemClock, (packet, now) => {
      packet.level = TONE_LEVEL;
      mic.sink(packet, now);
    });
    const decoder = await openDecoder(OPUS, RATE_HZ);
    const samples: number[] = [];
    member.want({ kind: 'mix', codec: OPUS, ptimeMs: 20 }, p => {
      for (const s of decoder.decode(p.payload)) samples.push(s / 32_768);
    });
    onEnd(async () => {
      talker.stop();
      await member.leave();
      decoder.close();
    });
    return { member, events, heard: () => ({ rateHz: RATE_HZ, samples: Float32Array.from(samples) }) };
  };
  const hears = (sound: { rateHz: number; samples: Float32Array }, tone: number): number =>
    heardMs(spansOf(sound, tone));

  it('and phones and mini-programs hear each other, and nobody itself', async t => {
    const end = t.onTestFinished;
    const native = await talking(end, to('1000'), 'nora', NATIVE);
    stage.publisher(end, '1000', 'wx', RTMP);
    const player = stage.player(end, '1000', 'wx');
    const phone = await stage.sipp(end, '1000', SIPP, { seconds: 9 });
    await stage.server.until(
      'three members',
      () => stage.server.participants('1000'),
      p => p.length === 3,
    );
    await phone.finished();
    await player.stop();
    for (const tone of [SIPP, RTMP]) expect(hears(native.heard(), tone)).toBeGreaterThan(2000);
    expect(hears(native.heard(), NATIVE)).toBe(0);
    for (const tone of [RTMP, NATIVE]) expect(hears(await phone.heard(), tone)).toBeGreaterThan(2000);
    for (const tone of [SIPP, NATIVE]) expect(hears(player.heard(), tone)).toBeGreaterThan(2000);
  }, 60_000);

  it('and mini-programs see each other: two dials', async () => {
    const dial = (target: string, own: number, other: number): Child =>
      new Child('dial', process.execPath, [
        'bin/roombridge.js',
        'dial',
        target,
        ...['--seconds', '5', '--tone', String(own), '--expect-tone', String(other), '--expect-picture'],
      ]);
    const dials = [
      dial(to('see'), 700, 1100),
      dial(`rtmp://127.0.0.1:${stage.server.ports.rtmp}/room/see/wx`, 1100, 700),
    ];
    for (const child of dials) expect(await child.exited, child.output).toBe(0);
  }, 60_000);

  it('survive a new address, five seconds of silence, and a network without UDP', async t => {
    const end = t.onTestFinished;
    await Promise.all([newAddress(end), silence(end), withoutUdp(end)]);
  }, 60_000);

  /** When packets of another member came, wall clock. */
  const arrivals = (member: NativeMember, of: string): number[] => {
    const at: number[] = [];
    member.want({ kind: 'member', participant: of, source: 'mic', accept: [OPUS] }, () => {
      at.push(Date.now());
    });
    return at;
  };

  async function newAddress(end: OnEnd): Promise<void> {
    const talker = await talking(end, to('move'), 'tara', 3);
    const listener = await talking(end, to('move'), 'lena', 4);
    const [heard, back] = [arrivals(listener.member, 'tara'), arrivals(talker.member, 'lena')];
    await wait(2000);
    const movedAt = Date.now();
    await talker.member.networkChanged();
    await wait(2000);
    for (const at of [heard, back]) {
      const around = at.filter(ms => ms > movedAt - 500);
      expect(around.length).toBeGreaterThan(50);
      const gaps = around.slice(1).map((ms, i) => ms - (around[i] as number));
      expect(Math.max(...gaps)).toBeLessThanOrEqual(1000);
    }
    expect(talker.events.map(e => e.type)).not.toContain('resumed');
  }

  /** `sessionKeep` is 6 s here. */
  async function silence(end: OnEnd): Promise<void> {
    const relay = await ArtpRelay.open(portsOf(to('keep')));
    end(() => relay.close());
    const { member } = await talking(end, relay.url('keep'), 'kim', 5);
    await stage.members('keep', 'kim');
    const cut = (off: boolean): void => {
      relay.loses = () => off;
      relay.streams(!off);
    };
    cut(true);
    await wait(5000);
    expect(await stage.server.participants('keep')).toEqual(['kim']);
    cut(false);
    await stage.server.until(
      'heard again',
      async () => member.state,
      s => s === 'active',
    );
    await wait(500);
    cut(true);
    await wait(7000);
    expect(await stage.server.participants('keep')).toEqual([]);
  }

  async function withoutUdp(end: OnEnd): Promise<void> {
    const relay = await ArtpRelay.open(portsOf(to('udp')));
    end(() => relay.close());
    const talker = await talking(end, relay.url('udp'), 'uma', 3);
    const listener = await talking(end, to('udp'), 'ulf', 4);
    const heard = arrivals(listener.member, 'uma');
    const way = (): string | undefined => talker.member.paths().find(p => p.active)?.route.kind;
    await wait(1500);
    expect(way()).toBe('udp');
    relay.loses = () => true;
    const cutAt = Date.now();
    await wait(3500);
    expect(way()).toBe('stream');
    const again = heard.find(ms => ms > cutAt + 300) ?? Number.POSITIVE_INFINITY;
    expect(again - cutAt).toBeLessThanOrEqual(3000);
    relay.loses = () => false;
    await stage.server.until(
      'UDP again',
      async () => way(),
      w => w === 'udp',
      20_000,
    );
  }
});
