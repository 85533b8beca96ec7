import type { Format, MediaPacket } from '../../contract.ts';
import type {
  GridOptions,
  TranscoderOptions,
  VideoCodecs,
  VideoGrid,
  VideoTranscoder,
} from '../video-codecs.ts';

/** One fake worker: each picture in becomes one packet out, named `x` and its own name; it begins with a keyframe. */
export class FakeTranscoder implements VideoTranscoder {
  readonly from: Format;
  readonly to: Format;
  readonly o: TranscoderOptions;
  readonly pushed: string[] = [];
  restarts = 0;
  bitrates: number[] = [];
  keysAsked = 0;
  closed = false;
  readonly dropped = 0;
  #seq = 500;
  #key = true;
  #begun = false;

  constructor(from: Format, to: Format, o: TranscoderOptions) {
    this.from = from;
    this.to = to;
    this.o = o;
  }
  push(p: MediaPacket, now: number): void {
    const name = Buffer.from(p.payload).toString();
    this.pushed.push(name);
    const { pts } = p;
    if (p.frame?.end) queueMicrotask(() => this.#out(name, pts, now));
  }
  restart(): void {
    this.restarts++;
  }
  requestKey(): void {
    this.keysAsked++;
    this.#key = true;
  }
  bitrate(bps: number): void {
    this.bitrates.push(bps);
  }
  close(): void {
    this.closed = true;
  }

  #out(name: string, pts: number, now: number): void {
    if (this.closed) return;
    const key = this.#key;
    this.#key = false;
    if (!this.#begun) this.o.onFormat({ ...this.to, fmtp: { ...this.to.fmtp, 'x-size': '640x480' } });
    this.#begun = true;
    const frame = { start: true, end: true, key, config: key, temporal: 0 };
    const payload = Buffer.from(`${key ? 'K' : ''}x${name}`);
    this.o.onPacket({ seq: this.#seq++, pts, marker: true, payload, frame }, now);
  }
}

export class FakeGrid implements VideoGrid {
  readonly to: Format;
  readonly o: GridOptions;
  readonly layouts: number[];
  /** What each cell was given: `+codec` a source, `-` none, `!` a restart, or the name of a packet. */
  readonly got: string[][] = Array.from({ length: 9 }, () => []);
  closed = false;
  keysAsked = 0;
  readonly dropped = 0;
  #seq = 1;
  constructor(to: Format, o: GridOptions) {
    this.to = to;
    this.o = o;
    this.layouts = [o.cells];
  }
  cell(index: number) {
    const got = this.got[index] as string[];
    return {
      source: (from: Format | undefined) => void got.push(from === undefined ? '-' : `+${from.codec}`),
      push: (p: MediaPacket) => void got.push(Buffer.from(p.payload).toString()),
      restart: () => void got.push('!'),
    };
  }
  cells(count: number): void {
    this.layouts.push(count);
  }
  requestKey(): void {
    this.keysAsked++;
  }
  bitrate(): void {}
  close(): void {
    this.closed = true;
  }
  /** One composed picture. */
  compose(name: string, key: boolean, now: number): void {
    const frame = { start: true, end: true, key, config: key, temporal: 0 };
    const seq = this.#seq++;
    this.o.onPacket({ seq, pts: now * 90, marker: true, payload: Buffer.from(name), frame }, now);
  }
}

/** Video codecs that do nothing but keep books. */
export class FakeVideo implements VideoCodecs {
  missing: string | undefined;
  /** Reason for opening to fail. */
  failure: Error | undefined;
  gate: Promise<void> = Promise.resolve();
  readonly transcoders: FakeTranscoder[] = [];
  readonly grids: FakeGrid[] = [];

  missingForVideo(): string | undefined {
    return this.missing;
  }
  async openVideoTranscoder(from: Format, to: Format, o: TranscoderOptions): Promise<VideoTranscoder> {
    await this.gate;
    if (this.failure !== undefined) throw this.failure;
    const transcoder = new FakeTranscoder(from, to, o);
    this.transcoders.push(transcoder);
    return transcoder;
  }
  async openGrid(to: Format, o: GridOptions): Promise<VideoGrid> {
    await this.gate;
    const grid = new FakeGrid(to, o);
    this.grids.push(grid);
    return grid;
  }
  get open(): number {
    return [...this.transcoders, ...this.grids].filter(t => !t.closed).length;
  }
}
