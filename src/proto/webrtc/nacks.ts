import { type Millis, NEVER } from '../../kit/core.ts';

/** A hole is asked for when so many newer packets have come, or after this time: till then it may be reordering. */
const REORDER_PACKETS = 3;
const REORDER_MS = 10;
const MAX_MISSING = 256;
const MAX_TRIES = 10;
/** Later than this, nobody shows the picture any more. */
const GIVE_UP_MS = 1000;
/** A newer packet by more than this is another stream. */
const MAX_STEP = 3000;
/** How long a repair takes, until one was seen; and bounds of the time between two requests for one packet. */
const FIRST_REPAIR_MS = 60;
const LEAST_WAIT_MS = 20;
const MOST_WAIT_MS = 250;

interface Missing {
  /** Extended. */
  readonly seq: number;
  readonly since: Millis;
  /** Earliest time of the next request. */
  askAt: Millis;
  askedAt: Millis;
  tries: number;
}

/**
 * Which packets of one stream to ask for again (RFC 4585 §6.2.1), as they come in: the hop's own repair. Nothing is
 * held back. What cannot be had ends in `gaveUp`, after which only a keyframe helps.
 */
export class Nacks {
  #highest = -1;
  #missing: Missing[] = [];
  #gaveUp = false;
  #repairMs = FIRST_REPAIR_MS;
  /** Earliest `askAt`. */
  #deadline: Millis = NEVER;

  get deadline(): Millis {
    return this.#deadline;
  }

  /** True once after packets were given up, or there were too many to ask for. */
  takeGaveUp(): boolean {
    const gaveUp = this.#gaveUp;
    this.#gaveUp = false;
    return gaveUp;
  }

  /** `seq`: 16 bits. Also of packets that came by retransmission. */
  arrived(seq: number, now: Millis): void {
    if (this.#highest < 0) {
      this.#highest = 0x10000 + seq;
      return;
    }
    const step = (((seq - this.#highest) & 0xffff) ^ 0x8000) - 0x8000;
    if (step === 1) this.#highest++;
    else if (step > MAX_STEP) this.reset(seq);
    else if (step > 1) this.#hole(this.#highest + step, now);
    else if (this.#missing.length > 0) this.#found(this.#highest + step, now);
    if (this.#missing.length > 0 && step > 0) this.#hasten(now);
  }

  /** The stream begins anew, with `seq` if known. */
  reset(seq?: number): void {
    this.#highest = seq === undefined ? -1 : 0x10000 + seq;
    this.#missing = [];
    this.#deadline = NEVER;
  }

  /** Sequence numbers (16 bits, rising) to ask for now. */
  due(now: Millis): number[] {
    if (now < this.#deadline) return [];
    const ask: number[] = [];
    this.#missing = this.#missing.filter(m => {
      if (m.tries < MAX_TRIES && now < m.since + GIVE_UP_MS) return true;
      this.#gaveUp = true;
      return false;
    });
    this.#deadline = NEVER;
    for (const m of this.#missing) {
      if (now >= m.askAt) {
        ask.push(m.seq & 0xffff);
        m.tries++;
        m.askedAt = now;
        m.askAt = now + Math.min(MOST_WAIT_MS, Math.max(LEAST_WAIT_MS, this.#repairMs * 1.5));
      }
      this.#deadline = Math.min(this.#deadline, m.askAt);
    }
    return ask;
  }

  #hole(newest: number, now: Millis): void {
    if (this.#missing.length + newest - this.#highest - 1 > MAX_MISSING) {
      this.#gaveUp = true;
      this.reset(newest & 0xffff);
      return;
    }
    const askAt = now + REORDER_MS;
    for (let seq = this.#highest + 1; seq < newest; seq++)
      this.#missing.push({ seq, since: now, askAt, askedAt: now, tries: 0 });
    this.#highest = newest;
    this.#deadline = Math.min(this.#deadline, askAt);
  }

  #found(seq: number, now: Millis): void {
    const at = this.#missing.findIndex(m => m.seq === seq);
    if (at < 0) return;
    const [m] = this.#missing.splice(at, 1);
    if (m!.tries === 1) this.#repairMs += (now - m!.askedAt - this.#repairMs) / 8;
    if (this.#missing.length === 0) this.#deadline = NEVER;
  }

  /** What so many have overtaken is lost, not late. */
  #hasten(now: Millis): void {
    for (const m of this.#missing) {
      if (this.#highest - m.seq < REORDER_PACKETS) return; // the rest is younger
      if (m.tries > 0 || m.askAt <= now) continue;
      m.askAt = now;
      this.#deadline = Math.min(this.#deadline, now);
    }
  }
}
