import { Child } from '../child.ts';
import { TONES_HZ } from '../tones.ts';

const RATE_HZ = 48_000;
const EVERY_MS = 20;
/** Without a little to read it does not begin. */
const FIRST_MS = 100;
const AMPLITUDE = 0.1 * 32_767;

/**
 * A mini-program's live-pusher: a clip as it is, over and over, and a microphone that speaks when told. Its sound is
 * fed as it would be captured, so that the beginning of a word has a time.
 */
export class Publisher {
  readonly child: Child;
  readonly #step: number;
  #timer: NodeJS.Timeout | undefined;
  #began = 0;
  #sent = 0;
  #speaks = false;

  private constructor(clip: string, url: string, voice: number) {
    this.#step = (2 * Math.PI * (TONES_HZ[voice] as number)) / RATE_HZ;
    this.child = new Child('ffmpeg publisher', 'ffmpeg', [
      ...'-hide_banner -loglevel info -re -stream_loop -1 -i'.split(' '),
      clip,
      ...`-probesize 32 -analyzeduration 0 -f s16le -ar ${RATE_HZ} -ac 1 -i pipe:0`.split(' '),
      ...'-map 0:v -map 1:a -c:v copy -c:a aac -b:a 48k -flvflags no_duration_filesize -f flv'.split(' '),
      url,
    ]);
  }

  /** `voice`: which of the tones. */
  static async start(clip: string, url: string, voice: number): Promise<Publisher> {
    const made = new Publisher(clip, url, voice);
    made.#write(FIRST_MS);
    await made.child.until(/Output #0/);
    made.#began = Date.now() - FIRST_MS; // now its clock runs: what was fed before is late for ever
    made.#timer = setInterval(() => made.#feed(), EVERY_MS);
    return made;
  }

  speak(on: boolean): void {
    this.#speaks = on;
  }

  stop(): Promise<number | null> {
    clearInterval(this.#timer);
    this.child.process.stdin?.end();
    return this.child.stop('SIGINT');
  }

  #feed(): void {
    this.#write(Date.now() - this.#began - (this.#sent * 1000) / RATE_HZ);
  }

  #write(ms: number): void {
    const samples = new Int16Array(Math.max(0, Math.floor((ms * RATE_HZ) / 1000)));
    if (this.#speaks)
      for (let i = 0; i < samples.length; i++)
        samples[i] = AMPLITUDE * Math.sin(this.#step * (this.#sent + i));
    this.#sent += samples.length;
    this.child.process.stdin?.write(Buffer.from(samples.buffer));
  }
}
