import { Media, MediaRefused } from './media.ts';
import { type Fact, type Member, Signalling } from './signalling.ts';
import { chinese, sentenceOf, words } from './words.ts';

const by = <T extends HTMLElement>(id: string): T => document.getElementById(id) as T;
const room = decodeURIComponent(location.pathname.split('/')[2] ?? '');
const query = new URLSearchParams(location.search);
/** With `?raw=1` the browser leaves the sound as it is: for music and for tests. */
const raw = query.get('raw') === '1';
const token = query.get('token') ?? '';
const RECONNECT_MS = [500, 1000, 2000, 4000, 8000];

/** One stay in the room, from the click on Join to the end. */
class Stay {
  readonly #name: string;
  readonly #microphone: MediaStream;
  readonly #members = new Map<string, Member>();
  #speaking: readonly string[] = [];
  #participant = '';
  #secret = '';
  #muted = false;
  #signalling: Signalling | undefined;
  #media: Media | undefined;
  #attempt = 0;
  #over = false;

  constructor(name: string, microphone: MediaStream) {
    this.#name = name;
    this.#microphone = microphone;
    this.#connect();
  }

  toggleMute(): void {
    this.#setMuted(!this.#muted);
    this.#signalling?.mute(this.#muted);
  }

  end(sentence: string): void {
    if (this.#over) return;
    this.#over = true;
    this.#drop();
    for (const track of this.#microphone.getTracks()) track.stop();
    showNotice(sentence);
  }

  #connect(): void {
    // A token says who one is; without one the resume secret brings back the same member.
    this.#signalling = new Signalling(room, token ? '' : this.#name, token || this.#secret, {
      fact: fact => this.#fact(fact),
      refused: (reason, text) => this.end(sentenceOf(reason, text)),
      lost: () => this.#lost(),
    });
  }

  #drop(): void {
    this.#signalling?.close();
    this.#media?.close();
  }

  #lost(): void {
    if (this.#over) return;
    const waitMs = RECONNECT_MS[this.#attempt++];
    if (waitMs === undefined) return this.end(words.lost);
    this.#drop();
    by('status').textContent = words.reconnecting;
    setTimeout(() => {
      if (!this.#over) this.#connect();
    }, waitMs);
  }

  #fact(fact: Fact): void {
    if (this.#over) return;
    switch (fact.type) {
      case 'joined':
        this.#participant = fact.participant;
        this.#secret = fact.secret;
        return void this.#openMedia();
      case 'roster':
        this.#members.clear();
        for (const m of fact.members) this.#members.set(m.participant, m);
        return this.#draw();
      case 'member':
        this.#members.set(fact.member.participant, fact.member);
        return this.#draw();
      case 'left':
        this.#members.delete(fact.participant);
        return this.#draw();
      case 'speaking':
        this.#speaking = fact.participants;
        return this.#draw();
      case 'muted':
        if (fact.media !== 'audio') return;
        if (fact.on && !this.#muted) by('status').textContent = words.mutedByHost;
        return this.#setMuted(fact.on);
      case 'refused':
        by('status').textContent = sentenceOf(fact.reason, fact.text);
    }
  }

  async #openMedia(): Promise<void> {
    const access = { room, participant: token ? '' : this.#participant, bearer: token || this.#secret };
    this.#media = new Media(by('sound'), () => this.#lost());
    try {
      await Promise.all([
        this.#media.publish(access, this.#microphone.getAudioTracks()[0] as MediaStreamTrack),
        this.#media.play(access),
      ]);
      this.#attempt = 0;
      by('status').textContent = words.connected;
    } catch (error) {
      if (error instanceof MediaRefused) this.end(sentenceOf(error.reason, error.message));
      else this.#lost();
    }
  }

  #setMuted(on: boolean): void {
    this.#muted = on;
    for (const track of this.#microphone.getAudioTracks()) track.enabled = !on;
    const button = by('mute');
    button.setAttribute('aria-pressed', String(on));
    button.textContent = on ? words.unmute : words.mute;
  }

  #draw(): void {
    by('count').textContent = `(${this.#members.size})`;
    by('members').replaceChildren(...[...this.#members.values()].map(m => this.#row(m)));
  }

  #row(m: Member): HTMLElement {
    const row = document.createElement('li');
    const speaks = this.#speaking.includes(m.participant);
    row.className = `${speaks ? 'speaking' : ''} ${m.state === 'away' ? 'away' : ''}`.trim();
    row.dataset.participant = m.participant;
    const dot = document.createElement('span');
    dot.className = 'dot';
    dot.setAttribute('aria-hidden', 'true');
    const who = document.createElement('span');
    who.className = 'who';
    who.textContent = m.participant === this.#participant ? `${m.participant} (${words.you})` : m.participant;
    who.title = m.display;
    const tag = document.createElement('span');
    tag.className = 'tag';
    tag.textContent = [
      m.state === 'away' ? words.away : speaks ? words.speaking : '',
      m.muted.audio ? words.muted : '',
      m.protocols.join(' '),
    ]
      .filter(Boolean)
      .join(' · ');
    row.append(dot, who, tag);
    return row;
  }
}

let stay: Stay | undefined;

function show(which: 'join' | 'room' | 'notice'): void {
  for (const id of ['join', 'room', 'notice'] as const) by(id).hidden = id !== which;
}

function showNotice(sentence: string): void {
  by('status').textContent = '';
  by('notice-text').textContent = sentence;
  show('notice');
  by('again').focus();
}

async function microphone(): Promise<MediaStream> {
  if (navigator.mediaDevices === undefined) throw new Error(words.plainHttp);
  try {
    return await navigator.mediaDevices.getUserMedia({
      audio: { echoCancellation: !raw, noiseSuppression: !raw, autoGainControl: !raw },
    });
  } catch (error) {
    const name = (error as DOMException).name;
    if (name === 'NotFoundError') throw new Error(words.noDevice);
    if (name === 'NotReadableError') throw new Error(words.deviceBusy);
    throw new Error(words.noPermission);
  }
}

async function join(name: string): Promise<void> {
  by<HTMLButtonElement>('join').inert = true;
  by('status').textContent = words.joining;
  try {
    const stream = await microphone();
    localStorage.setItem('roombridge.name', name);
    show('room');
    stay = new Stay(name, stream);
    by('mute').focus();
  } catch (error) {
    showNotice((error as Error).message);
  } finally {
    by<HTMLButtonElement>('join').inert = false;
  }
}

document.documentElement.lang = chinese ? 'zh' : 'en';
document.title = `${words.room} ${room} · Roombridge`;
by('title').textContent = `${words.room} ${room}`;
for (const e of document.querySelectorAll<HTMLElement>('[data-word]'))
  e.textContent = words[e.dataset.word as keyof typeof words];
for (const e of document.querySelectorAll<HTMLElement>('[data-label]'))
  e.setAttribute('aria-label', words[e.dataset.label as keyof typeof words]);
by('mute').textContent = words.mute;
by<HTMLInputElement>('name').value = query.get('name') ?? localStorage.getItem('roombridge.name') ?? '';
by('join').addEventListener('submit', event => {
  event.preventDefault();
  void join(by<HTMLInputElement>('name').value.trim());
});
by('mute').addEventListener('click', () => stay?.toggleMute());
by('leave').addEventListener('click', () => stay?.end(words.left));
by('again').addEventListener('click', () => {
  by('status').textContent = '';
  show('join');
  by('name').focus();
});
addEventListener('pagehide', () => stay?.end(words.left));
