import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RunnerTask } from 'vitest';
import { toneOf } from './heard.ts';
import { Baresip, type BaresipOptions } from './peers/baresip.ts';
import { BrowserPeer } from './peers/browser.ts';
import { Player, publish } from './peers/ffmpeg.ts';
import { SippCall, type SippOptions } from './peers/sipp.ts';
import { type Arrangement, Server } from './server.ts';

/** `onTestFinished` of vitest's test context: what is opened in a test ends with it. */
export type OnEnd = (end: () => Promise<void>) => void;

export const wait = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms));

/** Programs wait to be dialled into rooms; how long a tone of theirs lasts. */
const SECONDS = 60;

/** A server under test and an easy way to bring members into its rooms. */
export class Stage {
  readonly server: Server;
  readonly #dir: string;
  #made = 0;

  private constructor(server: Server, dir: string) {
    this.server = server;
    this.#dir = dir;
  }

  static async open(
    arrangement: Arrangement,
    extra = '',
    nodeArgs: readonly string[] = [],
    roles?: readonly string[],
    beyond?: RegExp,
  ): Promise<Stage> {
    const dir = mkdtempSync(join(tmpdir(), 'roombridge-stage-'));
    const server = await Server.start(join(dir, 'server'), arrangement, extra, nodeArgs, roles, beyond);
    return new Stage(server, dir);
  }

  /** An empty name for one peer's folder. */
  dir(of: string): string {
    return join(this.#dir, `${of}-${this.#made++}`);
  }

  /** A baresip in `room`, sounding tone `tone` of the common scale. */
  async phone(
    onEnd: OnEnd,
    room: string,
    user: string,
    tone: number,
    more: Partial<BaresipOptions> = {},
  ): Promise<Baresip> {
    const options = {
      dir: this.dir(user),
      user,
      codecs: 'opus/48000/2',
      plays: toneOf(tone, SECONDS),
      ...more,
    };
    const phone = await Baresip.start(options);
    onEnd(async () => void (await phone.stop()));
    await phone.dial(`sip:${room}@${this.server.sip}`);
    await phone.established();
    return phone;
  }

  /** A sipp call; `more.scenario` says what happens in it. */
  async sipp(onEnd: OnEnd, room: string, tone: number, more: Partial<SippOptions> = {}): Promise<SippCall> {
    const call = await SippCall.start({
      dir: this.dir('sipp'),
      server: this.server.sip,
      room,
      plays: toneOf(tone, SECONDS, 8000),
      seconds: SECONDS,
      ...more,
    });
    onEnd(async () => void (await call.stop()));
    return call;
  }

  publisher(onEnd: OnEnd, room: string, user: string, tone: number) {
    const url = `${this.server.rtmp}/room/${room}/${user}`;
    const child = publish(this.dir(user), url, toneOf(tone, SECONDS));
    onEnd(async () => void (await child.stop('SIGINT')));
    return child;
  }

  player(onEnd: OnEnd, room: string, as: string): Player {
    const player = new Player(this.dir('player'), `${this.server.rtmp}/room/${room}?as=${as}`);
    onEnd(async () => void (await player.stop()));
    return player;
  }

  /** Chromium, in the room by its page. */
  async browser(onEnd: OnEnd, room: string, user: string, tone: number): Promise<BrowserPeer> {
    const browser = await BrowserPeer.start({ dir: this.dir(user) });
    onEnd(async () => void (await browser.stop()));
    browser.plays(toneOf(tone, SECONDS));
    await browser.open(`${this.server.web}/r/${room}?raw=1`);
    await browser.join(user);
    return browser;
  }

  /** Waits until exactly these are in the room, by name. */
  members(room: string, ...names: string[]): Promise<string[]> {
    const wanted = [...names].sort().join();
    return this.server.until(
      `in room ${room}: ${wanted}`,
      () => this.server.participants(room),
      there => there.join() === wanted,
    );
  }

  /** Waits until the room is not in `GET /rooms` any more and no leg is in it. */
  async gone(room: string): Promise<void> {
    await this.server.until(
      `room ${room} is gone`,
      async () => ({
        rooms: await this.server.api<{ room: string }[]>('GET', '/rooms'),
        legs: await this.server.api<{ room: string }[]>('GET', `/legs?room=${room}`),
      }),
      a => a.rooms?.every(r => r.room !== room) === true && a.legs?.length === 0,
    );
  }

  /** The text of the newest signalling step of a member's SIP leg that matches. */
  async step(participant: string, summary: RegExp): Promise<string> {
    const legs = await this.server.api<{ leg: string; participant: string }[]>('GET', '/legs');
    const leg = legs?.find(l => l.participant === participant)?.leg;
    const steps = await this.server.api<{ summary: string; text?: string }[]>('GET', `/legs/${leg}/ladder`);
    return steps?.filter(s => summary.test(s.summary)).at(-1)?.text ?? '';
  }

  /** For `afterEach`: what the server said, when a test failed. */
  tell(task: RunnerTask): void {
    if (task.result?.state === 'fail') console.error(this.server.log());
  }

  async close(): Promise<(number | null)[]> {
    const codes = await this.server.stop();
    rmSync(this.#dir, { recursive: true, force: true });
    return codes;
  }
}
