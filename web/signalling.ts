import { Client, type IMessage } from '@stomp/stompjs';
import { Refused } from './refused.ts';

export interface Member {
  readonly participant: string;
  readonly display: string;
  readonly protocols: readonly string[];
  readonly muted: { readonly audio: boolean; readonly video: boolean };
  readonly state: 'here' | 'away';
  readonly tracks: readonly { readonly source: 'mic' | 'camera' | 'screen' | 'prompt' }[];
}

/** Who is in which slot of the WHEP session: participant ids. */
export interface Slots {
  readonly audio: readonly (string | null)[];
  readonly video: readonly (string | null)[];
  readonly content: string | null;
}

/** A network made bad on purpose, for so long. Values are as an admin writes them: `loss: '30%'`. */
export type DrillFact = { type: 'drill'; drill: string } & (
  | { on: true; impairment: Readonly<Record<string, string>>; participant?: string; secondsLeft: number }
  | { on: false }
);

export type Fact =
  | { type: 'joined'; participant: string; secret: string }
  | { type: 'roster'; members: Member[] }
  | { type: 'member'; member: Member }
  | { type: 'left'; participant: string }
  | { type: 'speaking'; participants: string[] }
  | { type: 'muted'; media: 'audio' | 'video'; on: boolean }
  | { type: 'text'; from: string; text: string }
  | ({ type: 'slots' } & Slots)
  /** One of our media sessions, by its address on the server. */
  | { type: 'session-ended' | 'session-moves'; session: string }
  | DrillFact
  | { type: 'refused'; reason: string; text: string };

export type Joined = Extract<Fact, { type: 'joined' }>;

export interface SignallingEvents {
  joined(fact: Joined): void;
  fact(fact: Exclude<Fact, Joined>): void;
  /** The server ended it; nothing follows. */
  ended(why: Refused): void;
  /** The connection broke; ask again. */
  lost(): void;
}

/** Of the system between here and the room: it heals by itself, and who asks again is let in. */
const PASSING = new Set([
  'agent-lost',
  'agents-silent',
  'bus-down',
  'front-lost',
  'link-lost',
  'no-manager',
  'no-responder',
  'no-room-node',
  'room-lost',
  'room-moved',
  'room-unreachable',
  'timeout',
]);
/** A server that does not answer is asked again. */
const CONNECT_MS = 8000;

/** STOMP over WebSocket: who is there, who speaks, mute, texts. */
export class Signalling {
  readonly #client: Client;
  readonly #room: string;

  /** Resolves when one has joined. Rejects with Refused when the server says no. */
  static open(room: string, login: string, passcode: string, on: SignallingEvents): Promise<Signalling> {
    return new Promise((done, fail) => {
      const made: Signalling = new Signalling(room, login, passcode, {
        fact: fact => on.fact(fact),
        joined: fact => {
          on.joined(fact);
          joined = true;
          done(made);
        },
        ended: why => (!joined ? fail(why) : why.final ? on.ended(why) : on.lost()),
        lost: () => (joined ? on.lost() : fail(new Error('the WebSocket closed'))),
      });
      let joined = false;
    });
  }

  private constructor(room: string, login: string, passcode: string, on: SignallingEvents) {
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
      connectionTimeout: CONNECT_MS,
      reconnectDelay: 0,
      onConnect: () =>
        this.#client.subscribe(this.#room, (m: IMessage) => {
          const fact = JSON.parse(m.body) as Fact;
          if (fact.type === 'joined') on.joined(fact);
          else on.fact(fact);
        }),
      onStompError: frame => {
        const reason = frame.headers.message ?? '';
        end(() => on.ended(new Refused(reason, frame.body, !PASSING.has(reason))));
      },
      onWebSocketClose: () => end(() => on.lost()),
    });
    this.#client.activate();
  }

  mute(media: 'audio' | 'video', on: boolean): void {
    this.#send('mute', { media, on });
  }

  /** False: there is no connection now, and it was not sent. */
  text(text: string): boolean {
    return this.#send('text', { text });
  }

  /** Says goodbye; no event follows. */
  close(): void {
    this.#client.onWebSocketClose = () => {};
    void this.#client.deactivate();
  }

  #send(verb: string, body: object): boolean {
    if (!this.#client.connected) return false;
    this.#client.publish({ destination: `${this.#room}/${verb}`, body: JSON.stringify(body) });
    return true;
  }
}
