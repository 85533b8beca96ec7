import type { MediaPacket } from '../../../contract.ts';
import type { PacketCipher } from '../../rtp/srtp/packet-cipher.ts';
import { ReplayWindow } from '../../rtp/srtp/replay.ts';
import { FIRST_SEQ, FIRST_TIMESTAMP, FLOW_WINDOW } from './flow-start.ts';
import { flowKey } from './ssrc.ts';

/** Retransmissions and repair packets count their own sequence numbers, which must not wrap either. */
const SPARE = 1024;

/** One flow of a track: the numbers used up under its key. */
export class OutFlow {
  readonly ssrc: number;
  readonly key: number;
  readonly epoch: number;
  readonly cipher: PacketCipher;
  readonly #seq: number;
  readonly #pts: number;
  #sent = new ReplayWindow(FLOW_WINDOW);
  #rtx = 0;
  #repair = 0;

  constructor(ssrc: number, epoch: number, cipher: PacketCipher, seq: number, pts: number) {
    this.ssrc = ssrc;
    this.key = flowKey(ssrc);
    this.epoch = epoch;
    this.cipher = cipher;
    this.#seq = seq;
    this.#pts = pts;
  }

  seqOf(p: MediaPacket): number {
    return p.seq - this.#seq + FIRST_SEQ;
  }
  timestampOf(p: MediaPacket): number {
    return p.pts - this.#pts + FIRST_TIMESTAMP;
  }

  /** What it cannot number, and what is older than it can remember, needs another flow. */
  tells(p: MediaPacket): boolean {
    const seq = this.seqOf(p);
    const timestamp = this.timestampOf(p);
    if (!(seq >= 0 && seq <= 0xffff && timestamp >= 0 && timestamp <= 0xffffffff)) return false;
    if (this.#rtx > 0xffff - SPARE || this.#repair > 0xffff - SPARE) return false;
    return seq > this.#sent.highest - FLOW_WINDOW;
  }

  /** False: this number was used. Two packets under one nonce break GCM, so it is never sealed again. */
  take(seq: number): boolean {
    if (this.#sent.check(seq) !== 'new') return false;
    this.#sent.accept(seq);
    return true;
  }

  /** The next number of the kind; −1: they are used up. */
  nextRtx(): number {
    return this.#rtx > 0xffff ? -1 : this.#rtx++;
  }
  nextRepair(): number {
    return this.#repair > 0xffff ? -1 : this.#repair++;
  }
}
