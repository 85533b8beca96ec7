/** Sound slots of the page: so many members are heard at once, the loudest ones in a larger room. */
const SOUND_SLOTS = 6;

export interface MediaAccess {
  readonly room: string;
  readonly participant: string;
  /** The token, or the resume secret of the participant. */
  readonly bearer: string;
}

/** Thrown when the server refuses a session: its own words. */
export class MediaRefused extends Error {
  readonly reason: string;
  constructor(reason: string, text: string) {
    super(text);
    this.reason = reason;
  }
}

/** One WHIP and one WHEP session. */
export class Media {
  readonly #sessions: { peer: RTCPeerConnection; url: string; bearer: string }[] = [];
  readonly #sound: HTMLElement;
  readonly #lost: () => void;

  /** `sound` receives the audio elements; `lost` is called when a connection breaks. */
  constructor(sound: HTMLElement, lost: () => void) {
    this.#sound = sound;
    this.#lost = lost;
  }

  async publish(access: MediaAccess, microphone: MediaStreamTrack): Promise<void> {
    const peer = this.#peer();
    peer.addTransceiver(microphone, { direction: 'sendonly', streams: [new MediaStream([microphone])] });
    await this.#open(
      peer,
      `/whip/${encodeURIComponent(access.room)}?user=${encodeURIComponent(access.participant)}`,
      access.bearer,
    );
  }

  async play(access: MediaAccess): Promise<void> {
    const peer = this.#peer();
    for (let i = 0; i < SOUND_SLOTS; i++) peer.addTransceiver('audio', { direction: 'recvonly' });
    peer.ontrack = ({ track }) => {
      const element = document.createElement('audio');
      element.autoplay = true;
      element.srcObject = new MediaStream([track]);
      this.#sound.append(element);
      void element.play().catch(() => {}); // the click on Join has allowed it; a refusal leaves silence, no error
    };
    await this.#open(
      peer,
      `/whep/${encodeURIComponent(access.room)}?as=${encodeURIComponent(access.participant)}`,
      access.bearer,
    );
  }

  close(): void {
    for (const { peer, url, bearer } of this.#sessions.splice(0)) {
      peer.onconnectionstatechange = null;
      peer.close();
      if (url)
        void fetch(url, {
          method: 'DELETE',
          headers: { authorization: `Bearer ${bearer}` },
          keepalive: true,
        }).catch(() => {});
    }
    this.#sound.replaceChildren();
  }

  #peer(): RTCPeerConnection {
    const peer = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
    peer.onconnectionstatechange = () => {
      if (peer.connectionState === 'failed') this.#lost();
    };
    return peer;
  }

  async #open(peer: RTCPeerConnection, path: string, bearer: string): Promise<void> {
    const session = { peer, url: '', bearer };
    this.#sessions.push(session);
    await peer.setLocalDescription();
    const response = await fetch(path, {
      method: 'POST',
      headers: { 'content-type': 'application/sdp', authorization: `Bearer ${bearer}` },
      body: peer.localDescription?.sdp ?? '',
    });
    const body = await response.text();
    if (!response.ok) throw refusalOf(response.status, body);
    session.url = response.headers.get('location') ?? '';
    await peer.setRemoteDescription({ type: 'answer', sdp: body });
  }
}

function refusalOf(status: number, body: string): MediaRefused {
  try {
    const problem = JSON.parse(body) as { type?: string; detail?: string; title?: string };
    return new MediaRefused(problem.type?.split(/[:/]/).at(-1) ?? '', problem.detail ?? problem.title ?? '');
  } catch {
    return new MediaRefused(`http-${status}`, '');
  }
}
