import type { Browser, BrowserContext, Page } from 'playwright-core';
import { launchChromium } from './chromium.ts';

/** A name of this host that browsers do not trust: pages from there get no microphone. */
const STRANGE_HOST = 'room.test';

/** What is wrong with a person's devices, as `getUserMedia` tells it. */
export type Broken = 'NotFoundError' | 'NotAllowedError' | 'NotReadableError';

export interface TabOptions {
  readonly locale?: string;
  readonly viewport?: { readonly width: number; readonly height: number };
  readonly dark?: boolean;
  /** Both devices fail so. */
  readonly broken?: Broken;
  /** The microphone alone is there. */
  readonly noCamera?: boolean;
  /** Opened by a name that is not this machine's, in the clear. */
  readonly plainHttp?: boolean;
}

/** One headless Chromium with fake devices; each tab is a person with a browser of its own. */
export class Tabs {
  readonly #browser: Browser;
  readonly #contexts: BrowserContext[] = [];

  private constructor(browser: Browser) {
    this.#browser = browser;
  }

  static async start(): Promise<Tabs> {
    return new Tabs(await launchChromium(`--host-resolver-rules=MAP ${STRANGE_HOST} 127.0.0.1`));
  }

  /** `url` is the page's on localhost. */
  async open(url: string, o: TabOptions = {}): Promise<Page> {
    const context = await this.#browser.newContext({
      ignoreHTTPSErrors: true,
      permissions: ['microphone', 'camera'],
      locale: o.locale ?? 'en-GB',
      colorScheme: o.dark ? 'dark' : 'light',
      viewport: o.viewport ?? { width: 1100, height: 700 },
    });
    this.#contexts.push(context);
    const page = await context.newPage();
    await page.addInitScript(`(${KEEP_SOCKETS})()`);
    if (o.broken) await page.addInitScript(`(${BREAK_DEVICES})('${o.broken}', true)`);
    if (o.noCamera) await page.addInitScript(`(${BREAK_DEVICES})('NotFoundError', false)`);
    const to = o.plainHttp ? url.replace('localhost', STRANGE_HOST) : url;
    await page.goto(to, { waitUntil: 'load' });
    return page;
  }

  async stop(): Promise<void> {
    for (const context of this.#contexts) await context.close();
    await this.#browser.close();
  }
}

/** In the page: `sockets` has every WebSocket, so that a test can cut one off. */
const KEEP_SOCKETS = `() => {
  const Native = WebSocket;
  globalThis.sockets = [];
  globalThis.WebSocket = class extends Native {
    constructor(...args) {
      super(...args);
      sockets.push(this);
    }
  };
}`;

const BREAK_DEVICES = `(name, both) => {
  const { mediaDevices } = navigator;
  const native = mediaDevices.getUserMedia.bind(mediaDevices);
  mediaDevices.getUserMedia = async asked => {
    if (both || asked.video) throw new DOMException('', name);
    return native(asked);
  };
}`;
