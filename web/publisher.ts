import { exchange, type MediaAccess, openPeer, type Session, watchGoodbye } from './session.ts';

/** H.264 first: phones and mini-programs take it as it is. */
const CODECS = ['video/H264', 'video/VP8', 'video/rtx'];
/** Of a camera a small copy goes along, for members whose line is narrow. */
const ENCODINGS: Readonly<Record<'camera' | 'screen', RTCRtpEncodingParameters[]>> = {
  camera: [
    { rid: 'h', scaleResolutionDownBy: 2, maxBitrate: 350_000 },
    { rid: 'f', maxBitrate: 1_500_000 },
  ],
  screen: [{ maxBitrate: 2_500_000 }],
};

export interface Line {
  lost(): void;
  waver(on: boolean): void;
}

/** What one sends, one WHIP session: a sound and a picture, either of which may be missing and come later. */
export class Publisher {
  readonly #peer: RTCPeerConnection;
  readonly #sound: RTCRtpTransceiver;
  readonly #picture: RTCRtpTransceiver;
  readonly #line: Line;
  #session: Session | undefined;

  /** Rejects with Refused, or when the server cannot be reached. */
  static async open(
    kind: 'camera' | 'screen',
    access: MediaAccess,
    tracks: { sound: MediaStreamTrack | undefined; picture: MediaStreamTrack | undefined },
    line: Line,
  ): Promise<Publisher> {
    const made = new Publisher(kind, tracks, line);
    const { room, participant, bearer } = access;
    const path = `/whip/${encodeURIComponent(room)}?user=${encodeURIComponent(participant)}`;
    try {
      const at = kind === 'screen' ? `${path}&track=screen` : path;
      made.#session = await exchange(made.#peer, at, bearer, () => line.lost());
      watchGoodbye(made.#peer, () => line.lost());
      return made;
    } catch (error) {
      made.close();
      throw error;
    }
  }

  private constructor(
    kind: 'camera' | 'screen',
    { sound, picture }: { sound: MediaStreamTrack | undefined; picture: MediaStreamTrack | undefined },
    line: Line,
  ) {
    this.#line = line;
    this.#peer = openPeer(line.lost, line.waver);
    const stream = new MediaStream();
    for (const track of [sound, picture]) if (track) stream.addTrack(track);
    const how = { direction: 'sendonly' as const, streams: [stream] };
    this.#sound = this.#peer.addTransceiver(sound ?? 'audio', how);
    this.#picture = this.#peer.addTransceiver(picture ?? 'video', {
      ...how,
      sendEncodings: ENCODINGS[kind],
    });
    prefer(this.#picture, RTCRtpSender.getCapabilities('video'));
  }

  /** False: the server takes no pictures. */
  get takesPicture(): boolean {
    return this.#picture.currentDirection === 'sendonly';
  }

  replace(what: 'sound' | 'picture', track: MediaStreamTrack | undefined): void {
    const { sender } = what === 'sound' ? this.#sound : this.#picture;
    if (sender.track !== (track ?? null)) void sender.replaceTrack(track ?? null).catch(() => {}); // a line refused
  }

  /** The server says that its session at `url` has ended. */
  ended(url: string): void {
    if (this.#session?.url === url) this.#line.lost();
  }
  isAt(url: string): boolean {
    return this.#session?.url === url;
  }

  stats(): Promise<RTCStatsReport> {
    return this.#peer.getStats();
  }

  close(): void {
    if (this.#session === undefined) this.#peer.close();
    else this.#session.end();
  }
}

/** Only what the server knows, the best liked first; offers stay small. */
export function prefer(line: RTCRtpTransceiver, able: RTCRtpCapabilities | null): void {
  const rank = (c: RTCRtpCodec): number => CODECS.indexOf(c.mimeType);
  const codecs = (able?.codecs ?? []).filter(
    c => rank(c) >= 0 && !/packetization-mode=0/.test(c.sdpFmtpLine ?? ''),
  );
  if (codecs.length > 0) line.setCodecPreferences(codecs.sort((a, b) => rank(a) - rank(b)));
}
