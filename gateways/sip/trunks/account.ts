import { randomBytes } from 'node:crypto';
import type { Clock, Log, Millis, TrunkPart } from '../../../src/contract.ts';
import { type Drive, drive } from '../../../src/io/drive.ts';
import type { Credentials } from '../../../src/proto/sip/digest.ts';
import type { OutsideRequest } from '../../../src/proto/sip/events.ts';
import type { Target } from '../../../src/proto/sip/locate.ts';
import { Registration, type RegistrationIn } from '../../../src/proto/sip/registration.ts';
import { escapeUser, parseUri, type Uri } from '../../../src/proto/sip/uri.ts';
import type { Asked } from './asking.ts';

export interface AccountOptions {
  readonly trunk: string;
  readonly registrar: string;
  readonly domain: string;
  readonly user: string;
  /** User part of our Contact, which nobody but the registrar knows. */
  readonly contact: string;
  readonly room: string | undefined;
  readonly credentials: Credentials | undefined;
  readonly expiresS: number;
  readonly clock: Clock;
  readonly log: Log;
  /** Keeps the path to the registrar open through NATs: calls come in by it. */
  readonly keep: (target: Target) => void;
  readonly ask: (uri: string, request: OutsideRequest, more: object, prefer?: Target) => Promise<Asked>;
}

/** One account of a trunk, kept registered. */
export class Account {
  readonly user: string;
  readonly contact: string;
  readonly room: string | undefined;
  readonly #o: AccountOptions;
  readonly #core: Registration;
  readonly #run: Drive<RegistrationIn>;
  readonly #stopped: Promise<void>;
  #end!: () => void;
  /** Who answered the last time: challenges are asked where they are answered. */
  #target: Target | undefined;
  #wasUp = false;

  constructor(o: AccountOptions) {
    this.#o = o;
    this.user = o.user;
    this.contact = o.contact;
    this.room = o.room;
    this.#stopped = new Promise(done => void (this.#end = done));
    const { host, port, scheme } = parseUri(o.registrar) as Uri;
    this.#core = new Registration({
      registrar: `${scheme}:${host}${port === undefined ? '' : `:${port}`}`,
      aor: `sip:${escapeUser(o.user)}@${o.domain}`,
      contact: o.contact,
      credentials: o.credentials,
      expiresS: o.expiresS,
      random: randomBytes,
    });
    this.#run = drive(this.#core, o.clock, out => {
      if (out.type === 'register') void this.#send(out.request);
      else if (out.type === 'stopped') this.#end();
      else this.#changed();
    });
  }

  start(): void {
    this.#run.feed({ type: 'start' });
  }

  async stop(): Promise<void> {
    this.#run.feed({ type: 'stop' });
    await this.#stopped;
    this.#run.stop();
  }

  /** `at` turns our clock into Unix ms. */
  part(at: (ms: Millis) => number): TrunkPart {
    const { up, state, status, since, until, text } = this.#core;
    return {
      name: this.user,
      state: up ? 'up' : state === 'idle' || (state === 'trying' && status === 0) ? 'unknown' : 'down',
      since: at(since),
      text,
      ...(status > 0 && { status }),
      ...(up && { until: at(until) }),
    };
  }

  async #send(request: OutsideRequest): Promise<void> {
    const { status, response, target } = await this.#o.ask(this.#o.registrar, request, {}, this.#target);
    this.#target = response === undefined ? undefined : target;
    this.#run.feed({ type: 'answer', status, response });
  }

  #changed(): void {
    const { up, text } = this.#core;
    const { trunk, user, log } = this.#o;
    const say = `trunk ${trunk}, account ${user}: ${text}`;
    if (up && this.#target !== undefined) this.#o.keep(this.#target);
    if (!up) log.warn({ trunk, user }, say);
    else if (!this.#wasUp) log.info({ trunk, user }, say);
    this.#wasUp = up;
  }
}
