import type { MediaPacket, Millis, VideoCodec } from '../../src/contract.ts';
import { writeAnnexB } from '../h264/annexb.ts';
import { type Depacketizer, h264Depacketizer } from '../h264/depacketize.ts';
import type { PictureLoss } from '../in-order.ts';
import { vp8Depacketizer } from '../vp8/depacketize.ts';
import type { CodedPicture } from './wire.ts';

/** Letters under way to the worker. */
const DEPTH = 2;
/** What comes meanwhile is gathered into the next letter, no longer than this: then the worker is too slow. */
const MAX_GATHER_MS = 250;
const MAX_GATHER_BYTES = 8 * 1024 * 1024;
/** A keyframe asked for may be lost, or the request: asked again while pictures come that are of no use. */
const ASK_AGAIN_MS = 1000;

export interface MailboxNeeds {
  /** Hands pictures to the worker, which answers each call once (`answered`). False: there is none now. */
  post(pictures: CodedPicture[]): boolean;
  /** The picture cannot go on without a keyframe. May be called from inside `push`. */
  keyNeeded(): void;
}

/**
 * Packets of one track to pictures for a worker. At most two letters are under way; pictures that come meanwhile
 * gather in the next (a burst of cached pictures travels in one). When that does not go off within 250 ms, everything
 * waiting is dropped, and all up to the next keyframe.
 */
export class Mailbox {
  /** Pictures dropped. */
  dropped = 0;
  readonly #needs: MailboxNeeds;
  readonly #units: Depacketizer;
  /** Letters under way, oldest first: whether there is a keyframe in it. */
  #underWay: boolean[] = [];
  #gathered: CodedPicture[] = [];
  #bytes = 0;
  #since: Millis = 0;
  #waitKey = true;
  #now: Millis = 0;
  #askedAt: Millis = Number.NEGATIVE_INFINITY;

  constructor(codec: VideoCodec, needs: MailboxNeeds) {
    this.#needs = needs;
    const lost = (why: PictureLoss): void => {
      if (why === 'gap' || why === 'malformed') this.#skip();
      else if (why === 'before-keyframe') this.#useless();
    };
    this.#units =
      codec === 'H264'
        ? h264Depacketizer(unit => this.#picture(writeAnnexB(unit.units), unit.pts, unit.key), lost)
        : vp8Depacketizer(p => this.#picture(Uint8Array.from(p.bytes), p.pts, p.key), lost);
  }

  push(p: MediaPacket, now: Millis): void {
    this.#now = now;
    this.#units.push(p);
  }

  /** The oldest letter came back; `broken`: the decoder cannot go on without a keyframe. */
  answered(broken: boolean): void {
    this.#underWay.shift();
    const mended = this.#underWay.includes(true) || this.#gathered.some(p => p.key);
    if (broken && !mended) this.#skip();
    if (this.#gathered.length > 0) this.#post();
  }

  /** The source begins anew. */
  restart(): void {
    this.#units.reset();
    this.#waitKey = true;
    this.#drop();
  }

  /** The worker is another one: nothing is under way, and it knows no picture yet. */
  replaced(): void {
    this.#underWay = [];
    this.#waitKey = false;
    this.#skip();
  }

  #picture(bytes: Uint8Array<ArrayBuffer>, pts: number, key: boolean): void {
    if (this.#waitKey && !key) return this.#useless();
    this.#waitKey = false;
    const late = this.#gathered.length > 0 && this.#now - this.#since > MAX_GATHER_MS;
    if (late || this.#bytes + bytes.length > MAX_GATHER_BYTES) {
      if (!key) {
        this.dropped++;
        return this.#skip();
      }
      this.#drop(); // this one makes up for all that wait
    }
    if (this.#gathered.length === 0) this.#since = this.#now;
    this.#gathered.push({ bytes, pts, key });
    this.#bytes += bytes.length;
    if (this.#underWay.length < DEPTH) this.#post();
  }

  #post(): void {
    const letter = this.#gathered;
    this.#gathered = [];
    this.#bytes = 0;
    if (this.#needs.post(letter)) this.#underWay.push(letter.some(p => p.key));
    else {
      this.dropped += letter.length;
      this.#waitKey = true;
    }
  }

  #skip(): void {
    this.#drop();
    if (this.#waitKey) return; // asked already
    this.#waitKey = true;
    this.#ask();
  }

  /** A picture that stands before the keyframe waited for. */
  #useless(): void {
    this.dropped++;
    if (this.#now - this.#askedAt >= ASK_AGAIN_MS) this.#ask();
  }

  #ask(): void {
    this.#askedAt = this.#now;
    this.#needs.keyNeeded();
  }

  #drop(): void {
    this.dropped += this.#gathered.length;
    this.#gathered = [];
    this.#bytes = 0;
  }
}
