import { randomBytes } from 'node:crypto';
import { drive } from '../../src/io/drive.ts';
import { openFlows } from '../../src/io/flows.ts';
import { Refusal } from '../../src/kit/refusal.ts';
import {
  type AudioLocal,
  type AudioPlan,
  acceptAudio,
  answerAudio,
  offerAudio,
  type PhoneCodec,
} from '../../src/proto/sdp/audio.ts';
import { parseSdp, type Sdp, versioned, writeSdp } from '../../src/proto/sdp/sdp.ts';
import { SipEndpoint } from '../../src/proto/sip/endpoint.ts';
import type { DialOptions, SipInput } from '../../src/proto/sip/events.ts';
import { flowTo } from '../../src/proto/sip/flow.ts';
import { textOf, unquote } from '../../src/proto/sip/grammar.ts';
import type { SipResponse } from '../../src/proto/sip/message.ts';
import { EndpointSignalling, type OnCall, type SipCall } from '../../src/proto/sip/signalling.ts';
import { type Ask, callerOf } from './ask.ts';
import { type Path, reach, resolve, silent } from './reach.ts';
import { CallMedia } from './sip-media.ts';
import { talk } from './talk.ts';
import type { SipTarget } from './target.ts';
import { openTone } from './tone.ts';
import type { Trip } from './trip.ts';
import { failed } from './verdict.ts';

const CODECS: readonly PhoneCodec[] = ['opus', 'G722', 'PCMU', 'PCMA'];
/** Until any answer at all, and until somebody picks up. */
const FIRST_WORD_MS = 10_000;
const PICK_UP_MS = 30_000;
const FAREWELL_MS = 2000;

/** One SIP call: rings, talks, listens, hangs up. What it finds goes into `trip`; rejects with the hop that failed. */
export async function callSip(target: SipTarget, ask: Ask, trip: Trip): Promise<void> {
  const [{ address, family }] = await resolve(target.host, trip);
  const path = await reach(target.transport, address, target.port, trip);
  const call = new Call(target, ask, trip, path, address);
  try {
    await call.open(family === 6 ? 6 : 4);
    const plan = await call.answered();
    const tone = await openTone(plan.send.format, ask.toneHz, plan.send.ptimeMs);
    await talk(trip, ask, tone, call.media.send, call.gone);
  } finally {
    await call.close();
    path.close();
  }
}

/** A call with everything it holds; `close` undoes whatever `open` came to. */
class Call {
  media!: CallMedia;
  /** Rejects when the server ends a call that was up. */
  readonly gone: Promise<never>;
  readonly #target: SipTarget;
  readonly #ask: Ask;
  readonly #trip: Trip;
  readonly #path: Path;
  readonly #address: string;
  readonly #closers: (() => unknown)[] = [];
  #sip: SipCall | undefined;
  #over: Promise<void> = Promise.resolve();
  #lose!: (why: Refusal) => void;
  #local!: AudioLocal;
  #sent!: Sdp;
  #heardOf = (): void => {};

  constructor(target: SipTarget, ask: Ask, trip: Trip, path: Path, address: string) {
    this.#target = target;
    this.#ask = ask;
    this.#trip = trip;
    this.#path = path;
    this.#address = address;
    this.gone = new Promise((_, fail) => {
      this.#lose = fail;
    });
    this.gone.catch(() => {}); // it may come when nobody waits
  }

  /** Sockets and the user agent on top. */
  async open(family: 4 | 6): Promise<void> {
    const { clock } = this.#trip;
    const { localAddress } = this.#path;
    this.media = await CallMedia.open(family, this.#address, this.#trip);
    this.#closers.push(() => this.media.close());
    const flows = await openFlows(
      { address: localAddress, port: 0, tcp: this.#target.transport === 'tcp', setting: 'the port' },
      clock,
      {
        datagram: (flow, bytes) => run.feed({ type: 'datagram', flow, bytes }),
        chunk: (flow, bytes) => run.feed({ type: 'chunk', flow, bytes }),
        closed: flow => run.feed({ type: 'flow-closed', flow }),
        junk() {},
      },
    );
    this.#closers.push(() => flows.close());
    const endpoint = new SipEndpoint({
      random: randomBytes,
      local: () => ({ host: localAddress, port: flows.port }),
      name: 'Roombridge dialer',
      maxCalls: 0,
    });
    const run = drive<SipInput, NonNullable<ReturnType<SipEndpoint['poll']>>>(endpoint, clock, out =>
      this.#signalling.act(out),
    );
    this.#closers.push(() => run.stop());
    this.#signalling = new EndpointSignalling(input => run.feed(input), {
      send: (flow, bytes) => flows.send(flow, bytes),
      hangUp: flow => flows.hangUp(flow),
      incoming: (_invite, call) => {
        call.reject(486);
        return () => {};
      },
      message: (_call, { dir, bytes }) => dir === 'in' && this.#message(bytes),
      count() {},
      bug: (_call, error) => this.#lose(error as Refusal),
    });
    this.#local = {
      sessionId: String(randomBytes(6).readUIntBE(0, 6)),
      address: localAddress,
      port: this.media.port,
      codecs: this.#ask.codec === undefined ? CODECS : [this.#ask.codec],
      direction: 'sendrecv',
    };
    this.#sent = offerAudio(this.#local);
  }
  #signalling!: EndpointSignalling;

  /** Sends the INVITE and waits for what becomes of it. */
  answered(): Promise<AudioPlan> {
    const { transport, host, port } = this.#target;
    const { token, password } = this.#ask;
    const user = callerOf(this.#ask);
    const options: DialOptions = {
      to: this.#target.uri,
      user,
      sdp: writeSdp(this.#sent),
      flow: flowTo(transport, this.#address, port),
      headers: token === undefined ? [] : [['X-Roombridge-Token', token]],
      ...(password !== undefined && { credentials: { username: user, password } }),
    };
    this.#trip.say(`calling ${host}`);
    const firstWord = new Promise<void>(done => {
      this.#heardOf = done;
    });
    const end = this.#dial(options);
    const word = Promise.race([firstWord, end, this.#path.refused]);
    const late = (): Refusal => silent(transport, this.#address, port);
    return this.#trip
      .within(word, FIRST_WORD_MS, late)
      .then(() => this.#trip.within(end, PICK_UP_MS, notPickedUp));
  }

  /** Hangs up politely, then frees everything. */
  async close(): Promise<void> {
    this.#sip?.hangup();
    let disarm = (): void => {};
    const { clock } = this.#trip;
    const late = new Promise<void>(done => {
      disarm = clock.at(clock.now() + FAREWELL_MS, done);
    });
    await Promise.race([this.#over, late]);
    disarm();
    for (const close of this.#closers.reverse()) await close();
  }

  #dial(options: DialOptions): Promise<AudioPlan> {
    return new Promise((done, fail) => {
      let up = false;
      let finish = (): void => {};
      this.#over = new Promise(over => {
        finish = over;
      });
      const on: OnCall = e => {
        switch (e.type) {
          case 'answered':
            up = true;
            return void this.#accept(e.sdp).then(done, fail);
          case 'offer':
            return this.#reoffered(e.sdp);
          case 'failed':
            fail(this.#refusal(e.status, e.reason, e.response));
            return finish();
          case 'ended':
            if (e.by !== 'local') this.#lose(ended(e.reason));
            if (!up) fail(ended(e.reason));
            return finish();
          default:
            return;
        }
      };
      this.#sip = this.#signalling.dial(options, on);
    });
  }

  async #accept(text: string | undefined): Promise<AudioPlan> {
    const answer = parseSdp(text ?? '');
    if (typeof answer === 'string')
      throw failed('signalling', `Signalling: the server's answer is no session description: ${answer}.`);
    const plan = acceptAudio(answer, this.#sent, this.#local);
    if (plan instanceof Refusal) throw failed('signalling', `Signalling: ${plan.message}`);
    await this.media.agreed(plan, this.#ask.expectHz);
    return plan;
  }

  /** The server changes the session: taken as it comes, in the codecs at hand. */
  #reoffered(text: string | undefined): void {
    const offer = text === undefined ? 'no offer' : parseSdp(text);
    const answer = typeof offer === 'string' ? undefined : answerAudio(offer, this.#local);
    if (answer === undefined || answer instanceof Refusal) return this.#sip?.reject(488);
    this.#sent = versioned(answer.sdp, this.#sent);
    this.#sip?.answer(writeSdp(this.#sent));
    void this.media.agreed(answer.plan, this.#ask.expectHz);
  }

  /** Every response to the INVITE is a step. */
  #message(bytes: Buffer): void {
    const head = bytes.toString('latin1', 0, Math.min(bytes.length, 4096));
    const [, status, phrase] = /^SIP\/2\.0 (\d{3}) ([^\r\n]*)/.exec(head) ?? [];
    if (status === undefined || !/^cseq:\s*\d+\s+invite\s*$/im.test(head)) return;
    this.#heardOf();
    this.#trip.step(status, phrase);
    this.#trip.say(`${status} ${phrase}`);
  }

  #refusal(status: number, phrase: string, response: SipResponse | undefined): Refusal {
    if (response === undefined) {
      const { transport, port } = this.#target;
      if (status === 408) return silent(transport, this.#address, port);
      return failed('transport', `Transport: the connection to ${this.#address} port ${port} broke during the call's set-up.`);
    }
    const why = sentenceIn(response);
    const hint = status === 401 || status === 407 ? '; give --token, or --user and --password' : '';
    return failed(
      'signalling',
      `Signalling: the server refused the call with ${status} ${phrase}${why === undefined ? '' : `: ${why}`}${hint}`.replace(/\.?$/, '.'),
    );
  }
}

const notPickedUp = (): Refusal =>
  failed('signalling', `Signalling: nobody picked up in ${PICK_UP_MS / 1000} s; see the server's log for what it waits for.`);

const ended = (reason: string | undefined): Refusal =>
  failed('signalling', `Signalling: the server ended the call before we did${reason === undefined ? '.' : ` (${reason}).`}`);

/** What a server says to a person: Warning (RFC 3261 §20.43), else the text of Reason (RFC 3326). */
function sentenceIn({ headers }: SipResponse): string | undefined {
  const warning = /^\d{3}\s+\S+\s+(".*")\s*$/.exec(headers.get('warning') ?? '')?.[1];
  const text = /;\s*text\s*=\s*("(?:[^"\\]|\\.)*")/i.exec(headers.get('reason') ?? '')?.[1];
  const quoted = warning ?? text;
  return quoted === undefined ? undefined : textOf(unquote(quoted));
}
