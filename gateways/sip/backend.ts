import type { Address } from '../../src/contract.ts';
import type { SignallingOutside, SipSignalling } from '../../src/proto/sip/signalling.ts';

/** What the calls above a backend want to hear. */
export type BackendOn = Omit<SignallingOutside, 'send' | 'hangUp' | 'malformed'>;

/** Who speaks SIP on the wire: the stack of our own (`own-stack`), or drachtio-server (`drachtio/`). */
export interface SipBackend {
  /** Usable once started. */
  readonly signalling: SipSignalling;
  /** Resolves with the addresses phones call; rejects with a Refusal. */
  start(): Promise<readonly Address[]>;
  /** Idempotent. Nothing is said after it. */
  close(): Promise<void>;
}
