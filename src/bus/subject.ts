/** `text` as one word of a subject: letters, digits, `-` and `_` stay, all else becomes `%XX` of its UTF-8. */
export function subjectWord(text: string): string {
  if (text === '') return '%';
  return Buffer.from(text, 'utf8')
    .toString('latin1')
    .replace(/[^A-Za-z0-9_-]/g, c => `%${c.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`);
}

const LONGEST = 512;
const WORD = /^[^\s.*>]+$/;

/** Throws a RangeError: subjects are written by us, so a bad one is a bug. */
export function checkSubject(subject: string): void {
  if (subject.length > LONGEST || !subject.split('.').every(w => WORD.test(w)))
    throw new RangeError(`'${subject.slice(0, 80)}' is not a bus subject: words joined by dots`);
}

/** As `checkSubject`, with `*` and a final `>` allowed. */
export function checkPattern(pattern: string): void {
  const words = pattern.split('.');
  const fine = words.every((w, i) => w === '*' || (w === '>' && i === words.length - 1) || WORD.test(w));
  if (pattern.length > LONGEST || !fine)
    throw new RangeError(`'${pattern.slice(0, 80)}' is not a bus pattern: words, *, and > at the end`);
}

/** Binds a pattern once. */
export function matcher(pattern: string): (subject: string) => boolean {
  if (!/[*>]/.test(pattern)) return subject => subject === pattern;
  const words = pattern.split('.');
  const open = words.at(-1) === '>';
  return subject => {
    const given = subject.split('.');
    if (open ? given.length < words.length : given.length !== words.length) return false;
    return words.every((w, i) => w === '*' || w === '>' || w === given[i]);
  };
}
