import { randomBytes } from 'node:crypto';
import { Refusal, refuse } from '../../src/kit/refusal.ts';
import { acceptCall, type CallLocal, type CallPlan, offerCall } from '../../src/proto/sdp/call.ts';
import { parseSdp, type Sdp, writeSdp } from '../../src/proto/sdp/sdp.ts';
import { sendAs } from '../../src/proto/sdp/video.ts';
import { flowTo } from '../../src/proto/sip/flow.ts';
import type { OnCall, SipCall } from '../../src/proto/sip/signalling.ts';
import { Camera } from './camera.ts';
import type { DemoMember, DemoPart } from './demo-member.ts';
import { openPart } from './demo-sounds.ts';
import { asksKeyframe, RtpLine } from './rtp-line.ts';
import { PATTERN_FORMAT } from './sip-picture.ts';
import { takeReoffer } from './sip-reoffer.ts';
import { Talker } from './talker.ts';
import { openUserAgent } from './user-agent.ts';

/** A server that does not answer our BYE is not waited for any longer. */
const FAREWELL_MS = 1000;
const ANSWER_MS = 10_000;
const MAX_BPS = 600_000;

/** A video telephone that calls the room. Rejects with a Refusal when the call fails. */
export async function callAsPhone(o: DemoPart): Promise<DemoMember> {
  const { place, user, clock } = o;
  const phone = new DemoPhone(o);
  const closers: (() => unknown)[] = [];
  const close = async (): Promise<void> => {
    for (const end of closers.splice(0).reverse()) await end();
  };
  try {
    const camera = o.studio && new Camera(o.studio, o.picture, o.say);
    if (camera) closers.push(() => camera.close());
    const cname = randomBytes(9).toString('base64url'); // RFC 7022 §4.2
    const line = { clock, session: { cname }, family: 4, signalling: place.sip.host } as const;
    const sound = await RtpLine.open(line);
    closers.push(() => sound.close());
    const video =
      camera && (await RtpLine.open({ ...line, rtcp: p => asksKeyframe(p) && camera.requestKey() }));
    if (video) closers.push(() => video.close());
    const agent = await openUserAgent({
      address: place.sip.host,
      tcp: false,
      clock,
      message() {},
      bug: error => phone.fail(error),
    });
    closers.push(() => agent.close());
    const token = await place.token?.(user);
    const { host, port } = place.sip;
    phone.dial({ sound, video, camera }, on =>
      agent.signalling.dial(
        {
          to: `sip:${encodeURIComponent(place.room)}@${host}:${port}`,
          user,
          sdp: phone.offer,
          flow: flowTo('udp', host, port),
          headers: token === undefined ? [] : [['X-Roombridge-Token', token]],
        },
        on,
      ),
    );
    closers.push(() => phone.hangUp());
    const plan = await phone.answered();
    const talker = new Talker(
      await openPart(o.part, plan.audio.send.format, plan.audio.send.ptimeMs),
      clock,
      sound.send,
    );
    closers.push(() => talker.stop());
    if (video && plan.video.main) camera.send(clock, video.send);
    return { gone: phone.gone, close };
  } catch (error) {
    await close();
    throw error;
  }
}

interface Lines {
  readonly sound: RtpLine;
  readonly video: RtpLine | undefined;
  readonly camera: Camera | undefined;
}

/** The call's signalling, with its offers and answers. */
class DemoPhone {
  readonly gone: Promise<string>;
  readonly #o: DemoPart;
  #lines!: Lines;
  #local!: CallLocal;
  #description!: Sdp;
  #call: SipCall | undefined;
  #over!: (why: string) => void;
  #picked!: (plan: CallPlan) => void;
  #refused!: (why: unknown) => void;
  readonly #answer: Promise<CallPlan>;

  constructor(o: DemoPart) {
    this.#o = o;
    this.gone = new Promise(done => void (this.#over = done));
    this.#answer = new Promise((done, fail) => {
      this.#picked = done;
      this.#refused = fail;
    });
    this.#answer.catch(() => {}); // it may come when nobody waits
  }

  get offer(): string {
    return writeSdp(this.#description);
  }

  dial(lines: Lines, begin: (on: OnCall) => SipCall): void {
    this.#lines = lines;
    this.#local = {
      audio: {
        sessionId: String(randomBytes(6).readUIntBE(0, 6)),
        address: this.#o.place.sip.host,
        port: lines.sound.port,
        codecs: ['G722', 'PCMU', 'PCMA'],
        direction: 'sendrecv',
      },
      video: { codecs: ['H264'], direction: 'sendrecv', maxBps: MAX_BPS },
      videoPorts: lines.video ? { main: lines.video.port } : {},
    };
    this.#description = offerCall(this.#local);
    this.#call = begin(e => this.#on(e));
  }

  async answered(): Promise<CallPlan> {
    const { clock } = this.#o;
    const late = (): void =>
      this.#refused(refuse('upstream', 'timeout', `The SIP server did not answer in ${ANSWER_MS / 1000} s.`));
    const disarm = clock.at(clock.now() + ANSWER_MS, late);
    return this.#answer.finally(disarm);
  }

  fail(error: unknown): void {
    this.#refused(error);
    this.#over(error instanceof Error ? error.message : String(error));
  }

  async hangUp(): Promise<void> {
    this.#call?.hangup();
    const { clock } = this.#o;
    let disarm = (): void => {};
    const late = new Promise<void>(done => void (disarm = clock.at(clock.now() + FAREWELL_MS, done)));
    await Promise.race([this.gone, late]);
    disarm();
  }

  #on(e: Parameters<OnCall>[0]): void {
    switch (e.type) {
      case 'answered':
        return this.#accept(e.sdp);
      case 'offer':
        return this.#reoffered(e.sdp);
      case 'failed':
        return this.fail(refuse('upstream', 'call-failed', `The SIP call was refused with ${e.status}.`));
      case 'ended':
        return this.fail(refuse('upstream', 'call-ended', e.reason ?? 'The SIP call has ended.'));
      case 'info':
        return this.#lines.camera?.requestKey();
      default:
        return;
    }
  }

  #accept(text: string | undefined): void {
    const answer = parseSdp(text ?? '');
    const plan =
      typeof answer === 'string'
        ? refuse('upstream', 'bad-sdp', answer)
        : acceptCall(answer, this.#description, this.#local);
    if (plan instanceof Refusal) return this.fail(plan);
    this.#agreed(plan);
    this.#picked(plan);
  }

  #reoffered(text: string | undefined): void {
    const taken = takeReoffer(text, this.#call, this.#description, this.#local);
    if (taken === undefined) return;
    this.#description = taken.description;
    this.#agreed(taken.plan);
  }

  #agreed({ audio, video: { main } }: CallPlan): void {
    this.#lines.sound.agreed(audio, audio.send.payloadType, audio.send.format.clockRate);
    const payloadType = main && sendAs(main, PATTERN_FORMAT);
    if (main && payloadType !== undefined)
      this.#lines.video?.agreed(main, payloadType, PATTERN_FORMAT.clockRate);
    this.#lines.camera?.requestKey();
  }
}
