import type { Clock, Millis } from '../../../src/contract.ts';
import type { OutsideRequest } from '../../../src/proto/sip/events.ts';
import type { Target } from '../../../src/proto/sip/locate.ts';
import { targetKey } from '../../../src/proto/sip/locator.ts';
import type { OutsideAnswer, SipSignalling } from '../../../src/proto/sip/signalling.ts';
import { flowOfTarget, type Locations } from './locating.ts';

export interface AskOptions {
  readonly tcpOver1300: boolean;
  /** A target that says nothing for this long is passed over. */
  readonly tryNextAfterMs: Millis;
  /** The last one has so long; absent: all the time there is (timer F). */
  readonly patienceMs?: Millis;
}

/** What came of a request, and who said so. */
export interface Asked extends OutsideAnswer {
  readonly target: Target | undefined;
}

/** Sends requests outside calls to where a URI leads, one target after the other (RFC 3263 §4.3). */
export class Asking {
  readonly #signalling: Pick<SipSignalling, 'request'>;
  readonly #locations: Locations;
  readonly #clock: Clock;

  constructor(signalling: Pick<SipSignalling, 'request'>, locations: Locations, clock: Clock) {
    this.#signalling = signalling;
    this.#locations = locations;
    this.#clock = clock;
  }

  /** 404 without a response and a target: the name leads nowhere. `prefer`: who answered the last time. */
  async ask(uri: string, request: OutsideRequest, o: AskOptions, prefer?: Target): Promise<Asked> {
    const found = await this.#locations.find(uri);
    const known = prefer === undefined ? undefined : found.find(t => targetKey(t) === targetKey(prefer));
    const targets = known === undefined ? found : [known, ...found.filter(t => t !== known)];
    let last: Asked = { status: 404, response: undefined, target: undefined };
    for (const [i, target] of targets.entries()) {
      const answer = this.#signalling.request(request, flowOfTarget(target, o.tcpOver1300));
      const patienceMs = i + 1 < targets.length ? o.tryNextAfterMs : o.patienceMs;
      const said = patienceMs === undefined ? await answer : await this.#within(answer, patienceMs);
      last = { ...said, target };
      const served = said.response !== undefined && said.status !== 503;
      this.#locations.note(target, served);
      if (served) return last;
    }
    return last;
  }

  #within(answer: Promise<OutsideAnswer>, ms: Millis): Promise<OutsideAnswer> {
    return new Promise(done => {
      const late = this.#clock.at(this.#clock.now() + ms, () => done({ status: 408, response: undefined }));
      void answer.then(said => {
        late();
        done(said);
      });
    });
  }
}
