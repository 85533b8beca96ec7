import type { Millis } from '../../../contract.ts';
import { type Rtcp, writeRtcp } from '../../rtp/rtcp.ts';
import { SEND_BUFFER_BYTES } from '../media/types.ts';
import { TRAILER_BYTES } from '../trailer.ts';
import { type Control, writeControl } from './app.ts';
import { CONTROL_OVERHEAD, ControlSealer } from './control-seal.ts';
import type { Keys } from './key-ring.ts';
import type { Path } from './path.ts';

/** Parts that come together go together, up to this much: a datagram that fits every network. */
const COMPOUND_BYTES = 1200;
/** `readRtcp` takes no more than 32. */
const COMPOUND_PARTS = 24;

/** What is said in RTCP: gathered, sealed once, and handed out path by path. */
export class ControlLine {
  readonly #sealer: ControlSealer;
  readonly #count: (reason: string) => void;
  readonly #transmit: (bytes: Uint8Array, length: number, path: Path, now: Millis) => void;
  readonly #buffer = new Uint8Array(SEND_BUFFER_BYTES);
  #parts: Buffer[] = [];

  constructor(
    keys: Keys,
    count: (reason: string) => void,
    transmit: (bytes: Uint8Array, length: number, path: Path, now: Millis) => void,
  ) {
    this.#sealer = new ControlSealer(keys);
    this.#count = count;
    this.#transmit = transmit;
  }

  get ssrc(): number {
    return this.#sealer.ssrc;
  }
  get isWorn(): boolean {
    return this.#sealer.isWorn;
  }

  /** Parts that wait for the next `flush`. */
  get length(): number {
    return this.#parts.length;
  }

  /** For the next `flush`. */
  add(parts: readonly Rtcp[]): void {
    for (const p of parts) this.#parts.push(writeRtcp([p]));
  }
  say(c: Control): void {
    this.#parts.push(writeRtcp([writeControl(c, this.ssrc)]));
  }
  /** There is no way to send it. */
  drop(): void {
    this.#parts = [];
  }

  /** Sends what was gathered over each of `paths`: the same bytes, so the second that arrives is a copy. */
  flush(paths: readonly Path[], now: Millis): void {
    const parts = this.#parts;
    if (parts.length === 0) return;
    this.#parts = [];
    let compound: Buffer[] = [];
    let bytes = 0;
    for (const p of parts) {
      if (bytes > 0 && (bytes + p.length > COMPOUND_BYTES || compound.length === COMPOUND_PARTS)) {
        this.#send(Buffer.concat(compound), paths, now);
        compound = [];
        bytes = 0;
      }
      compound.push(p);
      bytes += p.length;
    }
    this.#send(Buffer.concat(compound), paths, now);
  }

  /** At once and on one path only. `unproven`: the address has not answered yet; false when that forbids it. */
  direct(path: Path, controls: readonly Control[], unproven: boolean, now: Millis): boolean {
    const compound = writeRtcp(controls.map(c => writeControl(c, this.ssrc)));
    if (unproven && !path.affords(compound.length + CONTROL_OVERHEAD + TRAILER_BYTES)) return false;
    this.#send(compound, [path], now);
    return true;
  }

  #send(compound: Buffer, paths: readonly Path[], now: Millis): void {
    // Whoever made the first part may have done so under the last epoch: the sender's SSRC is the one sealed under.
    compound.writeUInt32BE(this.ssrc, 4);
    const sealed = this.#sealer.seal(compound);
    if (sealed === undefined) return this.#count('epoch-used-up');
    this.#buffer.set(sealed);
    for (const p of paths) this.#transmit(this.#buffer, sealed.length, p, now);
  }
}
