import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import type { Browser, Page } from 'playwright-core';
import { launchChromium } from '../peers/chromium.ts';

/** One picture as it was shown. */
export interface Shown {
  /** Unix ms. */
  readonly at: number;
  /** Since its time was burned in. */
  readonly delayMs: number;
  readonly number: number;
  readonly width: number;
}

/** What one player in the page has seen. */
export interface SeenClock {
  /** Unix ms of the call of `play`. */
  readonly began: number;
  /** From there until DTLS was done; until the first picture was shown. */
  readonly connectedMs: number;
  readonly firstMs?: number;
  /** Pictures shown whose blocks could not be read. */
  readonly unread: number;
  readonly shown: readonly Shown[];
  readonly freezes: number;
  readonly frozenMs: number;
  readonly bytes: number;
  readonly decoded: number;
  readonly lost: number;
  /** Of all pictures together, and how many. */
  readonly bufferMs: number;
  readonly buffered: number;
  readonly codec?: string;
  readonly now: number;
}

export interface Published {
  readonly rid?: string;
  readonly bytes: number;
  readonly width?: number;
  readonly frames: number;
  readonly target?: number;
  readonly timestamp: number;
}

export interface ClockPublisher {
  readonly width?: number;
  readonly height?: number;
  readonly fps?: number;
  readonly maxBitrate?: number;
  /** Noise for the encoder to spend its bits on. */
  readonly noise?: boolean;
  readonly codec?: 'H264' | 'VP8';
  readonly layers?: readonly {
    readonly rid: string;
    readonly scaleResolutionDownBy?: number;
    readonly maxBitrate?: number;
  }[];
}

/** Headless Chromium, a process of its own, with `page.js` in it: publishes and plays pictures that tell their time. */
export class ClockTab {
  readonly #browser: Browser;
  readonly #page: Page;

  private constructor(browser: Browser, page: Page) {
    this.#browser = browser;
    this.#page = page;
  }

  /** `origin`: of the server. */
  static async start(origin: string): Promise<ClockTab> {
    const [browser, bundle] = await Promise.all([
      launchChromium(),
      build({
        entryPoints: [fileURLToPath(new URL('./page.js', import.meta.url))],
        bundle: true,
        format: 'iife',
        target: 'es2022',
        write: false,
      }),
    ]);
    const page = await browser.newPage();
    await page.goto(`${origin}/healthz`);
    await page.evaluate(bundle.outputFiles[0]!.text);
    return new ClockTab(browser, page);
  }

  publish(url: string, o: ClockPublisher = {}): Promise<void> {
    return this.#call('publish', url, o);
  }
  /** One entry a layer. */
  published(url: string): Promise<Published[]> {
    return this.#call('published', url);
  }
  /** `port`: of a link on the way to the server. */
  play(url: string, o: { name: string; sound?: boolean; port?: number }): Promise<void> {
    return this.#call('play', url, o);
  }
  seen(name: string): Promise<SeenClock> {
    return this.#call('seen', name);
  }
  stop(name: string): Promise<void> {
    return this.#call('stop', name);
  }
  close(): Promise<void> {
    return this.#browser.close();
  }

  #call<T>(method: string, ...args: readonly unknown[]): Promise<T> {
    const list = args.map(a => JSON.stringify(a)).join(', ');
    return this.#page.evaluate(`clockPage.${method}(${list})`) as Promise<T>;
  }
}
