import { type Core, type Millis, NEVER, type Tick } from '../../kit/core.ts';
import type { Termination } from '../../kit/refusal.ts';
import type { DtlsOptions } from '../dtls/end.ts';
import { DtlsServer } from '../dtls/server.ts';
import type { SrtpKeys } from '../rtp/srtp/profile.ts';
import { type IceCredentials, IceLite, type PeerAddress } from './ice-lite.ts';
import type { StunMessage } from './stun.ts';

export type PeerInput =
  /** Our answer is on its way: from now on the peer has its time to connect. */
  | { readonly type: 'answered' }
  | { readonly type: 'stun'; readonly message: StunMessage; readonly from: PeerAddress }
  /** From an address the peer has proved (`path`) before. */
  | { readonly type: 'dtls'; readonly bytes: Buffer; readonly from: PeerAddress }
  /** ICE restart: from now on these are answered too. */
  | { readonly type: 'restart'; readonly credentials: IceCredentials }
  | { readonly type: 'close' };

export type PeerOutput =
  | { readonly type: 'send'; readonly bytes: Buffer; readonly to: PeerAddress }
  /** The peer proved that it is at this address: what comes from there is its own. */
  | { readonly type: 'path'; readonly from: PeerAddress }
  /** Media flows: keys of what comes and of what goes. */
  | { readonly type: 'connected'; readonly receive: SrtpKeys; readonly send: SrtpKeys }
  /** Nothing is heard of the peer for now, or it is heard again. */
  | { readonly type: 'absent'; readonly on: boolean }
  /** Ended by the peer or by time; not emitted after a `close` input. */
  | { readonly type: 'closed'; readonly why: Termination };

export interface PeerOptions extends DtlsOptions {
  readonly ice: IceCredentials;
  /** For sentences: `UDP port 8189`. */
  readonly listening: string;
  readonly now: Millis;
}

/** From the answer to the finished handshake. */
const CONNECT_MS = 15_000;

/**
 * One peer connection, lite side: ICE answers, DTLS serves, media goes around it. Sans-I/O; RTP does not pass through
 * here: once connected, whoever owns the peer opens and seals with the keys and sends to `target`.
 */
export class WebRtcPeer implements Core<PeerInput, PeerOutput> {
  readonly #o: PeerOptions;
  readonly #ice: IceLite;
  readonly #dtls: DtlsServer;
  readonly #outputs: PeerOutput[] = [];
  #connectBy: Millis = NEVER;
  #connected = false;
  #closed = false;
  #absent = false;
  #heard: 'nothing' | 'checks' | 'dtls' = 'nothing';
  /** Before nomination DTLS is answered where it came from: browsers say hello on another pair than the first checked. */
  #lastDtlsFrom: PeerAddress | undefined;

  constructor(o: PeerOptions) {
    this.#o = o;
    this.#ice = new IceLite(o.ice, o.now);
    this.#dtls = new DtlsServer(o);
  }

  /** Where to send; undefined before the peer was heard. */
  get target(): PeerAddress | undefined {
    return this.#ice.nominated ?? this.#lastDtlsFrom;
  }

  get ice(): IceCredentials {
    return this.#ice.credentials;
  }

  /** Ufrags under which checks for this peer arrive now. */
  get ufrags(): readonly string[] {
    return this.#ice.ufrags;
  }

  get deadline(): Millis {
    if (this.#closed) return NEVER;
    const { consentUntil, absentAt } = this.#ice;
    const own = !this.#connected ? this.#connectBy : this.#absent ? consentUntil : absentAt;
    return Math.min(own, this.#dtls.deadline);
  }

  poll(): PeerOutput | undefined {
    return this.#outputs.shift();
  }

  handle(input: PeerInput | Tick, now: Millis): void {
    if (this.#closed) return;
    switch (input.type) {
      case 'answered':
        this.#connectBy = now + CONNECT_MS;
        return;
      case 'stun':
        return this.#check(input.message, input.from, now);
      case 'dtls':
        this.#heard = 'dtls';
        this.#lastDtlsFrom = input.from;
        this.#dtls.handle({ type: 'datagram', bytes: input.bytes }, now);
        return this.#drainDtls();
      case 'restart':
        return this.#ice.restart(input.credentials);
      case 'close':
        this.#dtls.handle({ type: 'close' }, now);
        this.#closed = true;
        return this.#drainDtls();
      case 'tick':
        return this.#tick(now);
    }
  }

  #check(message: StunMessage, from: PeerAddress, now: Millis): void {
    const verdict = this.#ice.check(message, from, now);
    if (typeof verdict === 'string') return this.#o.junk(`stun-${verdict}`);
    if (verdict.valid) {
      if (this.#heard === 'nothing') this.#heard = 'checks';
      this.#outputs.push({ type: 'path', from });
      this.#setAbsent(false);
    }
    this.#outputs.push({ type: 'send', bytes: verdict.reply, to: from });
  }

  #tick(now: Millis): void {
    if (!this.#connected && now >= this.#connectBy) return this.#end('client', 'no-media', this.#whyNot());
    if (this.#connected && now >= this.#ice.consentUntil)
      return this.#end(
        'client',
        'connection-lost',
        'Nothing was heard of the browser for 30 s: its network went away.',
      );
    if (this.#connected && now >= this.#ice.absentAt) this.#setAbsent(true);
    this.#dtls.handle({ type: 'tick' }, now);
    this.#drainDtls();
  }

  #setAbsent(on: boolean): void {
    if (this.#absent === on) return;
    this.#absent = on;
    this.#outputs.push({ type: 'absent', on });
  }

  #whyNot(): string {
    const { listening } = this.#o;
    if (this.#heard === 'nothing')
      return `No connectivity check reached ${listening} within 15 s: open it in the firewall, or set externalAddress to an address the browser can reach.`;
    if (this.#heard === 'checks')
      return `Connectivity checks reached ${listening}, but no DTLS followed within 15 s: the browser cannot receive our answers, or it gave up.`;
    const alert = this.#dtls.ignoredAlert;
    const said = alert === undefined ? '' : ` The browser sent alert ${alert}.`;
    return `The DTLS handshake on ${listening} did not finish within 15 s (waiting for the ${this.#dtls.state} step).${said}`;
  }

  #drainDtls(): void {
    for (let out = this.#dtls.poll(); out; out = this.#dtls.poll()) {
      if (out.type === 'send') {
        const to = this.target;
        if (to) this.#outputs.push({ type: 'send', bytes: out.bytes, to });
      } else if (out.type === 'connected') {
        this.#connected = true;
        this.#outputs.push({ type: 'connected', receive: out.client, send: out.server });
      } else if (out.by === 'close-notify') this.#end('client', 'hung-up', out.text);
      else if (out.by !== 'us') this.#end('client', 'dtls-failed', out.text);
    }
  }

  #end(blame: Termination['blame'], reason: string, text: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#outputs.push({ type: 'closed', why: { blame, reason, text } });
  }
}
