import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Child } from '../child.ts';
import { freePort } from '../ports.ts';
import { readWav, type Sound, writeWav } from '../wav.ts';

export interface LinphoneOptions {
  /** An empty folder of its own: its HOME. */
  readonly dir: string;
  readonly user: string;
  readonly plays: Sound;
}

/** A headless linphonec with opus: plays a file into its call, records what it hears. */
export class Linphone {
  readonly #child: Child;
  readonly #recording: string;
  readonly #wav: string;

  private constructor(child: Child, recording: string, wav: string) {
    this.#child = child;
    this.#recording = recording;
    this.#wav = wav;
  }

  static async start(options: LinphoneOptions): Promise<Linphone> {
    const [sip, rtp] = [await freePort(), await freePort()];
    mkdirSync(join(options.dir, '.local/share/linphone'), { recursive: true });
    const wav = join(options.dir, 'plays.wav');
    const recording = join(options.dir, 'heard.wav');
    writeWav(wav, options.plays, 1);
    const rc = join(options.dir, 'linphonerc');
    writeFileSync(rc, configText(options.user, sip, rtp));
    const child = new Child(`linphonec ${options.user}`, 'linphonec', ['-c', rc], {
      env: { ...process.env, HOME: options.dir },
    });
    await child.until(/linphonec>|Ready/);
    child.say('ipv6 disable');
    child.say('soundcard use files');
    child.say(`record ${recording}`);
    return new Linphone(child, recording, wav);
  }

  dial(uri: string): void {
    this.#child.say(`call ${uri}`);
  }
  async established(timeoutMs = 10_000): Promise<void> {
    await this.#child.until(/connected|Media streams established/i, timeoutMs);
    this.#child.say(`play ${this.#wav}`);
  }
  say(line: string): void {
    this.#child.say(line);
  }
  until(pattern: RegExp, timeoutMs?: number): Promise<RegExpMatchArray> {
    return this.#child.until(pattern, timeoutMs);
  }
  get output(): string {
    return this.#child.output;
  }
  heard(): Sound {
    return readWav(this.#recording);
  }
  /** It finishes its recording when it quits by itself, so that comes first. */
  async stop(): Promise<number | null> {
    this.#child.say('terminate');
    this.#child.say('quit');
    await Promise.race([this.#child.exited, new Promise(resolve => setTimeout(resolve, 5000))]);
    return this.#child.stop();
  }
}

/** Opus only; no video, no echo canceller, ports of its own. Its data folder must exist before it starts. */
const configText = (user: string, sip: number, rtp: number): string => `[sip]
sip_port=${sip}
sip_tcp_port=-1
sip_tls_port=-1
use_ipv6=0
contact=sip:${user}@127.0.0.1

[rtp]
audio_rtp_port=${rtp}
audio_jitt_comp=40

[audio_codec_0]
mime=opus
rate=48000
channels=2
enabled=1

[audio_codec_1]
mime=PCMU
rate=8000
channels=1
enabled=0

[audio_codec_2]
mime=PCMA
rate=8000
channels=1
enabled=0

[sound]
echocancellation=0

[video]
enabled=0
automatically_initiate=0
`;
