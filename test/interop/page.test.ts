import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { missing } from '../harness/child.ts';
import { type TabOptions, Tabs } from '../harness/peers/tabs.ts';
import { Server } from '../harness/server.ts';

const IN_THE_ROOM = { en: 'You are in the room.', zh: '你已在会议室中。' };
const AUTH = `auth: { apps: [{ key: demo, secrets: ['a-test-secret-of-at-least-32-bytes!!'] }] }`;

const suite = missing('chromium') ? describe.skip : describe;

suite('the room page in Chromium', () => {
  const dir = mkdtempSync(join(tmpdir(), 'page-'));
  let server: Server;
  let tabs: Tabs;
  const opened: Page[] = [];

  beforeAll(async () => {
    [server, tabs] = await Promise.all([Server.start(join(dir, 'server'), 'one process'), Tabs.start()]);
  });
  afterEach(async t => {
    if (t.task.result?.state === 'fail') console.error(server.log());
    for (const page of opened.splice(0)) await page.close();
  });
  afterAll(async () => {
    await tabs?.stop();
    await server?.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  const open = async (room: string, o: TabOptions = {}): Promise<Page> => {
    const page = await tabs.open(`${server.web}/r/${room}`, o);
    opened.push(page);
    return page;
  };
  const enter = async (page: Page, name: string): Promise<void> => {
    await page.fill('#name', name);
    await page.click('#join button');
  };
  const inRoom = async (room: string, name: string, o: TabOptions = {}): Promise<Page> => {
    const page = await open(room, o);
    await enter(page, name);
    await page.getByText(o.locale?.startsWith('zh') ? IN_THE_ROOM.zh : IN_THE_ROOM.en).waitFor();
    return page;
  };
  const row = (page: Page, name: string) => page.locator(`[data-participant="${name}"]`);
  const tile = (page: Page, name: string) => page.locator(`[data-tile="${name}"]`);
  const settings = (room: string, body: object) => server.api('PUT', `/rooms/${room}`, body);
  const pressed = (page: Page, button: string, on: boolean) =>
    page.locator(`${button}[aria-pressed="${on}"]`).waitFor();

  it('shows two members to each other: names, moving pictures, who speaks, who is muted', async () => {
    const room = 'two';
    const alice = await inRoom(room, 'alice');
    const bob = await inRoom(room, '小明', { locale: 'zh-CN', viewport: { width: 360, height: 640 } });
    for (const [page, other] of [
      [alice, '小明'],
      [bob, 'alice'],
    ] as const) {
      await tile(page, other).locator('video').waitFor();
      await moves(page, other);
      // The fake microphone beeps every second.
      await page.locator(`[data-tile="${other}"].speaking`).waitFor();
    }
    expect(await alice.locator('#members li').count()).toBe(2);
    expect(await alice.textContent('#count')).toBe('(2)');
    expect(await row(alice, '小明').textContent()).toContain('Browser (WebRTC)');
    await row(alice, '小明').getByText('Good connection').waitFor({ state: 'attached' });
    expect(await row(alice, 'alice').textContent()).toContain('alice (you)');

    await bob.click('#mute');
    await pressed(bob, '#mute', true);
    await row(alice, '小明').getByText('muted').waitFor();
    await alice.keyboard.press('v');
    await pressed(alice, '#camera', false);
    await tile(bob, 'alice').locator('video').waitFor({ state: 'hidden' });
    await alice.keyboard.press('v');
    await tile(bob, 'alice').locator('video').waitFor();

    await bob.click('#leave');
    expect(await bob.textContent('#notice-text')).toBe('你已离开会议室。');
    await alice.getByText('小明 has left.').waitFor();
    await tile(alice, '小明').waitFor({ state: 'detached' });
  }, 60_000);

  it('writes to each other', async () => {
    const [alice, bob] = [await inRoom('chat', 'alice'), await inRoom('chat', 'bob')];
    await alice.fill('#line', 'Hello <b>bob</b>');
    await alice.press('#line', 'Enter');
    await bob.getByText('Hello <b>bob</b>').waitFor();
    await alice.getByText('alice (you)').nth(1).waitFor();
    await alice.fill('#line', `${'字'.repeat(1365)}ab`); // 4097 bytes
    await alice.press('#line', 'Enter');
    expect(await alice.evaluate('document.getElementById("line").validationMessage')).toContain('too long');
  }, 40_000);

  it('shows a shared screen large, and the others beside it', async () => {
    const [alice, bob] = [await inRoom('share', 'alice'), await inRoom('share', 'bob')];
    await alice.click('#share');
    await bob.getByText('alice shares the screen.').waitFor();
    await bob.locator('#screen video').waitFor();
    expect(await bob.textContent('#screen figcaption')).toBe('Screen of alice');
    await alice.keyboard.press('v'); // without camera the screen goes on
    await pressed(alice, '#camera', false);
    const [screen, strip] = [
      await bob.locator('#screen').boundingBox(),
      await tile(bob, 'bob').boundingBox(),
    ];
    expect(screen?.width).toBeGreaterThan(3 * (strip?.width ?? Infinity));
    await playing(bob, '#screen video');
    await alice.click('#share');
    await bob.getByText('alice has stopped sharing.').waitFor();
    await bob.locator('#screen').waitFor({ state: 'hidden' });
  }, 40_000);

  it('comes back as the same member when its WebSocket is cut', async () => {
    const [alice, bob] = [await inRoom('cut', 'alice'), await inRoom('cut', 'bob')];
    await alice.click('#mute');
    await alice.evaluate('sockets.at(-1).close()');
    await alice.getByText('The connection was lost; reconnecting…').waitFor();
    await alice.getByText(IN_THE_ROOM.en).waitFor();
    expect(await server.participants('cut')).toEqual(['alice', 'bob']);
    expect(await alice.locator('#members li').count()).toBe(2);
    await row(bob, 'alice').getByText('muted').waitFor();
    await moves(alice, 'bob');
    await bob.click('#leave');
    await row(alice, 'bob').waitFor({ state: 'detached' });
  }, 40_000);

  it('says what the host does', async () => {
    const alice = await inRoom('host', 'alice');
    await inRoom('host', 'bob');
    const host = (method: string, path: string, body?: unknown) =>
      server.api(method, `/rooms/host/participants/alice${path}`, body);
    await host('POST', '/mute', { media: 'video', on: true });
    await alice.getByText('The host has turned off your camera.').waitFor();
    await pressed(alice, '#camera', false);
    await host('POST', '/mute', { media: 'audio', on: true });
    await alice.getByText('The host has muted you.').waitFor();
    await host('DELETE', '');
    await alice.getByText('The host has removed you from this room.').waitFor();
    await alice.click('#again');
    await enter(alice, 'alice');
    await alice.getByText('You can come back in a few minutes.').waitFor();
  }, 40_000);

  it('asks for the PIN in place, and says when it is wrong', async () => {
    await settings('pin', { pin: '4711' });
    const alice = await open('pin');
    await enter(alice, 'alice');
    await alice.getByText('This room asks for a PIN.').waitFor();
    await alice.fill('#pin', '1234');
    await alice.press('#pin', 'Enter');
    await alice.getByText('This PIN is wrong.').waitFor();
    await alice.fill('#pin', '4711');
    await alice.press('#pin', 'Enter');
    await alice.getByText(IN_THE_ROOM.en).waitFor();
  }, 40_000);

  it('says that a room is full or locked', async () => {
    await settings('full', { maxParticipants: 1 });
    await inRoom('full', 'alice');
    const bob = await open('full');
    await enter(bob, 'bob');
    await bob.getByText('This room is full.').waitFor();
    await settings('locked', { locked: true });
    const carol = await open('locked', { locale: 'zh-CN' });
    await enter(carol, '小红');
    await carol.getByText('会议室已锁定').waitFor();
  }, 40_000);

  it.each([
    ['NotFoundError', 'No microphone was found.'],
    ['NotAllowedError', 'The microphone is blocked.'],
    ['NotReadableError', 'The microphone is used by another program.'],
  ] as const)(
    'says what is wrong with the devices (%s), and joins without',
    async (broken, words) => {
      const page = await open(broken, { broken });
      await page.getByText(words).waitFor();
      await page.getByRole('button', { name: 'Join without a microphone' }).waitFor();
      await enter(page, 'deaf');
      await page.getByText(IN_THE_ROOM.en).waitFor();
      await row(page, 'deaf').waitFor();
    },
    40_000,
  );

  it('joins with sound when there is no camera', async () => {
    const page = await inRoom('sound', 'alice', { noCamera: true });
    await page.locator('[data-tile="alice"].speaking').waitFor();
    expect(await tile(page, 'alice').locator('video').isHidden()).toBe(true);
  }, 40_000);

  it('says that plain http gets no microphone', async () => {
    const page = await open('plain', { plainHttp: true });
    await page.getByText('Open this page with https.').first().waitFor();
  }, 40_000);

  it('asks for an invitation where tokens are required, and says when the server goes', async () => {
    const strict = await Server.start(join(dir, 'strict'), 'one process', AUTH);
    try {
      const page = await tabs.open(`${strict.web}/r/1000`);
      opened.push(page);
      await enter(page, 'alice');
      await page.getByText('This room needs an invitation.').waitFor();
      await strict.kill('all');
      await page.click('#again');
      await page.click('#join button');
      await page.getByText('The server cannot be reached.').waitFor({ timeout: 25_000 });
    } finally {
      await strict.stop();
    }
  }, 60_000);

  it('nothing of it was a bug', () => expect(server.bugs()).toEqual([]));
});

/** The picture of `name` in `page` is there and goes on. */
const moves = (page: Page, name: string): Promise<void> => playing(page, `[data-tile="${name}"] video`);

async function playing(page: Page, selector: string): Promise<void> {
  const frames = (): Promise<number> =>
    page
      .locator(selector)
      .evaluate(
        (v: { getVideoPlaybackQuality(): { totalVideoFrames: number } }) =>
          v.getVideoPlaybackQuality().totalVideoFrames,
      );
  const from = await frames();
  await expect.poll(frames, { timeout: 10_000 }).toBeGreaterThan(from + 5);
}
