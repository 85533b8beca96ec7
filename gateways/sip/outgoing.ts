import { randomBytes, randomUUID } from 'node:crypto';
import type { Dialled, DialRequest, DialStep, Host, Json, Termination } from '../../src/contract.ts';
import { type Drive, drive } from '../../src/io/drive.ts';
import { refuse, terminationOf } from '../../src/kit/refusal.ts';
import { isSecure } from '../../src/proto/sip/flow.ts';
import type { Replaces } from '../../src/proto/sip/replaces.ts';
import type { CallMessage, SipCall, SipSignalling } from '../../src/proto/sip/signalling.ts';
import type { DialogSnapshot } from '../../src/proto/sip/snapshot.ts';
import { CallLeg } from './call-leg.ts';
import type { SipConfig } from './config.ts';
import { ladderStep } from './front-ladder.ts';
import { carryText } from './front-texts.ts';
import type { Proof } from './front-writers.ts';
import { srtpFor } from './native.ts';
import { OutgoingCallCore, type OutgoingIn, type OutgoingOut } from './outgoing-call.ts';
import { reasonHeader, refusalOf } from './status.ts';
import type { Hop } from './trunks/trunk.ts';
import { nowhere, type Route, type Trunks } from './trunks/trunks.ts';

/** One call out with everything it holds. */
interface Entry {
  readonly leg: CallLeg;
  readonly room: string;
  readonly run: Drive<OutgoingIn<Hop>>;
}

/** The calls out of a front: wires each to its core, its leg, its INVITEs and its ladder. */
export class OutgoingCalls {
  readonly #host: Host;
  readonly #config: SipConfig;
  readonly #signalling: Pick<SipSignalling, 'dial'>;
  readonly #trunks: Trunks;
  /** By the signalling's id of each INVITE. */
  readonly #byCall = new Map<string, Entry>();
  readonly #live = new Set<Entry>();
  /** Whose INVITE is being made: what is sent at once belongs to it. */
  #dialling: Entry | undefined;
  #closed = false;
  #idle: (() => void) | undefined;

  constructor(host: Host, config: SipConfig, signalling: Pick<SipSignalling, 'dial'>, trunks: Trunks) {
    this.#host = host;
    this.#config = config;
    this.#signalling = signalling;
    this.#trunks = trunks;
  }

  get size(): number {
    return this.#live.size;
  }

  /** See `Front.dial`. `replaces`: the call takes the place of one the called side has (RFC 3891). */
  async dial(ask: DialRequest, on: (step: DialStep) => void, replaces?: Replaces): Promise<Dialled> {
    if (this.#closed) throw refuse('server', 'draining', 'This front is going down; call again.');
    if (this.#live.size >= this.#config.maxLegs)
      throw refuse('server', 'agent-full', `There are ${this.#live.size} calls out already (sip.maxLegs).`);
    const route = this.#trunks.route(ask.to, ask.trunk);
    return this.#begin(ask, route, on, replaces);
  }

  /** Every message of a call goes to the ladder of its leg; false: it is none of ours. */
  message(call: string, m: CallMessage): boolean {
    const entry = this.#byCall.get(call) ?? this.#dialling;
    if (entry === undefined) return false;
    this.#host.ladder(entry.leg.id, ladderStep(m, Date.now()));
    return true;
  }

  /** Undefined: it is none of ours. */
  roomOf(call: string): string | undefined {
    return this.#byCall.get(call)?.room;
  }

  /** Whom we called is where we called. Undefined: it is none of ours. */
  proofOf(call: string): Proof | undefined {
    return this.#byCall.has(call) ? { by: 'path' } : undefined;
  }

  /** How a successor ends this call, should this process vanish; false: it is none of ours. */
  snapshot(call: string, snapshot: DialogSnapshot | undefined): boolean {
    const entry = this.#byCall.get(call);
    if (snapshot !== undefined) entry?.leg.will({ ...snapshot } as Json);
    return entry !== undefined;
  }

  /** A bug in our own code ends its call only; false: it is none of ours. */
  bug(call: string, error: unknown): boolean {
    const entry = this.#byCall.get(call);
    if (entry === undefined) return false;
    this.#host.log.error({ err: error, leg: entry.leg.id }, 'a call out failed by a fault of ours');
    entry.run.feed({ type: 'close', why: terminationOf(error) });
    return true;
  }

  /** Ends all; resolves when every other side has answered, which may be never. */
  closeAll(why: Termination): Promise<void> {
    this.#closed = true;
    for (const { run } of [...this.#live]) run.feed({ type: 'close', why });
    if (this.#byCall.size === 0) return Promise.resolve();
    return new Promise(done => (this.#idle = done));
  }

  #begin(ask: DialRequest, route: Route, on: (step: DialStep) => void, replaces?: Replaces): Dialled {
    const host = this.#host;
    const identity = { callId: randomUUID(), tag: randomBytes(8).toString('hex') };
    const { dialOut } = this.#config;
    const core = new OutgoingCallCore<Hop>({
      tryNextAfterMs: dialOut.tryNextAfterS * 1000,
      ringMs: ask.timeoutMs ?? dialOut.ringS * 1000,
    });
    const invites = new Map<number, SipCall>();
    let newest = 0;

    const invite = ({ attempt, hop, sdp }: Extract<OutgoingOut<Hop>, { type: 'invite' }>): void => {
      const { to, user, flow, headers, from, credentials } = hop;
      newest = attempt;
      this.#dialling = entry;
      const call = this.#signalling.dial(
        {
          to,
          user,
          sdp,
          flow,
          headers,
          identity,
          ...(from && { from }),
          ...(credentials && { credentials }),
          ...(replaces && { replaces }),
        },
        event => {
          run.feed({ type: 'sip', attempt, event });
          if (event.type === 'failed' || event.type === 'ended') this.#over(call.id);
        },
      );
      this.#dialling = undefined;
      invites.set(attempt, call);
      this.#byCall.set(call.id, entry);
    };
    const act = (out: OutgoingOut<Hop>): void => {
      const call = invites.get(newest);
      switch (out.type) {
        case 'invite':
          return invite(out);
        case 'withdraw':
          return invites.get(out.attempt)?.hangup();
        case 'redirected':
          return void this.#follow(out.uris).then(found => run.feed(found));
        case 'heard':
          return out.hop.note(out.status, out.heard);
        case 'step': {
          const at = Date.now();
          host.ladder(leg.id, { at, dir: 'note', transport: 'roombridge', summary: out.step.text });
          on({ at, ...out.step });
          if (out.step.state === 'ended') this.#live.delete(entry);
          return;
        }
        case 'leg':
          return leg.send(out.command);
        case 'abort':
          return leg.abort();
        case 'place-again':
          host.count('calls_moved', out.why);
          return leg.again(out.before, out.held);
        case 'answer':
          return call?.answer(out.sdp);
        case 'reinvite':
          return call?.reinvite(out.sdp);
        case 'reject': {
          const { status, reason, headers } = refusalOf(out.why);
          return call?.reject(status, { reason, headers });
        }
        case 'info':
          return call?.info(out.contentType, out.content);
        case 'message':
        case 'answer-message':
        case 'text-lost':
          return carryText(out, call, host, leg.id);
        case 'hangup':
          return call?.hangup([reasonHeader(out.why)]);
        case 'ring':
          return;
      }
    };
    const run: Drive<OutgoingIn<Hop>> = drive(core, host.clock, act);
    const leg: CallLeg = new CallLeg(
      host,
      input => run.feed(input),
      () => core.state === 'ended',
    );
    const entry: Entry = { leg, room: ask.room, run };
    this.#live.add(entry);
    run.feed({ type: 'begin' });
    on({ at: Date.now(), state: 'calling', text: `Calling ${route.text}.` });
    const place = (hops: readonly Hop[]): void => {
      const secure = hops.every(h => isSecure(h.flow));
      leg.place({
        trace: identity.callId,
        direction: 'out',
        // Who may use the API may call; whom it calls needs no token.
        who: {
          user: route.user,
          ...(ask.display !== undefined && { display: ask.display }),
          proof: 'trunk',
          ...(hops[0] && { address: hops[0].target.address }),
        },
        room: ask.room,
        sdp: undefined,
        srtp: srtpFor(route.srtp, secure),
      });
    };
    void this.#find(route).then(found => {
      if (found.type === 'located' && core.state === 'placing') place(found.hops);
      run.feed(found);
    });
    return {
      get leg() {
        return leg.id;
      },
      cancel: why => run.feed({ type: 'close', why }),
    };
  }

  async #find(route: Route): Promise<Extract<OutgoingIn<Hop>, { type: 'located' | 'unlocated' }>> {
    try {
      const hops = await route.find();
      return hops.length > 0 ? { type: 'located', hops } : { type: 'unlocated', why: nowhere(route.text) };
    } catch (error) {
      return { type: 'unlocated', why: terminationOf(error) };
    }
  }

  /** A redirection leads only to where a call of its own might go. */
  async #follow(
    uris: readonly string[],
  ): Promise<Extract<OutgoingIn<Hop>, { type: 'located' | 'unlocated' }>> {
    const hops: Hop[] = [];
    let why: Termination = {
      blame: 'upstream',
      reason: 'bad-redirect',
      text: 'The call was redirected, but the answer does not say where to.',
    };
    for (const uri of uris) {
      try {
        const found = await this.#find(this.#trunks.route(uri, undefined));
        if (found.type === 'located') hops.push(...found.hops);
        else why = found.why;
      } catch (error) {
        why = terminationOf(error);
      }
    }
    return hops.length > 0 ? { type: 'located', hops } : { type: 'unlocated', why };
  }

  #over(call: string): void {
    this.#byCall.delete(call);
    if (this.#byCall.size === 0) this.#idle?.();
  }
}
