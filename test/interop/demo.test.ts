import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { missing } from '../harness/child.ts';
import { DemoServer } from '../harness/demo-server.ts';
import { Tabs } from '../harness/peers/tabs.ts';

const MEMBERS = ['demo-phone', 'demo-mini-program', 'demo-browser'];
/** Of what a newcomer waits for, from the start of the program. */
const PATIENCE_MS = 30_000;

const suite = missing('chromium') ? describe.skip : describe;

suite('roombridge demo', () => {
  it('shows a newcomer three moving, audible members in 30 s, and ends politely', async ({
    onTestFinished: end,
  }) => {
    const dir = mkdtempSync(join(tmpdir(), 'demo-'));
    end(() => rmSync(dir, { recursive: true, force: true }));
    const tabs = await Tabs.start();
    end(() => tabs.stop());
    const began = Date.now();
    const server = await DemoServer.start(dir);
    end(async () => void (await server.stop()));
    const page = await tabs.open(server.page);
    await page.fill('#name', 'newcomer');
    await page.click('#join button');
    const left = (): number => Math.max(1, began + PATIENCE_MS - Date.now());
    await Promise.all(
      MEMBERS.map(async name => {
        const frames = (): Promise<number> =>
          page
            .locator(`[data-tile="${name}"] video`)
            .evaluate(
              (v: { getVideoPlaybackQuality(): { totalVideoFrames: number } }) =>
                v.getVideoPlaybackQuality().totalVideoFrames,
            );
        await page.locator(`[data-tile="${name}"] video`).waitFor({ timeout: left() });
        const from = await frames();
        await expect.poll(frames, { timeout: left() }).toBeGreaterThan(from + 10);
        await page.locator(`[data-tile="${name}"].speaking`).waitFor({ timeout: left() });
      }),
    );
    console.log(`three moving, audible members after ${((Date.now() - began) / 1000).toFixed(1)} s`);
    const legs = (await server.api('GET', '/legs')) as { participant: string; gateway: string }[];
    const kinds = legs.filter(l => MEMBERS.includes(l.participant)).map(l => l.gateway);
    expect(kinds.sort()).toEqual(['rtmp', 'sip', 'webrtc']);
    expect(await server.stop(), server.child.output.slice(-2000)).toBe(0);
    expect(server.child.output).not.toContain('"level":"error"');
  }, 90_000);
});
