import type { CodecName } from '../../src/contract.ts';
import type { Heard } from './ear.ts';

/** One step of the set-up, ms from the start. */
export interface Step {
  readonly name: string;
  readonly atMs: number;
  readonly detail?: string | undefined;
}

export interface Direction {
  readonly packets: number;
  readonly lossPercent?: number | undefined;
  readonly jitterMs?: number | undefined;
}

/** Everything a dial found out. */
export interface Facts {
  readonly target: string;
  readonly steps: readonly Step[];
  /** What the reader should know besides: a certificate taken on trust. */
  readonly notes: readonly string[];
  readonly codec?: CodecName | undefined;
  /** Address our media goes to. */
  readonly mediaTo?: string | undefined;
  readonly talkedMs: number;
  /** Round trip by RTCP. */
  readonly rttMs?: number | undefined;
  /** `reports`: RTCP reports that came; `reported`: one said that it received our sound. */
  readonly out: Direction & { readonly reports: number; readonly reported: boolean };
  readonly in: Direction & Heard;
  readonly expectHz?: number | undefined;
}
