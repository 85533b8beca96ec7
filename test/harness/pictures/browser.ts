import type { Browser, Page } from 'playwright-core';
import { type PatternSeen, readPattern, rgbOf } from '../../../codecs/video/pattern-read.ts';
import { RECORDER, recorded } from '../peers/browser.ts';
import { launchChromium } from '../peers/chromium.ts';
import type { Sound } from '../wav.ts';

const LOOK = { width: 320, height: 240 };

export interface BrowserOptions {
  /** Of its fake camera: Y4M. */
  readonly camera: string;
  /** Of its fake microphone: WAV. */
  readonly microphone: string;
  /** Keeps what it hears. */
  readonly records?: true;
}

/** The room page in Chromium with a camera and a microphone of ours; its tiles are read as pixels. */
export class RoomPage {
  readonly page: Page;
  readonly #browser: Browser;

  private constructor(browser: Browser, page: Page) {
    this.#browser = browser;
    this.page = page;
  }

  /** In the room as `name`, muted. */
  static async join(url: string, name: string, o: BrowserOptions): Promise<RoomPage> {
    const browser = await launchChromium(
      `--use-file-for-fake-video-capture=${o.camera}`,
      `--use-file-for-fake-audio-capture=${o.microphone}`,
    );
    const context = await browser.newContext({
      permissions: ['microphone', 'camera'],
      locale: 'en-GB',
      viewport: { width: 1000, height: 700 },
    });
    const page = await context.newPage();
    if (o.records) await page.addInitScript({ path: RECORDER });
    await page.goto(url, { waitUntil: 'load' });
    await page.fill('#name', name);
    await page.click('#join button');
    await page.getByText('You are in the room.').waitFor();
    const made = new RoomPage(browser, page);
    await made.speak(false);
    return made;
  }

  async speak(on: boolean): Promise<void> {
    await this.page.click(`#mute[aria-pressed="${on}"]`);
  }

  /** What the tile of `name` shows now. */
  async sees(name: string): Promise<{ seen: PatternSeen | undefined; size: string } | undefined> {
    const { width, height } = LOOK;
    const got = (await this.page.evaluate(
      `(${PIXELS})(${JSON.stringify(`[data-tile="${name}"] video`)}, ${width}, ${height})`,
    )) as { size: string; pixels: string } | null;
    if (got === null) return undefined;
    return { size: got.size, seen: readPattern(rgbOf(width, height, Buffer.from(got.pixels, 'base64'), 4)) };
  }

  /** Everything since it joined, where it records. */
  heard(): Promise<Sound> {
    return recorded(this.page);
  }

  /** When the page showed that `name` speaks, ms of the wall clock. */
  async speaks(name: string): Promise<number> {
    await this.page.waitForSelector(`[data-tile="${name}"].speaking`);
    return Date.now();
  }

  stop(): Promise<void> {
    return this.#browser.close();
  }
}

/** In the page: a video as it is now, its size and its pixels, RGBA in base64. */
const PIXELS = `(selector, width, height) => {
  const video = document.querySelector(selector);
  if (!video || video.hidden || video.videoWidth === 0) return null;
  const c = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
  c.drawImage(video, 0, 0, width, height);
  const bytes = c.getImageData(0, 0, width, height).data;
  let text = '';
  for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
  return { size: video.videoWidth + 'x' + video.videoHeight, pixels: btoa(text) };
}`;
