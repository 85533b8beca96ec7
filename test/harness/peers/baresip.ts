import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { Child } from '../child.ts';
import { freePort } from '../ports.ts';
import { readWav, type Sound, writeWav } from '../wav.ts';

export interface BaresipOptions {
  /** An empty folder of its own. */
  readonly dir: string;
  readonly user: string;
  /** As in its account parameter: `opus/48000/2`, `pcmu/8000/1`. */
  readonly codecs: string;
  readonly plays: Sound;
  readonly answer?: 'auto' | 'manual';
  /** More account parameters: `;auth_user=…;auth_pass=…`. */
  readonly account?: string;
  /** `host:port` it registers at, as `user`. */
  readonly registrar?: string;
  readonly sipTransport?: 'udp' | 'tcp' | 'tls';
  /** Encrypted media, as in its account parameter `mediaenc`: `srtp` is RTP/AVP with keys, `srtp-mand` RTP/SAVP. */
  readonly encryption?: 'srtp' | 'srtp-mand' | 'dtls_srtp';
  readonly rtcpMux?: true;
  /** What is written to it stands in its output: `sip:1000@…: "alice: hello"`. */
  readonly showsTexts?: true;
  /** Whom its `writes` goes to: `sip:1000@…`. */
  readonly writesTo?: string;
  /**
   * With a camera: a clip it plays over and over, and its codecs as in its account parameter; default all it has. Of
   * `h264` it takes mode 0 alone; `noVp8` leaves it H.264 of both modes.
   */
  readonly video?: { readonly clip: string; readonly codecs?: string; readonly noVp8?: true };
}

/** A headless baresip: plays a file into its call and records what it decodes. */
export class Baresip {
  readonly #child: Child;
  readonly #control: number;
  readonly #dir: string;
  readonly #wav: string;
  #pictures = 0;
  #commands: Promise<unknown> = Promise.resolve();
  readonly sipPort: number;

  private constructor(child: Child, control: number, options: BaresipOptions, sipPort: number) {
    this.#child = child;
    this.#control = control;
    this.#dir = options.dir;
    this.#wav = join(options.dir, 'plays.wav');
    this.sipPort = sipPort;
  }

  static async start(options: BaresipOptions): Promise<Baresip> {
    const [sip, control] = [await freePort(), await freePort()];
    mkdirSync(options.dir, { recursive: true });
    const wav = join(options.dir, 'plays.wav');
    writeWav(wav, options.plays, 2);
    const transport = options.sipTransport ?? 'udp';
    writeFileSync(
      join(options.dir, 'accounts'),
      `<sip:${options.user}@${options.registrar ?? `127.0.0.1:${sip}`};transport=${transport}>;regint=${options.registrar ? 60 : 0};audio_codecs=${options.codecs};answermode=${options.answer ?? 'manual'}${options.video?.codecs ? `;video_codecs=${options.video.codecs}` : ''}${options.encryption ? `;mediaenc=${options.encryption}` : ''}${options.account ?? ''}\n`,
    );
    const picture = options.video ? videoText(options.video) : '';
    writeFileSync(join(options.dir, 'config'), configText(sip, control, wav, options) + picture);
    if (options.writesTo) writeFileSync(join(options.dir, 'contacts'), `"Room" <${options.writesTo}>\n`);
    const child = new Child(`baresip ${options.user}`, 'baresip', ['-f', options.dir, '-4']);
    await child.until(/baresip is ready/);
    const phone = new Baresip(child, control, options, sip);
    if (options.writesTo) await phone.command('contact_next');
    return phone;
  }

  /** Changes what the next call plays. */
  plays(sound: Sound): void {
    writeWav(this.#wav, sound, 2);
  }

  dial(uri: string): Promise<string> {
    return this.command('dial', uri);
  }
  /** A text outside of any call, as its only contact gets it. */
  writes(text: string): Promise<string> {
    return this.command('message', text);
  }
  established(timeoutMs = 10_000): Promise<unknown> {
    return this.#child.until(/Call established|call established/i, timeoutMs);
  }
  get output(): string {
    return this.#child.output;
  }

  /** One command of its menu over the control port, which serves one connection at a time. */
  command(command: string, params = ''): Promise<string> {
    const answer = this.#commands.then(() => this.#command(command, params));
    this.#commands = answer.catch(() => {});
    return answer;
  }

  /** Netstring-framed JSON. */
  #command(command: string, params: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const socket = createConnection(this.#control, '127.0.0.1');
      const message = JSON.stringify({ command, params, token: 't' });
      let answer = '';
      socket.setTimeout(4000, () => socket.destroy(new Error(`baresip did not answer ${command}`)));
      socket.on('connect', () => socket.write(`${Buffer.byteLength(message)}:${message},`));
      socket.on('data', data => {
        answer += data.toString();
        if (answer.includes('"response"')) {
          socket.end();
          resolve(answer);
        }
      });
      socket.on('error', reject);
    });
  }

  until(pattern: RegExp, timeoutMs?: number, from?: number): Promise<RegExpMatchArray> {
    return this.#child.until(pattern, timeoutMs, from);
  }

  /** What its newest call decoded since its last description: every new one begins another file. */
  heard(): Sound {
    const file = readdirSync(this.#dir)
      .filter(f => /^dump-.*dec\.wav$/.test(f))
      .sort()
      .at(-1);
    if (file === undefined)
      throw new Error(`baresip recorded nothing; it said:\n${this.output.slice(-2000)}`);
    return readWav(join(this.#dir, file));
  }

  /** The picture it decodes now, as a PNG file: the path. */
  async sees(): Promise<string> {
    const path = join(this.#dir, `sees-${this.#pictures++}`);
    const from = this.output.length;
    await this.command('snapshot_recv', path);
    const [, written] = await this.until(/png: wrote (\S+)/, 10_000, from);
    return written as string;
  }

  stop(): Promise<number | null> {
    return this.#child.stop('SIGTERM');
  }
}

const configText = (sip: number, control: number, wav: string, o: BaresipOptions): string => `
poll_method epoll
sip_listen 127.0.0.1:${sip}
call_local_timeout 120
call_max_calls 4
audio_player none,none
audio_source aufile,${wav}
audio_alert aufile,/dev/null
ausrc_srate 48000
auplay_srate 48000
ausrc_channels 2
auplay_channels 2
ausrc_format s16
auplay_format s16
auenc_format s16
audec_format s16
audio_buffer 20-160
rtp_tos 184
rtp_ports 30000-32766
rtcp_mux ${o.rtcpMux ? 'yes' : 'no'}
jitter_buffer_delay 5-10
rtp_stats yes
net_interface 127.0.0.1
module_path /usr/lib/baresip/modules
module g711.so
module g722.so
module opus.so
module aufile.so
module sndfile.so
${o.sipTransport === 'tls' ? 'sip_verify_server no' : ''}
${o.encryption === undefined ? '' : `module ${o.encryption === 'dtls_srtp' ? 'dtls_srtp' : 'srtp'}.so`}
${o.showsTexts ? 'module stdio.so' : ''}
module_tmp uuid.so
module_tmp account.so
${o.writesTo ? 'module_app contact.so' : ''}
module_app ctrl_tcp.so
module_app menu.so
ctrl_tcp_listen 127.0.0.1:${control}
opus_bitrate 28000
snd_path ${o.dir}
`;

/** Needs baresip's ffmpeg modules. What it shows goes nowhere; a snapshot is taken on the way. */
const videoText = ({ clip, noVp8 }: NonNullable<BaresipOptions['video']>): string => `module avcodec.so
module avformat.so
${noVp8 ? '' : 'module vp8.so'}
module fakevideo.so
module snapshot.so
avcodec_h264enc libx264
avcodec_h264dec h264
video_source avformat,${clip}
video_display fakevideo,nil
video_size 640x480
video_bitrate 500000
video_fps 15
`;
