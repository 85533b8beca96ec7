import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { type Sound, writeWav } from '../wav.ts';
import { launchChromium } from './chromium.ts';

/** Records in a page what it hears; an init script. */
export const RECORDER = fileURLToPath(new URL('./recorder.js', import.meta.url));
/** As in there. */
const RECORD_RATE_HZ = 16_000;

/** Everything all remote tracks brought since a page with the recorder opened. */
export async function recorded(page: Page): Promise<Sound> {
  const base64 = (await page.evaluate('takeRecording()')) as string;
  const bytes = Buffer.from(base64, 'base64');
  const samples = new Float32Array(bytes.length / 2);
  for (let i = 0; i < samples.length; i++) samples[i] = bytes.readInt16LE(i * 2) / 32768;
  return { rateHz: RECORD_RATE_HZ, samples };
}

export interface BrowserOptions {
  readonly dir: string;
  readonly locale?: string;
  readonly viewport?: { readonly width: number; readonly height: number };
}

/** Headless Chromium with a page of ours open: its fake microphone plays a file, what it hears is recorded. */
export class BrowserPeer {
  readonly page: Page;
  readonly #browser: Browser;
  readonly #wav: string;

  private constructor(browser: Browser, page: Page, wav: string) {
    this.#wav = wav;
    this.#browser = browser;
    this.page = page;
  }

  static async start(options: BrowserOptions): Promise<BrowserPeer> {
    mkdirSync(options.dir, { recursive: true });
    const wav = join(options.dir, 'plays.wav');
    writeWav(wav, { rateHz: 48_000, samples: new Float32Array(48_000) });
    const browser = await launchChromium(`--use-file-for-fake-audio-capture=${wav}`);
    const context = await browser.newContext({
      ignoreHTTPSErrors: true,
      permissions: ['microphone'],
      ...(options.locale && { locale: options.locale }),
      ...(options.viewport && { viewport: options.viewport }),
    });
    const page = await context.newPage();
    await page.addInitScript({ path: RECORDER });
    return new BrowserPeer(browser, page, wav);
  }

  /** What its fake microphone hears from the moment it is opened, over and over. To be said before `join`. */
  plays(sound: Sound): void {
    writeWav(this.#wav, sound);
  }

  async open(url: string): Promise<void> {
    await this.page.goto(url, { waitUntil: 'load' });
  }

  /** Clicks Join and waits until the page says that it is in. */
  async join(name: string, timeoutMs = 15_000): Promise<void> {
    await this.page.fill('#name', name);
    await this.page.click('#join button');
    await this.page.getByText(/You are in the room|你已在会议室/).waitFor({ timeout: timeoutMs });
  }

  text(selector: string): Promise<string> {
    return this.page
      .locator(selector)
      .textContent()
      .then(t => t ?? '');
  }

  /** Everything all remote tracks brought since the page opened. */
  heard(): Promise<Sound> {
    return recorded(this.page);
  }

  stop(): Promise<void> {
    return this.#browser.close();
  }
}
