import type { Json, Millis, Termination } from '../../../contract.ts';
import type { Rtcp } from '../../rtp/rtcp.ts';
import type { MediaPlane } from '../media/plane.ts';
import type { Announcement } from '../media/types.ts';
import { type Control, readControl, SUBTYPE } from './app.ts';
import type { Keys } from './key-ring.ts';
import type { Life } from './life.ts';
import { MessageReceiver, type MessageSender } from './messages.ts';
import type { Path } from './path.ts';
import type { Paths, Traffic } from './paths.ts';
import type { Probes } from './probes.ts';

type Probe = Extract<Control, { readonly token: Uint8Array }>;

export interface IncomingOptions {
  readonly side: 'client' | 'server';
  readonly keys: Keys;
  readonly paths: Paths;
  readonly probes: Probes;
  readonly life: Life;
  readonly plane: MediaPlane;
  readonly messagesOut: MessageSender;
  /** Of now: read each time. */
  readonly traffic: Traffic;
  readonly count: (reason: string) => void;
}

/** What the other side says in RTCP, opened and read: each part goes to whom it concerns. */
export class Incoming {
  readonly #o: IncomingOptions;
  readonly #messages: MessageReceiver;

  constructor(o: IncomingOptions) {
    this.#o = o;
    this.#messages = new MessageReceiver((message, flow, now) => this.#said(message, flow, now));
  }

  get owesAck(): boolean {
    return this.#messages.owesAck;
  }
  ack(): Control {
    return this.#messages.ack();
  }

  /** A compound that came by `path`, if that is one; `newest`: nothing heard before was sealed later. */
  take(parts: readonly Rtcp[], path: Path | undefined, newest: boolean, now: Millis): void {
    const others = parts.filter(p => !this.#ours(p, path, newest, now));
    if (others.length > 0 && this.#o.life.state !== 'gone') this.#o.plane.rtcp(others, now);
  }

  /** True when the packet was for the session itself. */
  #ours(p: Rtcp, path: Path | undefined, newest: boolean, now: Millis): boolean {
    if (p.type === 'xr' || p.type === 'twcc') {
      this.#report(p, now);
      return true;
    }
    const c = p.type === 'app' ? readControl(p) : undefined;
    if (c === undefined) return false;
    this.#act(c, path, newest, now);
    return true;
  }

  #act(c: Control, path: Path | undefined, newest: boolean, now: Millis): void {
    switch (c.type) {
      case 'challenge':
        if (path !== undefined) this.#challenged(c, path, newest, now);
        return;
      case 'response':
        if (path !== undefined) this.#answered(c, path, newest, now);
        return;
      case 'fragment': {
        const junk = this.#messages.receive(c, now);
        if (junk !== undefined) this.#o.count(junk);
        return;
      }
      case 'ack':
        return this.#o.messagesOut.acknowledged(c.next, c.bits, now);
      case 'close':
        return this.#closed(c.why, path, now);
      case 'closed': {
        const { life } = this.#o;
        if (life.farewell !== undefined) life.end(life.farewell.why);
      }
    }
  }

  #challenged(c: Probe, path: Path, newest: boolean, now: Millis): void {
    const { paths, probes } = this.#o;
    path.knownThere = c.known;
    if (newest && c.preferred) paths.prefer(path);
    probes.answer(path, c.token, path === paths.active, now);
  }

  #answered(c: Probe, path: Path, newest: boolean, now: Millis): void {
    const { paths, keys, life, side, traffic } = this.#o;
    const epoch = path.answered(c.token, now);
    if (epoch === undefined) return this.#o.count('unasked-response');
    path.knownThere = c.known;
    // What was long under way says where they went then.
    if (newest && c.preferred) paths.prefer(path);
    keys.confirm(epoch);
    const before = paths.active;
    paths.answered(path, traffic, now);
    life.heard(true, now);
    // The other side shall know at once that this is the way.
    if (side === 'client' && paths.active !== before) paths.active?.askSoon(now);
  }

  #report(part: Extract<Rtcp, { type: 'xr' | 'twcc' }>, now: Millis): void {
    for (const p of this.#o.paths.all) {
      p.meter.handle(part, now);
      if (part.type === 'xr') p.reported(part, now);
    }
  }

  #said(message: Json, flow: boolean, now: Millis): void {
    const { life, plane } = this.#o;
    if (life.state === 'gone') return;
    if (!flow) life.tell({ type: 'message', message });
    else plane.announced(message as unknown as Announcement, now);
  }

  #closed(why: Termination, path: Path | undefined, now: Millis): void {
    const { life, probes } = this.#o;
    if (path !== undefined) probes.say(path, [{ type: 'closed' }], now);
    life.end(life.farewell?.why ?? why);
  }
}

/** Of what is said by this a report is wanted; reports of reports would never end. */
export const isAsking = (p: Rtcp): boolean =>
  p.type === 'app' && (p.subtype === SUBTYPE.fragment || p.subtype === SUBTYPE.challenge);
