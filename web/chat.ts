import { textFault } from '../src/kit/text.ts';
import { by, make } from './dom.ts';
import { words } from './words.ts';

const MAX_LINES = 500;

/** What members write to each other. */
export class Chat {
  #send: (text: string) => boolean = () => false;

  constructor() {
    const line = by<HTMLInputElement>('line');
    line.placeholder = words.yourLine;
    line.addEventListener('input', () => line.setCustomValidity(''));
    by('say').addEventListener('submit', event => {
      event.preventDefault();
      const text = line.value.trim();
      if (text === '') return;
      const fault = textFault(text) !== undefined ? words.lineTooLong : this.#send(text) ? '' : words.notSent;
      if (fault === '') line.value = '';
      else {
        line.setCustomValidity(fault);
        line.reportValidity();
      }
    });
  }

  /** An empty page; what is written goes to `send`, which says whether it could: if not, it stays in the line. */
  begin(send: (text: string) => boolean): void {
    this.#send = send;
    by('lines').replaceChildren();
  }

  heard(from: string, text: string, self: boolean): void {
    const lines = by('lines');
    const who = make('b', '', self ? `${from} (${words.you})` : from);
    lines.append(make('li', self ? 'mine' : '', who, ' ', make('span', '', text)));
    while (lines.children.length > MAX_LINES) lines.firstElementChild?.remove();
    lines.scrollTop = lines.scrollHeight;
  }
}
