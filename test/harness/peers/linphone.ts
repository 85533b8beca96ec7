import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Child } from '../child.ts';
import { freePort } from '../ports.ts';
import { readWav, type Sound, writeWav } from '../wav.ts';

export interface LinphoneOptions {
  /** An empty folder of its own: its HOME. */
  readonly dir: string;
  readonly user: string;
  readonly plays: Sound;
  /** Encrypted media, and only that: SDES or DTLS-SRTP. */
  readonly encryption?: 'srtp' | 'dtls';
  /** `host:port` that everything goes through: its texts go to port 5060 of whom they are for, whatever port is named. */
  readonly proxy?: string;
  /** With a camera (VP8, all it has): the still it shows, a JPEG file. */
  readonly video?: string;
}

/** A headless linphonec with opus: plays a file into its call, records what it hears. */
export class Linphone {
  readonly #child: Child;
  readonly #recording: string;
  readonly #wav: string;
  readonly #dir: string;
  #pictures = 0;

  private constructor(child: Child, recording: string, wav: string, dir: string) {
    this.#child = child;
    this.#recording = recording;
    this.#wav = wav;
    this.#dir = dir;
  }

  static async start(options: LinphoneOptions): Promise<Linphone> {
    const [sip, rtp] = [await freePort(), await freePort()];
    mkdirSync(join(options.dir, '.local/share/linphone'), { recursive: true });
    const wav = join(options.dir, 'plays.wav');
    const recording = join(options.dir, 'heard.wav');
    writeWav(wav, options.plays, 1);
    const rc = join(options.dir, 'linphonerc');
    writeFileSync(rc, configText(options, sip, rtp));
    const more = options.video ? ['-V'] : [];
    const child = new Child(`linphonec ${options.user}`, 'linphonec', ['-c', rc, ...more], {
      env: { ...process.env, HOME: options.dir },
    });
    await child.until(/linphonec>|Ready/);
    child.say('ipv6 disable');
    child.say('soundcard use files');
    child.say(`record ${recording}`);
    if (options.video) child.say(`staticpic set ${options.video}`);
    return new Linphone(child, recording, wav, options.dir);
  }

  dial(uri: string): void {
    this.#child.say(`call ${uri}`);
  }
  /** A text outside of any call. */
  writes(uri: string, text: string): void {
    this.#child.say(`chat ${uri} ${text}`);
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
  /** Its camera shows another picture. */
  shows(still: string): void {
    this.#child.say(`staticpic set ${still}`);
  }
  /** The picture it decodes now, as a JPEG file: the path. It tells nobody when the file is there. */
  async sees(timeoutMs = 5000): Promise<string> {
    const path = join(this.#dir, `sees-${this.#pictures++}.jpg`);
    this.#child.say(`snapshot ${path}`);
    for (const until = Date.now() + timeoutMs; !written(path); ) {
      if (Date.now() > until)
        throw new Error(`linphonec wrote no picture; it said:\n${this.output.slice(-2000)}`);
      await new Promise(resolve => setTimeout(resolve, 10));
    }
    return path;
  }
  /** It finishes its recording when it quits by itself, so that comes first. */
  async stop(): Promise<number | null> {
    this.#child.say('terminate');
    this.#child.say('quit');
    await Promise.race([this.#child.exited, new Promise(resolve => setTimeout(resolve, 5000))]);
    return this.#child.stop();
  }
}

/** The file ends as a JPEG does. */
function written(path: string): boolean {
  if (!existsSync(path)) return false;
  return readFileSync(path).subarray(-2).toString('hex') === 'ffd9';
}

/** Opus only; no echo canceller, ports of its own. Its data folder must exist before it starts. */
const configText = (
  { user, encryption, video, proxy }: LinphoneOptions,
  sip: number,
  rtp: number,
): string => `[sip]
sip_port=${sip}
sip_tcp_port=-1
sip_tls_port=-1
verify_server_certs=0
verify_server_cn=0
use_ipv6=0
contact=sip:${user}@127.0.0.1
${encryption ? `media_encryption=${encryption}\nmedia_encryption_mandatory=1\n` : ''}${proxy ? 'default_proxy=0\n' : ''}
[rtp]
audio_rtp_port=${rtp}
video_rtp_port=${rtp + 2}
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
enabled=${Number(video !== undefined)}
capture=${Number(video !== undefined)}
display=${Number(video !== undefined)}
automatically_initiate=${Number(video !== undefined)}
size=cif
${proxy ? `\n[proxy_0]\nreg_proxy=<sip:${proxy};lr>\nreg_route=<sip:${proxy};lr>\nreg_identity=sip:${user}@127.0.0.1\nreg_sendregister=0\n` : ''}`;
