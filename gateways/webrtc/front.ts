import { randomBytes } from 'node:crypto';
import type {
  Address,
  Front,
  Host,
  HttpRequest,
  HttpResponse,
  LegRequest,
  Termination,
} from '../../src/contract.ts';
import { refuse } from '../../src/kit/refusal.ts';
import { readFragment } from '../../src/proto/webrtc/answer.ts';
import { readOffer, type WebRtcOffer } from '../../src/proto/webrtc/offer.ts';
import type { WebRtcConfig } from './config.ts';
import {
  bearer,
  CORS,
  expectSdp,
  links,
  mediaType,
  noContent,
  preflight,
  problem,
  withoutPassword,
} from './http.ts';
import { type Begin, described, restarted } from './native.ts';
import { Session, type Slots } from './session.ts';

/** How long a draining front waits for its legs to say that they have ended. */
const CLOSE_MS = 3000;
const FRAGMENT = 'application/trickle-ice-sdpfrag';

/** WHIP (RFC 9725) and WHEP over the project's HTTP server. */
export function createWebRtcFront(host: Host, config: WebRtcConfig): Front {
  return new WebRtcFront(host, config);
}

class WebRtcFront implements Front {
  readonly #host: Host;
  readonly #config: WebRtcConfig;
  readonly #sessions = new Map<string, Session>();
  readonly #abort = new AbortController();
  #allEnded: () => void = () => {};

  constructor(host: Host, config: WebRtcConfig) {
    this.#host = host;
    this.#config = config;
  }

  async start(): Promise<readonly Address[]> {
    const { http } = this.#host;
    if (http === undefined)
      throw refuse('server', 'no-http', 'The WebRTC front needs the HTTP server of its process.');
    http.route('POST', '/whip/:room', r => this.#open(r, 'whip'));
    http.route('POST', '/whep/:room', r => this.#open(r, 'whep'));
    http.route('POST', '/whep/:room/:member', r => this.#open(r, 'whep'));
    http.route('PATCH', '/whip/sessions/:id', r => this.#patch(r));
    http.route('DELETE', '/whip/sessions/:id', r => this.#delete(r));
    for (const path of ['/whip/:room', '/whep/:room', '/whep/:room/:member'])
      http.route('OPTIONS', path, async () => preflight({ 'accept-post': 'application/sdp' }));
    http.route('OPTIONS', '/whip/sessions/:id', async () => preflight({ 'accept-patch': FRAGMENT }));
    const base = http.bases[0] ?? '';
    return [
      { url: `${base}/whip/1000?user=alice`, what: 'WHIP: publish into a room' },
      { url: `${base}/whep/1000?as=alice`, what: 'WHEP: play a room' },
    ];
  }

  async close(why: Termination): Promise<void> {
    this.#abort.abort();
    if (this.#sessions.size === 0) return;
    const ended = new Promise<void>(done => (this.#allEnded = done));
    const { clock } = this.#host;
    const disarm = clock.at(clock.now() + CLOSE_MS, () => this.#allEnded());
    for (const session of this.#sessions.values()) session.close(why);
    await ended;
    disarm();
  }

  /** POST: an offer in, 201 with the answer out (RFC 9725 §4.2). */
  async #open(r: HttpRequest, kind: Begin['kind']): Promise<HttpResponse> {
    if (this.#abort.signal.aborted) throw refuse('server', 'shutting-down', 'This server is going down.');
    const refused = expectSdp(r);
    if (refused) return refused;
    this.#limit(r.address);
    const sdp = r.body.toString('utf8');
    const offer = readOffer(sdp);
    const session = this.#session(r.address, offer.ice.ufrag, r.params.room ?? '');
    const request = this.#request(r, kind, sdp, offer);
    const step = { transport: 'https', text: withoutPassword(sdp) };
    this.#host.ladder(request.leg, {
      at: Date.now(),
      dir: 'in',
      summary: `POST ${kind} ${request.room}`,
      ...step,
    });
    try {
      const leg = await this.#host.place(request, session.on, this.#abort.signal);
      session.leg = leg;
      const answer = described.parse(await session.answered(0)).sdp;
      this.#host.ladder(request.leg, {
        at: Date.now(),
        dir: 'out',
        transport: 'https',
        summary: '201 Created',
        text: withoutPassword(answer),
      });
      return {
        status: 201,
        headers: {
          ...CORS,
          'content-type': 'application/sdp',
          location: pathOf(session.id),
          etag: session.etag,
          ...links(this.#config.iceServers),
          // Lets the participant's other legs join it: the page's WHEP after its WHIP.
          'x-roombridge-secret': leg.secret,
        },
        body: answer,
      };
    } catch (error) {
      this.#forget(session);
      session.close({ blame: 'server', reason: 'internal-error' }); // only when it failed after it was placed
      throw error;
    }
  }

  /** PATCH: candidates are welcome and not needed; new credentials are an ICE restart (RFC 9725 §4.3). */
  async #patch(r: HttpRequest): Promise<HttpResponse> {
    const session = this.#find(r);
    if (mediaType(r) !== FRAGMENT)
      throw refuse('client', 'unsupported-media-type', `PATCH takes ${FRAGMENT} only (RFC 9725 §4.3.1).`);
    const match = r.headers['if-match'];
    if (match === undefined)
      return problem(
        428,
        'precondition-required',
        'Send If-Match with the ETag of the session, or * to restart ICE.',
      );
    const said = readFragment(r.body.toString('utf8'));
    const restarts = match === '*' && said !== undefined && said.ufrag !== session.ufrag;
    if (!restarts) {
      if (match !== '*' && match !== session.etag)
        return problem(
          412,
          'precondition-failed',
          'ICE was restarted since: this ETag is of an earlier session.',
        );
      return noContent(); // a lite agent answers wherever checks come from
    }
    const { fragment } = restarted.parse(await session.offer({ restart: true }));
    session.ufrag = said.ufrag;
    session.etag = newEtag();
    return {
      status: 200,
      headers: { ...CORS, 'content-type': FRAGMENT, etag: session.etag },
      body: fragment,
    };
  }

  async #delete(r: HttpRequest): Promise<HttpResponse> {
    const session = this.#find(r);
    this.#forget(session);
    session.close({ blame: 'none', reason: 'hung-up' });
    return { status: 200, headers: CORS };
  }

  #find(r: HttpRequest): Session {
    const session = this.#sessions.get(r.params.id ?? '');
    if (session === undefined)
      throw refuse('client', 'not-found', 'There is no such session; it may have ended.');
    return session;
  }

  #limit(address: string): void {
    let open = 0;
    for (const s of this.#sessions.values()) if (s.address === address) open++;
    if (open >= this.#config.maxPerAddress)
      throw refuse(
        'client',
        'too-many-requests',
        `This address has ${open} sessions open (webrtc.maxPerAddress): end some first.`,
      );
  }

  #session(address: string, ufrag: string, room: string): Session {
    const id = randomBytes(18).toString('base64url'); // whoever knows it may end the session
    const path = pathOf(id);
    // So that the page need not find out by itself that nothing comes any more.
    const tell = (type: 'session-ended' | 'session-moves'): void => {
      if (session.leg !== undefined) this.#host.tell(room, session.leg.participant, { type, session: path });
    };
    const ended = (): void => {
      if (this.#sessions.has(id)) tell('session-ended'); // else the page ended it
      this.#forget(session);
    };
    // WHEP has no words for it: the page's signalling says which member is on which line.
    const slots = ({ audio, video, content }: Slots): void => {
      if (session.leg !== undefined)
        this.#host.tell(room, session.leg.participant, { type: 'slots', audio, video, content });
    };
    const session: Session = new Session({
      id,
      address,
      ufrag,
      etag: newEtag(),
      ended,
      slots,
      moves: () => tell('session-moves'),
    });
    this.#sessions.set(id, session);
    return session;
  }

  #forget(session: Session): void {
    this.#sessions.delete(session.id);
    if (this.#sessions.size === 0) this.#allEnded();
  }

  #request(r: HttpRequest, kind: Begin['kind'], sdp: string, offer: WebRtcOffer): LegRequest {
    const leg = `webrtc-${randomBytes(9).toString('base64url')}`;
    const credential = bearer(r);
    const { member } = r.params;
    const screen = kind === 'whip' && r.query.get('track') === 'screen';
    const native: Begin =
      kind === 'whip'
        ? { sdp, kind, track: screen ? 'screen' : 'camera' }
        : { sdp, kind, ...(member !== undefined && { member }) };
    return {
      v: 1,
      leg,
      trace: leg,
      gateway: 'webrtc',
      direction: 'in',
      who: {
        user: r.query.get(kind === 'whip' ? 'user' : 'as') || 'guest',
        proof: 'claimed',
        address: r.address,
        ...(credential !== undefined && { credential }),
      },
      room: r.params.room ?? '',
      roles: [kind === 'whip' ? 'send' : 'receive'],
      ...(screen && { track: 'screen' as const }),
      returns: true,
      formats: [...new Set(offer.media.flatMap(m => m.formats.map(f => f.format.codec)))],
      begin: { type: 'offer', native: { ...native } },
    };
  }
}

const pathOf = (id: string): string => `/whip/sessions/${id}`;
const newEtag = (): string => `"${randomBytes(9).toString('base64url')}"`;
