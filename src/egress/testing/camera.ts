/** Publishers of pictures that name what they are. */
import type { FrameMark, MediaPacket } from '../../contract.ts';
import { type Ears, H264, mark, type World } from './room.ts';

export const VP8 = { codec: 'VP8', clockRate: 90000 } as const;

/** One publisher's pictures at 20 a second; payloads name what they are: `k12` keyframe, `p13` other, `sps`. */
export class Camera {
  seq = 100;
  picture = 0;
  readonly #world: World;
  readonly id: string;
  constructor(world: World, id: string, canKeyframe: boolean, o: object = {}) {
    this.#world = world;
    this.id = id;
    world.room.add({ id, participant: id, source: 'camera', format: H264, canKeyframe, ...o });
  }
  get pts(): number {
    return this.picture * 4500;
  }
  put(text: string, m: Partial<FrameMark> = {}): void {
    const packet: MediaPacket = {
      seq: this.seq++,
      pts: this.pts,
      marker: m.end ?? true,
      payload: Buffer.from(text),
      frame: mark(m),
    };
    this.#world.room.send(this.id, packet, this.#world.now);
  }
  /** Parameter sets, then the picture in two packets. */
  key(): void {
    this.picture++;
    this.put('sps', { key: true, config: true, end: false });
    this.put(`k${this.picture}a`, { key: true, start: false, end: false });
    this.put(`k${this.picture}b`, { key: true, start: false });
  }
  frames(n: number): void {
    for (let i = 0; i < n; i++) {
      this.picture++;
      this.put(`p${this.picture}`);
    }
  }
}

export const texts = (ears: Ears): string[] => ears.packets.map(p => Buffer.from(p.payload).toString());
export const told = (ears: Ears): string[] =>
  ears.events.map(e => (e.type === 'serving' ? `${e.track?.id} ${e.how}` : e.type));
