/** `npm run screenshots`: the room page in all its states, into test-output/screenshots. To be looked at by a person. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright-core';
import { DemoServer } from '../test/harness/demo-server.ts';
import { type TabOptions, Tabs } from '../test/harness/peers/tabs.ts';

const OUT = fileURLToPath(new URL('../test-output/screenshots/', import.meta.url));
const WIDE = { width: 1280, height: 720 };
const UPRIGHT = { width: 360, height: 640 };
const LYING = { width: 640, height: 360 };
const LANGUAGES = [
  { language: 'en', locale: 'en-GB', names: ['Alice Smith', 'Bob'], line: 'Good morning!' },
  { language: 'zh', locale: 'zh-CN', names: ['王小明', '李红'], line: '大家早上好！' },
] as const;

const dir = mkdtempSync(join(tmpdir(), 'screenshots-'));
mkdirSync(OUT, { recursive: true });
const tabs = await Tabs.start();
const server = await DemoServer.start(dir);
const origin = new URL(server.page).origin;
const open: Page[] = [];

/** A page of a person, in a room. */
const tab = async (room: string, o: TabOptions): Promise<Page> => {
  const page = await tabs.open(`${origin}/r/${room}`, o);
  open.push(page);
  return page;
};
const enter = async (page: Page, name: string): Promise<void> => {
  await page.fill('#name', name);
  await page.click('#join button');
};
const shoot = async (page: Page, name: string): Promise<void> => {
  await page.screenshot({ path: join(OUT, `${name}.png`) });
  console.log(`test-output/screenshots/${name}.png`);
};
const closeAll = async (): Promise<void> => {
  for (const page of open.splice(0)) await page.close();
};
/** All the members' pictures are there. */
const pictures = async (page: Page): Promise<void> => {
  for (const name of ['demo-phone', 'demo-mini-program', 'demo-browser'])
    await page.locator(`[data-tile="${name}"] video`).waitFor({ state: 'attached' });
  await page.waitForFunction('document.querySelectorAll(".tile video:not([hidden])").length >= 4');
};

try {
  for (const { language, locale, names, line } of LANGUAGES) {
    const wide = { locale, viewport: WIDE, dark: language === 'zh' };
    const narrow = { locale, viewport: UPRIGHT, dark: language === 'en' };

    const alice = await tab('1000', wide);
    await alice.fill('#name', names[0]);
    await alice.locator('#mirror').waitFor();
    await shoot(alice, `${language}-1-before-wide`);
    const bob = await tab('1000', narrow);
    await bob.fill('#name', names[1]);
    await bob.locator('#mirror').waitFor();
    await shoot(bob, `${language}-2-before-narrow`);

    await enter(alice, names[0]);
    await enter(bob, names[1]);
    await pictures(alice);
    await bob.click('#mute');
    await alice.fill('#line', line);
    await alice.press('#line', 'Enter');
    await alice.waitForTimeout(6000); // figures of quality
    await shoot(alice, `${language}-3-room-wide`);
    await pictures(bob);
    await shoot(bob, `${language}-4-room-narrow`);
    await bob.setViewportSize(LYING);
    await bob.waitForTimeout(500);
    await shoot(bob, `${language}-5-room-lying`);

    const impairment = { loss: '2%', delay: '20ms' };
    await server.api('POST', '/drills', { room: '1000', seconds: 600, impairment });
    for (const page of [alice, bob]) await page.locator('#drill').waitFor();
    await shoot(alice, `${language}-drill-wide`);
    await shoot(bob, `${language}-drill-lying`);
    const [{ drill }] = (await server.api('GET', '/drills')) as [{ drill: string }];
    await server.api('DELETE', `/drills/${drill}`);
    for (const page of [alice, bob]) await page.locator('#drill').waitFor({ state: 'hidden' });

    await alice.click('#share');
    await bob.locator('#screen').waitFor();
    await bob.waitForTimeout(1500);
    await shoot(bob, `${language}-6-screen-lying`);
    await bob.setViewportSize(UPRIGHT);
    await bob.waitForTimeout(500);
    await shoot(bob, `${language}-7-screen-narrow`);
    await bob.click('#panel');
    await shoot(bob, `${language}-8-panel-narrow`);
    await alice.click('#share');
    await bob.click('#panel');
    await bob.click('#share');
    await alice.locator('#screen').waitFor();
    await alice.waitForTimeout(1500);
    await shoot(alice, `${language}-9-screen-wide`);

    await server.api('DELETE', `/rooms/1000/participants/${encodeURIComponent(names[1])}`);
    await bob.locator('#notice').waitFor();
    await shoot(bob, `${language}-error-kicked`);
    await closeAll();

    const blocked = await tab('1000', { ...wide, broken: 'NotAllowedError' });
    await blocked.locator('#trouble').waitFor();
    await shoot(blocked, `${language}-error-no-permission`);
    const plain = await tab('1000', { ...narrow, plainHttp: true });
    await plain.locator('#trouble').waitFor();
    await shoot(plain, `${language}-error-plain-http`);
    await server.api('PUT', '/rooms/secret', { pin: '4711' });
    const pin = await tab('secret', narrow);
    await enter(pin, names[0]);
    await pin.fill('#pin', '1234');
    await pin.press('#pin', 'Enter');
    await pin.locator('#notice').waitFor();
    await pin.waitForTimeout(300);
    await shoot(pin, `${language}-error-wrong-pin`);
    await server.api('PUT', '/rooms/full', { maxParticipants: 1 });
    await enter(await tab('full', narrow), names[0]);
    const late = await tab('full', wide);
    await late.waitForTimeout(2000);
    await enter(late, names[1]);
    await late.locator('#notice').waitFor();
    await shoot(late, `${language}-error-full`);
    await closeAll();
  }
} finally {
  await tabs.stop();
  await server.stop();
  rmSync(dir, { recursive: true, force: true });
}
