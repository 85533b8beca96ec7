import { type Line, prefer } from './publisher.ts';
import { exchange, type MediaAccess, openPeer, type Session, watchGoodbye } from './session.ts';

/** What one WHEP session has lines for; members come and go in them without another word of SDP. */
export const SLOTS = { audio: 6, video: 9 } as const;

/** What one hears and sees. */
export class Player {
  readonly #peer: RTCPeerConnection;
  readonly #pictures: readonly MediaStream[];
  readonly #sound: HTMLElement;
  readonly #elements: HTMLAudioElement[] = [];
  readonly #line: Line;
  #session: Session | undefined;

  /** `sound` receives the audio elements. Rejects with Refused, or when the server cannot be reached. */
  static async open(access: MediaAccess, sound: HTMLElement, speaker: string, line: Line): Promise<Player> {
    const made = new Player(sound, line);
    const { room, participant, bearer } = access;
    const path = `/whep/${encodeURIComponent(room)}?as=${encodeURIComponent(participant)}`;
    try {
      made.speaker(speaker);
      made.#session = await exchange(made.#peer, path, bearer, () => line.lost());
      watchGoodbye(made.#peer, () => line.lost());
      return made;
    } catch (error) {
      made.close();
      throw error;
    }
  }

  private constructor(sound: HTMLElement, line: Line) {
    this.#sound = sound;
    this.#line = line;
    this.#peer = openPeer(line.lost, line.waver);
    const able = RTCRtpReceiver.getCapabilities('video');
    const stream = (kind: 'audio' | 'video'): MediaStream => {
      const transceiver = this.#peer.addTransceiver(kind, { direction: 'recvonly' });
      if (kind === 'video') prefer(transceiver, able);
      return new MediaStream([transceiver.receiver.track]);
    };
    for (let i = 0; i < SLOTS.audio; i++) this.#elements.push(playing(stream('audio')));
    this.#sound.append(...this.#elements);
    this.#pictures = Array.from({ length: SLOTS.video + 1 }, () => stream('video'));
  }

  /** Of a camera slot. */
  picture(slot: number): MediaStream | undefined {
    return this.#pictures[slot];
  }

  get content(): MediaStream | undefined {
    return this.#pictures[SLOTS.video];
  }

  /** Plays on this device; empty: the system's choice. */
  speaker(id: string): void {
    for (const e of this.#elements) if (id !== '' && 'setSinkId' in e) void e.setSinkId(id).catch(() => {}); // unplugged
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

  /** Ids of the receiving tracks in the order of the slots: sound, pictures, content last. */
  get tracks(): readonly string[] {
    return this.#peer.getTransceivers().map(t => t.receiver.track.id);
  }

  close(): void {
    if (this.#session === undefined) this.#peer.close();
    else this.#session.end();
    for (const e of this.#elements) e.remove();
  }
}

function playing(stream: MediaStream): HTMLAudioElement {
  const element = document.createElement('audio');
  element.autoplay = true;
  element.srcObject = stream;
  void element.play().catch(() => {}); // the click on Join has allowed it; a refusal leaves silence, no error
  return element;
}
