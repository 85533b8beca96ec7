import { formatDuration, parseDuration } from './duration.ts';
import type { Impairment } from './impairment.ts';
import { nearest } from './nearest.ts';
import { type Refusal, refuse } from './refusal.ts';

/** An impairment as a person writes it: `{ "loss": "20%", "burst": "80ms", "rate": "200kbit" }`. */
export type ImpairmentWords = Readonly<Record<string, string>>;

/** What there is, how it is written, and what it does: for helps, API descriptions and refusals. */
export const IMPAIRMENT_WORDS: Readonly<Record<string, { readonly value: string; readonly does: string }>> = {
  loss: { value: '30%', does: 'Share of the packets that is lost.' },
  burst: {
    value: '80ms',
    does: 'Mean length of a burst of losses, as 80ms or 4packets. Default: none, every packet has its own luck.',
  },
  delay: { value: '100ms', does: 'Every packet is late by this much.' },
  jitter: { value: '20ms', does: 'The delay differs by up to this much either way.' },
  order: { value: 'free', does: 'free: jitter lets packets overtake each other. Default: kept.' },
  reorder: { value: '2%', does: 'Share of the packets that is held back, so that later ones overtake it.' },
  duplicate: { value: '1%', does: 'Share of the packets that arrives twice.' },
  rate: { value: '200kbit', does: 'Rate of the link, in bit a second.' },
  queue: {
    value: '200ms',
    does: 'How long packets may wait for a link with a rate; the rest is dropped. Default: 200ms.',
  },
  outage: {
    value: '5s-8s',
    does: 'Nothing passes from then to then after the start; several as 5s-8s+20s-21s.',
  },
};

const LEAST_RATE_BPS = 1000;
const MOST_RATE_BPS = 1_000_000_000;
const MOST_DELAY_MS = 10_000;
const MOST_OUTAGES = 20;

/** Throws a Refusal that names the word, what is wrong with its value and how it is written. */
export function readImpairment(words: ImpairmentWords): Impairment {
  const out: { -readonly [K in keyof Impairment]: Impairment[K] } = {};
  for (const [word, value] of Object.entries(words)) {
    const text = value.trim();
    switch (word) {
      case 'loss':
      case 'reorder':
      case 'duplicate':
        out[word] = share(word, text);
        break;
      case 'burst':
        out.burst = burst(text);
        break;
      case 'delay':
        out.delayMs = time(word, text);
        break;
      case 'jitter':
        out.jitterMs = time(word, text);
        break;
      case 'queue':
        out.queueMs = time(word, text);
        break;
      case 'order':
        if (text !== 'kept' && text !== 'free') throw wrong(word, text, 'write kept or free');
        out.order = text;
        break;
      case 'rate':
        out.rateBps = rate(text);
        break;
      case 'outage':
        out.outages = outages(text);
        break;
      default:
        throw unknownWord(word);
    }
  }
  if (out.burst !== undefined && out.loss === undefined)
    throw refuse(
      'client',
      'bad-impairment',
      'burst says how losses come together, so it needs loss: loss 30%.',
    );
  return out;
}

/** Reads `loss 20%, delay 100ms, outage 5s-8s`: a comma between two, or only a space. */
export function impairmentOf(text: string): Impairment {
  const parts = text.split(/[\s,]+/).filter(Boolean);
  const words: Record<string, string> = {};
  for (let i = 0; i < parts.length; i += 2) {
    const [word, value] = [parts[i]!, parts[i + 1]];
    if (value === undefined) throw unknownOrEmpty(word);
    words[word] = value;
  }
  return readImpairment(words);
}

/** The way back: every setting as its word. */
export function wordsOf(i: Impairment): ImpairmentWords {
  const words: Record<string, string> = {};
  if (i.loss !== undefined) words['loss'] = percent(i.loss);
  if (i.burst !== undefined)
    words['burst'] = 'ms' in i.burst ? formatDuration(i.burst.ms) : `${i.burst.packets}packets`;
  if (i.delayMs !== undefined) words['delay'] = formatDuration(i.delayMs);
  if (i.jitterMs !== undefined) words['jitter'] = formatDuration(i.jitterMs);
  if (i.order !== undefined) words['order'] = i.order;
  if (i.reorder !== undefined) words['reorder'] = percent(i.reorder);
  if (i.duplicate !== undefined) words['duplicate'] = percent(i.duplicate);
  if (i.rateBps !== undefined) words['rate'] = formatRate(i.rateBps);
  if (i.queueMs !== undefined) words['queue'] = formatDuration(i.queueMs);
  if (i.outages !== undefined)
    words['outage'] = i.outages.map(o => `${formatDuration(o.fromMs)}-${formatDuration(o.toMs)}`).join('+');
  return words;
}

/** In one line: `loss 20%, delay 100ms`; `nothing` of an empty one. */
export const describeImpairment = (i: Impairment): string =>
  Object.entries(wordsOf(i))
    .map(([word, value]) => `${word} ${value}`)
    .join(', ') || 'nothing';

const wrong = (word: string, text: string, how: string): Refusal =>
  refuse('client', 'bad-impairment', `${word} ${text} cannot be read: ${how}.`);

function unknownWord(word: string): Refusal {
  const known = Object.keys(IMPAIRMENT_WORDS);
  const meant = nearest(word, known);
  return refuse(
    'client',
    'bad-impairment',
    `A link has no ${word}${meant ? `: did you mean ${meant}?` : `; it has ${known.join(', ')}.`}`,
  );
}

function unknownOrEmpty(word: string): Refusal {
  const known = Object.hasOwn(IMPAIRMENT_WORDS, word) ? IMPAIRMENT_WORDS[word] : undefined;
  return known ? wrong(word, '(nothing)', `write ${word} ${known.value}`) : unknownWord(word);
}

function share(word: string, text: string): number {
  const m = /^(\d{1,3}(?:\.\d{1,4})?)\s*%$/.exec(text);
  const value = m ? Number(m[1]) / 100 : Number.NaN;
  if (!(value >= 0 && value <= 1)) throw wrong(word, text, 'write a share from 0% to 100%');
  return value;
}

function time(word: string, text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined || ms > MOST_DELAY_MS)
    throw wrong(word, text, `write a time of ${formatDuration(MOST_DELAY_MS)} or less, such as 100ms`);
  return ms;
}

function burst(text: string): NonNullable<Impairment['burst']> {
  const m = /^(\d{1,4}(?:\.\d{1,2})?)\s*packets?$/.exec(text);
  if (m !== null && Number(m[1]) >= 1) return { packets: Number(m[1]) };
  const ms = parseDuration(text);
  if (ms === undefined || ms === 0 || ms > MOST_DELAY_MS)
    throw wrong('burst', text, 'write its mean length as 80ms or 4packets');
  return { ms };
}

const RATE_UNITS: Readonly<Record<string, number>> = { '': 1, k: 1000, m: 1_000_000, g: 1_000_000_000 };

function rate(text: string): number {
  const m = /^(\d{1,12}(?:\.\d{1,3})?)\s*([kmg]?)(?:bit|bps)?(?:\/s)?$/i.exec(text);
  const bps = m ? Number(m[1]) * RATE_UNITS[m[2]!.toLowerCase()]! : 0;
  if (bps < LEAST_RATE_BPS || bps > MOST_RATE_BPS)
    throw wrong('rate', text, 'write 1kbit to 1Gbit, such as 200kbit');
  return bps;
}

function formatRate(bps: number): string {
  if (bps % 1_000_000 === 0) return `${bps / 1_000_000}Mbit`;
  return bps % 1000 === 0 ? `${bps / 1000}kbit` : `${bps}bit`;
}

function outages(text: string): NonNullable<Impairment['outages']> {
  const spans = text.split('+').map(span => {
    const [fromMs, toMs] = span.trim().split('-').map(parseDuration);
    if (fromMs === undefined || toMs === undefined || toMs <= fromMs)
      throw wrong('outage', span.trim(), 'write from when to when, such as 5s-8s');
    return { fromMs, toMs };
  });
  if (spans.length > MOST_OUTAGES) throw wrong('outage', text, `there may be ${MOST_OUTAGES}`);
  return spans;
}

/** 0.3 → `30%`, without the noise of binary fractions. */
const percent = (value: number): string => `${Number((value * 100).toFixed(4))}%`;
