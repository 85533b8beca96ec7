import { Capture } from './capture.ts';
import { DevicePicker } from './device-picker.ts';
import { by, fillWords } from './dom.ts';
import { room } from './place.ts';
import { PreJoin, type Wish } from './prejoin.ts';
import { RoomView, show, showNotice } from './room-view.ts';
import { Stay } from './stay.ts';
import { Toolbar } from './toolbar.ts';
import { Wake } from './wake.ts';
import { chinese, words } from './words.ts';

const capture = new Capture();
const wake = new Wake();
let stay: Stay | undefined;
let wish: Wish = { name: '', muted: false };

document.documentElement.lang = chinese ? 'zh' : 'en';
document.title = `${words.room} ${room} · Roombridge`;
by('title').textContent = `${words.room} ${room}`;
fillWords();

const view = new RoomView(new Toolbar(() => stay));
const speaker = (id: string): void => stay?.speaker(id);
const preJoin = new PreJoin(capture, begin, speaker);
new DevicePicker(by('setup-devices'), capture, speaker);

function begin(asked: Wish, pin = ''): void {
  wish = asked;
  preJoin.hide();
  show('room');
  wake.hold(true);
  view.status(words.joining);
  stay = new Stay({ ...wish, pin, capture, view, ended: (reason, sentence) => ended(reason, sentence, pin) });
  by('mute').focus();
}

function ended(reason: string, sentence: string, pin: string): void {
  stay = undefined;
  wake.hold(false);
  const asksPin = reason === 'wrong-pin';
  if (!asksPin) capture.closeAll(); // with the PIN one joins as one was about to
  showNotice(asksPin && pin !== '' ? words.pinWrong : sentence, asksPin);
}

function before(): void {
  by('status').textContent = '';
  show('before');
  preJoin.show();
}

by('ask-pin').addEventListener('submit', event => {
  event.preventDefault();
  const input = by<HTMLInputElement>('pin');
  begin(wish, input.value.trim());
  input.value = '';
});
by('again').addEventListener('click', before);
addEventListener('pagehide', () => stay?.leave());
before();
