/** One room with a member of every kind, each with a colour of its own and a voice that can be turned on and off. */
import { join } from 'node:path';
import type { PatternColour } from '../../../codecs/video/pattern-code.ts';
import { toneOf } from '../heard.ts';
import { Baresip } from '../peers/baresip.ts';
import { Linphone } from '../peers/linphone.ts';
import type { Server } from '../server.ts';
import { writeWav } from '../wav.ts';
import { RoomPage } from './browser.ts';
import { cameraFile, clip, FPS, stills } from './clips.ts';
import { Publisher } from './publisher.ts';
import { RoomPlayer } from './room-player.ts';

export interface Member {
  readonly name: string;
  readonly colour: PatternColour;
  /** Of its picture, as others see it. */
  readonly width: number;
  readonly height: number;
  speak(on: boolean): unknown;
}

export interface Cast {
  readonly members: readonly Member[];
  /** H.264 only, of both modes. */
  readonly phone: Baresip;
  /** VP8 only. */
  readonly linphone: Linphone;
  readonly page: RoomPage;
  /** Has neither camera nor microphone. */
  readonly player: RoomPlayer;
  stop(): Promise<void>;
}

const LOOKS = {
  phone: { colour: 'orange', width: 640, height: 480 },
  wx: { colour: 'green', width: 360, height: 640 },
  browser: { colour: 'blue', width: 640, height: 360 },
  lin: { colour: 'magenta', width: 352, height: 288 },
} as const;
const SECONDS = 12;
/** Of the browser: Chromium's files are not compressed. */
const CAMERA_SECONDS = 5;
/** Pictures until the shortest of the clips begins again. */
export const SHORTEST_CLIP = CAMERA_SECONDS * FPS;
/** For everybody else to follow, and for the room to hear that it is silent. */
const SETTLE_MS = 1000;
/** Linphone's camera shows a still picture: it moves when it is given another one. */
const TURN_MS = 500;

/** Everybody in `room`, silent; `wx` is seen. */
export async function gather(dir: string, server: Server, room: string): Promise<Cast> {
  const ends: (() => unknown)[] = [];
  const stop = async (): Promise<void> => {
    for (const end of ends.splice(0).reverse()) await end();
  };
  try {
    const clips = { dir, seconds: SECONDS };
    // baresip does not begin its clip again, ffmpeg and Chromium do.
    const orange = await clip({ ...clips, ...LOOKS.phone, times: 15 });
    const green = await clip({ ...clips, ...LOOKS.wx });
    const blue = await cameraFile({ ...clips, ...LOOKS.browser, seconds: CAMERA_SECONDS });
    const magenta = await stills({ ...clips, ...LOOKS.lin, seconds: 2 }, 20);
    const microphone = join(dir, 'microphone.wav');
    writeWav(microphone, toneOf(2, 10));
    const sip = `sip:${room}@${server.sip}`;

    const page = await RoomPage.join(`${server.web}/r/${room}?raw=1&camera=1`, 'browser', {
      camera: blue,
      microphone,
    });
    ends.push(() => page.stop());
    const publisher = await Publisher.start(green, `${server.rtmp}/room/${room}/wx`, 1);
    ends.push(() => publisher.stop());
    const phone = await Baresip.start({
      dir: join(dir, 'baresip'),
      user: 'phone',
      codecs: 'opus/48000/2',
      plays: toneOf(0, 120),
      video: { clip: orange, noVp8: true },
    });
    ends.push(() => phone.stop());
    await phone.dial(sip);
    await phone.established();
    await phone.command('mute');
    const linphone = await Linphone.start({
      dir: join(dir, 'linphone'),
      user: 'lin',
      plays: toneOf(3, 120),
      video: magenta[0] as string,
    });
    ends.push(() => linphone.stop());
    linphone.dial(sip);
    await linphone.established();
    linphone.say('mute');
    linphone.say('staticpic fps 10');
    let turned = 0;
    const turn = (): void => linphone.shows(magenta[++turned % magenta.length] as string);
    const turning = setInterval(turn, TURN_MS);
    ends.push(() => clearInterval(turning));
    const player = new RoomPlayer(join(dir, 'player'), `${server.rtmp}/room/${room}?as=viewer`);
    ends.push(() => player.stop());

    // Whoever made a sound while joining is still shown: from now on it is this one.
    publisher.speak(true);
    await player.shows('green');
    await new Promise(resolve => setTimeout(resolve, SETTLE_MS));
    publisher.speak(false);
    await new Promise(resolve => setTimeout(resolve, SETTLE_MS));
    const members: Member[] = [
      { name: 'phone', ...LOOKS.phone, speak: () => phone.command('mute') },
      { name: 'wx', ...LOOKS.wx, speak: on => publisher.speak(on) },
      { name: 'browser', ...LOOKS.browser, speak: on => page.speak(on) },
      { name: 'lin', ...LOOKS.lin, speak: on => linphone.say(on ? 'unmute' : 'mute') },
    ];
    return { members, phone, linphone, page, player, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
