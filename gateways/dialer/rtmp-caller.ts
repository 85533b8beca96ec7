import type { Clock, Format } from '../../src/contract.ts';
import { Refusal } from '../../src/kit/refusal.ts';
import type { Ask } from './ask.ts';
import { Eye } from './eye.ts';
import { OwnPicture } from './own-picture.ts';
import { reach, resolve } from './reach.ts';
import { publish } from './rtmp-publish.ts';
import { openRtmpStream, type RtmpStream, type RtmpStreamOptions } from './rtmp-stream.ts';
import { RtmpView } from './rtmp-view.ts';
import { talk } from './talk.ts';
import type { RtmpTarget } from './target.ts';
import { openTone } from './tone.ts';
import type { Trip } from './trip.ts';
import { failed } from './verdict.ts';

const AAC: Format = { codec: 'AAC', clockRate: 48_000, channels: 1 };
/** Our own tone, played back, is heard from here on. */
const HEARD_DB = -40;
const LOOK_MS = 100;
/** The server shows a member to others with its first media: it is not there to be played before. */
const OWN_TRIES = 20;
const OWN_AGAIN_MS = 250;

/**
 * Publishes, plays the room as the same member, and plays its own stream, which proves that the server has it; or
 * only plays. Rejects with the hop that failed.
 */
export async function callRtmp(target: RtmpTarget, ask: Ask, trip: Trip): Promise<void> {
  const { clock } = trip;
  const tone = target.publish === undefined ? undefined : await openTone(AAC, ask.toneHz);
  const closers: (() => unknown)[] = [];
  try {
    trip.proof = target.publish === undefined ? 'none' : 'playback';
    const room = viewOf(trip, ask.expectHz);
    closers.push(() => room.view.close());
    trip.ear = room.view;
    trip.eye = room.eye;
    const own = tone && trip.studio && new OwnPicture(trip.studio, target.user, text => trip.note(text));
    if (own) closers.push(() => own.camera.close());
    trip.own = own;
    trip.begin();
    const [{ address }] = await resolve(target.host, trip);
    const path = await reach('tcp', address, target.port, trip);
    closers.push(() => path.close());
    trip.mediaTo = `${address}:${target.port}`;
    const open = async (
      what: string,
      o: Pick<RtmpStreamOptions, 'mode' | 'name' | 'media'>,
    ): Promise<Open> => {
      trip.say(`${what}: RTMP with ${address}`);
      const stream = await opened(what, { ...o, host: address, port: target.port, clock, token: ask.token });
      closers.push(() => stream.close());
      trip.step(what, o.mode === 'publish' ? 'NetStream.Publish.Start' : 'NetStream.Play.Start');
      const gone = stream.gone.then(why => Promise.reject(endedEarly(what, why)));
      gone.catch(() => {}); // it may come when nobody waits
      return { stream, gone };
    };
    const pushed =
      target.publish === undefined
        ? undefined
        : await open('publish', { mode: 'publish', name: target.publish });
    const played = await open('play', {
      mode: 'play',
      name: target.play,
      media: (m, now) => room.view.media(m, now),
    });
    const gone = Promise.race([played.gone, ...(pushed ? [pushed.gone] : [])]);
    const back = viewOf(trip, ask.toneHz);
    closers.push(() => back.view.close());
    const speak = (c: Clock): (() => void) => {
      if (tone === undefined || pushed === undefined) return () => {};
      const picture = own && { camera: own.camera, ...own.options };
      const silence = publish(pushed.stream, tone, c, picture, media => {
        if (media === 'audio') trip.out.packets++;
        else if (own !== undefined) {
          own.packets++;
          own.pictures++;
        }
      });
      const forget = watchOwn(back, trip, () =>
        open('play own', { mode: 'play', name: target.own, media: (m, now) => back.view.media(m, now) }),
      );
      return () => {
        silence();
        forget();
      };
    };
    await talk(trip, ask, AAC.codec, speak, gone);
  } finally {
    for (const close of closers.reverse()) await close();
  }
}

interface Open {
  readonly stream: RtmpStream;
  readonly gone: Promise<never>;
}

interface View {
  readonly view: RtmpView;
  readonly eye: Eye | undefined;
}

function viewOf(trip: Trip, expectHz: number | undefined): View {
  const { studio, clock } = trip;
  const note = (text: string): void => trip.note(text);
  const eye = studio && new Eye({ studio, clock, note, needKey() {} }); // RTMP has no word for it
  return { view: new RtmpView({ expectHz, eye, note }), eye };
}

/** Plays our own stream as soon as the server has it, and sees whether our tone and picture are in it. */
function watchOwn({ view, eye }: View, trip: Trip, play: () => Promise<Open>): () => void {
  const { clock } = trip;
  let disarm = (): void => {};
  let over = false;
  const attempt = (left: number): void => {
    play().then(
      ({ gone }) => {
        gone.catch(() => {}); // the verdict is what came until then
        look();
      },
      (e: unknown) => {
        if (over) return;
        if (left > 0) disarm = clock.at(clock.now() + OWN_AGAIN_MS, () => attempt(left - 1));
        else trip.note(`our own stream cannot be played: ${e instanceof Error ? e.message : String(e)}`);
      },
    );
  };
  const look = (): void => {
    if (over) return;
    if (view.expectedDb >= HEARD_DB) trip.out.reported = true;
    const pattern = eye?.sight.pattern;
    if (trip.own !== undefined && pattern?.colour === trip.own.options.colour) {
      trip.own.reported = true;
      trip.own.backMs = pattern.delayMs;
    }
    disarm = clock.at(clock.now() + LOOK_MS, look);
  };
  attempt(OWN_TRIES);
  return () => {
    over = true;
    disarm();
  };
}

async function opened(
  what: string,
  o: RtmpStreamOptions & { readonly token: string | undefined },
): Promise<RtmpStream> {
  const { token, name } = o;
  const withToken =
    token === undefined ? name : `${name}${name.includes('?') ? '&' : '?'}token=${encodeURIComponent(token)}`;
  try {
    return await openRtmpStream({ ...o, name: withToken });
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    const { reason, text } = error.why;
    if (reason === 'connection-lost' || reason === 'connect-failed' || reason === 'rtmp-timeout')
      throw failed(
        'transport',
        `Transport: the server did not start the stream (${what}): ${text ?? reason}`,
      );
    throw failed('signalling', `Signalling: the server refused to ${what} with ${reason}: ${said(text)}`);
  }
}

const said = (text: string | undefined): string =>
  text === undefined || text === '' ? 'it does not say why; is it a Roombridge?' : text;

const endedEarly = (what: string, why: string): Refusal =>
  failed('signalling', `Signalling: the server ended the stream (${what}) before its time: ${said(why)}`);
