import { type Icon, icon } from './icons.ts';
import { type Word, words } from './words.ts';

export const by = <T extends HTMLElement>(id: string): T => document.getElementById(id) as T;

/** An element with a class and what is in it. Texts are texts: nothing of a stranger becomes markup. */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  className = '',
  ...inside: readonly (Node | string)[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  made.className = className;
  made.append(...inside);
  return made;
}

/** For those who hear the page. */
export const unseen = (text: string): HTMLElement => make('span', 'unseen', text);

/** A picture, with a text for those who hear the page and on hover. */
export function sign(name: Icon, text: string, className = ''): HTMLElement {
  const made = make('span', `sign ${className}`.trim(), icon(name), unseen(text));
  made.title = text;
  return made;
}

/** Icon and label of a button; `key` is its shortcut. */
export function dress(button: HTMLElement, name: Icon, label: string, key?: string): void {
  button.replaceChildren(icon(name), make('span', 'label', label));
  button.title = key === undefined ? label : `${label} (${key})`;
}

/** Puts the words and icons the document asks for into it. */
export function fillWords(): void {
  const word = (e: HTMLElement, from: 'word' | 'label'): string => words[e.dataset[from] as Word];
  for (const e of document.querySelectorAll<HTMLElement>('[data-word]')) e.textContent = word(e, 'word');
  for (const e of document.querySelectorAll<HTMLElement>('[data-label]')) {
    e.setAttribute('aria-label', word(e, 'label'));
  }
  for (const e of document.querySelectorAll<HTMLElement>('[data-icon]'))
    e.replaceChildren(icon(e.dataset.icon as Icon));
}
