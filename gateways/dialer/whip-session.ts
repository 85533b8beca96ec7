import {
  type MediaStreamTrack,
  RTCPeerConnection,
  type RTCRtpTransceiver,
  useH264,
  useOPUS,
  useVP8,
} from 'werift';
import type { Millis } from '../../src/contract.ts';
import type { Refusal } from '../../src/kit/refusal.ts';
import type { Outward } from './facts.ts';
import { type Answer, ask, certificateFault } from './http.ts';
import type { HostAddress } from './reach.ts';
import type { Trip } from './trip.ts';
import { badAnswer, endedEarly, noDtls, noIce, pathBroke, refusedPost, unfinished } from './whip-words.ts';

/** In our offers. */
export const OPUS_PAYLOAD_TYPE = 111;
export const H264_PAYLOAD_TYPE = 102;
export const VP8_PAYLOAD_TYPE = 96;
const POST_MS = 10_000;
const ICE_MS = 10_000;
const DTLS_MS = 10_000;
const DELETE_MS = 2000;

export interface WhipSessionOptions {
  readonly kind: 'WHIP' | 'WHEP';
  readonly url: URL;
  readonly addresses: readonly HostAddress[];
  readonly bearer: string | undefined;
  /** This machine: its certificate and its loopback address will do. */
  readonly local: boolean;
  readonly insecure: boolean;
  readonly trip: Trip;
}

type WhipMedia =
  | { readonly send: MediaStreamTrack; readonly show: MediaStreamTrack | undefined }
  | { readonly hear: (rtp: Buffer) => void; readonly see: ((rtp: Buffer) => void) | undefined };

/** One WHIP or WHEP session through werift, a WebRTC stack that shares no code with the server's. */
export class WhipSession {
  /** Rejects when the connection is lost before `close`. */
  readonly gone: Promise<never>;
  /** What lets the participant's other legs join it. */
  secret: string | undefined;
  readonly #o: WhipSessionOptions;
  readonly #peer: RTCPeerConnection;
  readonly #sound: RTCRtpTransceiver;
  readonly #picture: RTCRtpTransceiver | undefined;
  #location: URL | undefined;
  #ssrc: number | undefined;
  #pictureAnswered = false;
  #lose!: (why: Refusal) => void;

  /** `send`, `show`: what WHIP publishes; `hear`, `see`: get the RTP of WHEP. */
  constructor(o: WhipSessionOptions, media: WhipMedia) {
    this.#o = o;
    const v6 = o.addresses[0]?.family === 6;
    this.#peer = new RTCPeerConnection({
      iceServers: [],
      iceUseIpv6: v6,
      ...(o.local && { iceAdditionalHostAddresses: [v6 ? '::1' : '127.0.0.1'] }),
      codecs: {
        audio: [useOPUS({ payloadType: OPUS_PAYLOAD_TYPE })],
        video: [
          useH264({ payloadType: H264_PAYLOAD_TYPE }),
          ...('hear' in media ? [useVP8({ payloadType: VP8_PAYLOAD_TYPE })] : []),
        ],
      },
      bundlePolicy: 'max-bundle',
    });
    this.gone = new Promise((_, fail) => void (this.#lose = fail));
    this.gone.catch(() => {}); // it may come when nobody waits
    const line = (what: MediaStreamTrack | 'audio' | 'video'): RTCRtpTransceiver =>
      this.#peer.addTransceiver(what, { direction: typeof what === 'string' ? 'recvonly' : 'sendonly' });
    if ('send' in media) {
      this.#sound = line(media.send);
      this.#picture = media.show && line(media.show);
    } else {
      this.#sound = line('audio');
      this.#picture = media.see && line('video');
      this.#peer.onTrack.subscribe(track => {
        const to = track.kind === 'video' ? media.see : media.hear;
        track.onReceiveRtp.subscribe(p => {
          if (track.kind === 'video') this.#ssrc = p.header.ssrc;
          to?.(p.serialize());
        });
      });
    }
  }

  /** The server takes, or sends, pictures. */
  get hasPicture(): boolean {
    return this.#picture !== undefined && !this.#picture.stopped && this.#pictureAnswered;
  }

  /** Asks the server for a keyframe of what it sends. */
  requestKey(): void {
    if (this.#ssrc !== undefined) void this.#picture?.receiver.sendRtcpPLI(this.#ssrc).catch(() => {});
  }

  /** The server asks for one of what we send. */
  onKeyframe(asked: () => void): void {
    this.#picture?.sender.onPictureLossIndication.subscribe(asked);
  }

  /** Offer, answer, ICE, DTLS. Rejects with the hop that failed. */
  async open(): Promise<void> {
    const { kind, trip } = this.#o;
    trip.say(`${kind}: offering`);
    await this.#peer.setLocalDescription(await this.#peer.createOffer());
    const answer = await this.#post(this.#peer.localDescription?.sdp ?? '');
    trip.step(`${kind} ${answer.status}`, 'Created');
    this.#pictureAnswered = /^m=video [1-9]/m.test(answer.body);
    const candidate = /^a=candidate:\S+ 1 udp \d+ (\S+) (\d+) /im.exec(answer.body);
    const to = candidate === null ? 'the server' : `${candidate[1]}:${candidate[2]}`;
    if (kind === 'WHIP') trip.mediaTo = to;
    trip.say(`${kind}: ICE checks to ${to}`);
    const ice = this.#iceConnected();
    const dtls = this.#dtlsConnected(to);
    await this.#peer
      .setRemoteDescription({ type: 'answer', sdp: answer.body })
      .catch((e: Error) => Promise.reject(badAnswer(kind, e.message)));
    await trip.within(ice, ICE_MS, () => noIce(kind, to, ICE_MS));
    trip.step(`${kind} ICE`, to);
    trip.say(`${kind}: DTLS handshake with ${to}`);
    await trip.within(dtls, DTLS_MS, () => noDtls(kind, to, DTLS_MS));
    trip.step(`${kind} DTLS`);
    this.#watch();
  }

  /** What the server's RTCP says of our sound and picture goes into these. */
  listenToReports(sound: Outward, picture: Outward | undefined): void {
    this.#listen(this.#sound, 48, sound);
    if (picture !== undefined && this.#picture !== undefined) this.#listen(this.#picture, 90, picture);
  }

  #listen({ sender }: RTCRtpTransceiver, ticksPerMs: number, out: Outward): void {
    sender.onRtcp.subscribe(packet => {
      if (!('reports' in packet)) return;
      out.reports++;
      const report = packet.reports.find(r => r.ssrc === sender.ssrc);
      if (report === undefined) return;
      out.reported = true;
      out.lossPercent = (100 * Math.max(0, report.packetsLost)) / Math.max(1, out.packets);
      out.jitterMs = report.jitter / ticksPerMs;
      this.#roundTrip(sender).then(
        ms => {
          if (ms !== undefined) out.rttMs = ms;
        },
        () => {},
      );
    });
  }

  /** DELETE, then the transport. Never rejects. */
  async close(): Promise<void> {
    if (this.#location !== undefined)
      await ask('DELETE', this.#location, { ...this.#http(), timeoutMs: DELETE_MS }).catch(() => {});
    await this.#peer.close().catch(() => {});
  }

  async #post(offer: string): Promise<Answer> {
    const { kind, url, trip, local } = this.#o;
    const answer = await trip.within(
      ask('POST', url, {
        ...this.#http(),
        body: offer,
        timeoutMs: POST_MS,
        connected: taken => {
          trip.step('connected', url.protocol === 'https:' ? 'tcp, tls' : 'tcp');
          if (taken !== undefined)
            trip.note(
              `the certificate is ${certificateFault(taken)}; taken because ${local ? 'the server is this machine' : 'of --insecure'}`,
            );
        },
      }),
      2 * POST_MS,
      () => unfinished(url, 2 * POST_MS),
    );
    if (answer.status !== 201) throw refusedPost(kind, answer);
    const { location } = answer.headers;
    if (location !== undefined && URL.canParse(location, url.href)) this.#location = new URL(location, url);
    this.secret = answer.headers['x-roombridge-secret'];
    return answer;
  }

  #http(): { addresses: readonly HostAddress[]; trusting: boolean; headers: Record<string, string> } {
    const { addresses, local, insecure, bearer } = this.#o;
    return {
      addresses,
      trusting: local || insecure,
      headers: {
        'content-type': 'application/sdp',
        ...(bearer !== undefined && { authorization: `Bearer ${bearer}` }),
      },
    };
  }

  #iceConnected(): Promise<void> {
    return new Promise(done => {
      this.#peer.iceConnectionStateChange.subscribe(state => {
        if (state === 'connected' || state === 'completed') done();
      });
    });
  }

  #dtlsConnected(to: string): Promise<void> {
    const connected = new Promise<void>((done, fail) => {
      for (const transport of this.#peer.dtlsTransports)
        transport.onStateChange.subscribe(state => {
          if (state === 'connected') done();
          if (state === 'failed') fail(noDtls(this.#o.kind, to, DTLS_MS));
        });
    });
    connected.catch(() => {}); // it may fail while ICE is still waited for
    return connected;
  }

  #watch(): void {
    const { kind } = this.#o;
    for (const transport of this.#peer.dtlsTransports)
      transport.onStateChange.subscribe(state => {
        if (state === 'closed') this.#lose(endedEarly(kind));
      });
    this.#peer.iceConnectionStateChange.subscribe(state => {
      if (state === 'disconnected' || state === 'failed') this.#lose(pathBroke(kind));
    });
  }

  async #roundTrip(sender: RTCRtpTransceiver['sender']): Promise<Millis | undefined> {
    for (const stat of (await sender.getStats()).values()) {
      const trip = (stat as { roundTripTime?: unknown }).roundTripTime;
      if (stat.type === 'remote-inbound-rtp' && typeof trip === 'number') return Math.max(0, trip * 1000);
    }
    return undefined;
  }
}
