import { Client, type IMessage } from '@stomp/stompjs';

export interface Member {
  readonly participant: string;
  readonly display: string;
  readonly protocols: readonly string[];
  readonly muted: { readonly audio: boolean };
  readonly state: 'here' | 'away';
}

export type Fact =
  | { type: 'joined'; participant: string; secret: string }
  | { type: 'roster'; members: Member[] }
  | { type: 'member'; member: Member }
  | { type: 'left'; participant: string }
  | { type: 'speaking'; participants: string[] }
  | { type: 'muted'; media: 'audio' | 'video'; on: boolean }
  | { type: 'text'; from: string; text: string }
  | { type: 'refused'; reason: string; text: string };

export interface SignallingEvents {
  fact(fact: Fact): void;
  /** The server said no, or ended it; nothing follows. */
  refused(reason: string, text: string): void;
  /** The connection broke; ask again. */
  lost(): void;
}

/** STOMP over WebSocket: who is there, who speaks, mute. One connection; whoever holds it decides about another. */
export class Signalling {
  readonly #client: Client;
  readonly #room: string;

  constructor(room: string, login: string, passcode: string, on: SignallingEvents) {
    this.#room = `/room/${encodeURIComponent(room)}`;
    let over = false;
    const end = (tell: () => void): void => {
      if (over) return;
      over = true;
      void this.#client.deactivate();
      tell();
    };
    this.#client = new Client({
      brokerURL: `${location.origin.replace(/^http/, 'ws')}/stomp`,
      connectHeaders: { login, passcode },
      reconnectDelay: 0,
      onConnect: () =>
        this.#client.subscribe(this.#room, (m: IMessage) => on.fact(JSON.parse(m.body) as Fact)),
      onStompError: frame => end(() => on.refused(frame.headers.message ?? '', frame.body)),
      onWebSocketClose: () => end(() => on.lost()),
    });
    this.#client.activate();
  }

  mute(on: boolean): void {
    this.#client.publish({ destination: `${this.#room}/mute`, body: JSON.stringify({ media: 'audio', on }) });
  }

  /** Says goodbye; no event follows. */
  close(): void {
    void this.#client.deactivate();
  }
}
