/** What protects one port of a line: keys from the description or from DTLS, what they seal and what they open. */
import type { Millis } from '../../src/contract.ts';
import { NEVER } from '../../src/kit/core.ts';
import { DtlsClient } from '../../src/proto/dtls/client.ts';
import type { DtlsInput } from '../../src/proto/dtls/end.ts';
import type { Identity } from '../../src/proto/dtls/proof.ts';
import { DtlsServer } from '../../src/proto/dtls/server.ts';
import type { SrtpKeys } from '../../src/proto/rtp/srtp/profile.ts';
import { SrtpReceiver } from '../../src/proto/rtp/srtp/receiver.ts';
import { SrtpSender } from '../../src/proto/rtp/srtp/sender.ts';
import type { Keying } from '../../src/proto/sdp/keying.ts';
import { SUITES, sameKeys } from '../../src/proto/sdp/sdes.ts';

export interface ChannelOptions {
  readonly identity: Identity;
  readonly random: (bytes: number) => Buffer;
  readonly count: (reason: string) => void;
  /** A datagram of DTLS for the peer. */
  readonly send: (bytes: Buffer) => void;
  /** New keys seal from here on, and the old ones were used for so long that counters differ by who reads the RFC. */
  readonly renumber: () => void;
  /** There will be no keys, and why, in a sentence. */
  readonly failed: (text: string) => void;
}

/** From the answer to the end of the handshake. */
const CONNECT_MS = 15_000;
/** After a change of keys, packets sealed with the old ones are under way for about so long. */
const FORMER_MS = 5_000;
/** Who answers a new key of the peer's with a new one of its own waits for the peer to have heard it. */
const SWITCH_MS = 500;
/** Keys that may come back, because a new description was withdrawn. */
const MAX_KNOWN = 4;

type DtlsKeying = Extract<Keying, { type: 'dtls' }>;

interface Known<T> {
  readonly keys: SrtpKeys;
  readonly srtp: T;
}

export class SecureChannel {
  readonly #o: ChannelOptions;
  #sender: SrtpSender | undefined;
  #next: { readonly srtp: SrtpSender; readonly at: Millis } | undefined;
  #receiver: SrtpReceiver | undefined;
  #former: SrtpReceiver | undefined;
  #formerUntil: Millis = 0;
  /** The same keys must never count from 0 again: what was sealed once would be sealed under the same nonces. */
  readonly #senders: Known<SrtpSender>[] = [];
  readonly #receivers: Known<SrtpReceiver>[] = [];
  #dtls: DtlsClient | DtlsServer | undefined;
  #agreed: DtlsKeying | undefined;
  /** The association before this one: a new description may be withdrawn. */
  #shelved: { readonly keying: DtlsKeying; readonly dtls: DtlsClient | DtlsServer } | undefined;
  #connectBy: Millis = NEVER;

  constructor(o: ChannelOptions) {
    this.#o = o;
  }

  /** There are keys to seal with. */
  get ready(): boolean {
    return this.#sender !== undefined;
  }

  get deadline(): Millis {
    return Math.min(this.#connectBy, this.#next?.at ?? NEVER, this.#dtls?.deadline ?? NEVER);
  }

  /** `reachable`: there is somewhere to send to, so that a handshake can be waited for. */
  agreed(keying: Keying, reachable: boolean, now: Millis): void {
    if (keying.type === 'sdes') {
      this.#endDtls(now);
      this.#open(keying.receive, keying.mki, now);
      this.#seal(keying.send, now);
    } else if (keying.type === 'dtls') this.#associate(keying, reachable, now);
    else this.#endDtls(now);
  }

  /** Seals the first `length` bytes (a header of 12 before the payload) into `out`; the bytes written, 0: no keys. */
  seal(bytes: Uint8Array, length: number, headerBytes: number, out: Uint8Array): number {
    const sender = this.#sender;
    if (sender === undefined || length + sender.tagBytes > out.length) return 0;
    for (let i = 0; i < headerBytes; i++) out[i] = bytes[i] as number;
    return sender.seal(out, headerBytes, bytes.subarray(headerBytes, length));
  }

  sealRtcp(bytes: Buffer): Buffer | undefined {
    return this.#sender?.sealRtcp(bytes);
  }

  /** The plain packet, borrowed; or why it is dropped. */
  open(bytes: Uint8Array, now: Millis): Uint8Array | string {
    if (this.#receiver === undefined) return 'no-keys';
    const plain = this.#receiver.open(bytes);
    if (typeof plain !== 'string') {
      if (this.#next !== undefined) this.#switch(); // it has our answer, so it knows our key
      return plain;
    }
    return now < this.#formerUntil && this.#former !== undefined ? this.#former.open(bytes) : plain;
  }

  openRtcp(bytes: Uint8Array, now: Millis): Buffer | string {
    if (this.#receiver === undefined) return 'no-keys';
    const plain = this.#receiver.openRtcp(bytes);
    if (typeof plain !== 'string' || now >= this.#formerUntil || this.#former === undefined) return plain;
    return this.#former.openRtcp(bytes);
  }

  /** A datagram that is DTLS (RFC 7983). */
  datagram(bytes: Buffer, now: Millis): void {
    if (this.#dtls === undefined) return this.#o.count('dtls-not-agreed');
    this.#feed({ type: 'datagram', bytes }, now);
  }

  tick(now: Millis): void {
    if (this.#next !== undefined && now >= this.#next.at) this.#switch();
    if (now >= this.#connectBy) {
      this.#connectBy = NEVER;
      return this.#o.failed(this.#whyNot());
    }
    const dtls = this.#dtls;
    if (dtls === undefined || now < dtls.deadline) return;
    dtls.handle({ type: 'tick' }, now);
    this.#drain(now);
  }

  /** Says close_notify, where there is somebody to hear it. */
  close(now: Millis): void {
    this.#endDtls(now);
  }

  /** RFC 8842 §4: the same association goes on; another one begins, and the old keys hold until it has its own. */
  #associate(keying: DtlsKeying, reachable: boolean, now: Millis): void {
    const [before, dtls] = [this.#agreed, this.#dtls];
    this.#agreed = keying;
    if (before !== undefined && sameAssociation(before, keying)) return;
    const back = this.#shelved;
    this.#shelved = before && dtls && { keying: before, dtls };
    this.#connectBy = NEVER;
    if (back !== undefined && sameAssociation(back.keying, keying)) {
      this.#dtls = back.dtls;
      return;
    }
    const options = {
      identity: this.#o.identity,
      fingerprints: keying.fingerprints,
      profiles: SUITES,
      random: this.#o.random,
      junk: this.#o.count,
    };
    this.#dtls = keying.role === 'client' ? new DtlsClient(options) : new DtlsServer(options);
    this.#connectBy = reachable ? now + CONNECT_MS : NEVER;
    this.#feed({ type: 'start' }, now);
  }

  #feed(input: DtlsInput, now: Millis): void {
    this.#dtls?.handle(input, now);
    this.#drain(now);
  }

  #drain(now: Millis): void {
    const dtls = this.#dtls;
    for (let out = dtls?.poll(); out !== undefined; out = dtls?.poll()) {
      if (out.type === 'send') this.#o.send(out.bytes);
      else if (out.type === 'connected') {
        this.#connectBy = NEVER;
        const us = this.#agreed?.role === 'client' ? 'client' : 'server';
        this.#open(out[us === 'client' ? 'server' : 'client'], undefined, now);
        this.#seal(out[us], now);
      } else if (out.by === 'fault' || out.by === 'alert') {
        this.#connectBy = NEVER;
        this.#o.failed(`The DTLS handshake for encrypted media failed: ${out.text}`);
      }
      // close_notify: a call ends by BYE. What would come after it is not sealed with these keys.
    }
  }

  #whyNot(): string {
    const dtls = this.#dtls;
    const said = dtls?.ignoredAlert === undefined ? '' : ` The peer sent alert ${dtls.ignoredAlert}.`;
    const heard = dtls?.state === 'hello' ? 'nothing usable of it was heard' : `it stopped at ${dtls?.state}`;
    return `The DTLS handshake for encrypted media did not finish within ${CONNECT_MS / 1000} s: ${heard}. See that UDP reaches both ends, or use SDES (SRTP with keys in the SDP).${said}`;
  }

  #endDtls(now: Millis): void {
    if (this.#dtls !== undefined) this.#feed({ type: 'close' }, now);
    this.#dtls = this.#agreed = this.#shelved = undefined;
    this.#connectBy = NEVER;
  }

  #open(keys: SrtpKeys, mki: Uint8Array | undefined, now: Millis): void {
    const before = this.#receiver;
    this.#receiver = known(this.#receivers, keys, () => {
      // Whether counters go on or start anew under new keys, peers differ: both are tried.
      const counters = before?.counters;
      return new SrtpReceiver(keys, { ...(mki && { mki }), ...(counters && { counters }) });
    });
    if (before === undefined || before === this.#receiver) return;
    this.#former = before;
    this.#formerUntil = now + FORMER_MS;
  }

  #seal(keys: SrtpKeys, now: Millis): void {
    const srtp = known(this.#senders, keys, () => new SrtpSender(keys));
    if (srtp === this.#sender) this.#next = undefined;
    else if (this.#sender === undefined) this.#sender = srtp;
    else this.#next = { srtp, at: now + SWITCH_MS };
  }

  #switch(): void {
    const before = this.#sender;
    this.#sender = this.#next?.srtp;
    this.#next = undefined;
    // A new SSRC begins at 0 by every reading of RFC 3711 §3.3.1 and RFC 4568 §7.1.4.
    if (before?.rolledOver === true) this.#o.renumber();
  }
}

const sameAssociation = (a: DtlsKeying, b: DtlsKeying): boolean =>
  a.id === b.id &&
  a.role === b.role &&
  a.fingerprints.length === b.fingerprints.length &&
  a.fingerprints.every((f, i) => f.value === b.fingerprints[i]?.value);

function known<T>(list: Known<T>[], keys: SrtpKeys, make: () => T): T {
  const found = list.find(k => sameKeys(k.keys, keys));
  if (found !== undefined) return found.srtp;
  const srtp = make();
  list.push({ keys, srtp });
  if (list.length > MAX_KNOWN) list.shift();
  return srtp;
}
