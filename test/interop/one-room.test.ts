import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { missing } from '../harness/child.ts';
import { Baresip } from '../harness/peers/baresip.ts';
import { BrowserPeer } from '../harness/peers/browser.ts';
import { Player, publish } from '../harness/peers/ffmpeg.ts';
import { Linphone } from '../harness/peers/linphone.ts';
import { SippCall } from '../harness/peers/sipp.ts';
import { ARRANGEMENTS, Server } from '../harness/server.ts';
import { firstSoundMs, judge, listen, Schedule, type Verdict } from '../harness/tones.ts';
import type { Sound } from '../harness/wav.ts';

const PEERS = ['baresip', 'linphonec', 'sipp', 'tshark', 'ffmpeg', 'chromium'];
const NAMES = ['baresip opus', 'baresip PCMU', 'linphone opus', 'sipp PCMU', 'ffmpeg RTMP', 'Chromium'];
/** Time for everyone to join before the first slot, ms. */
const JOIN_MS = 14_000;
/** From the call to the first packet of one's own file, as peers behave: keeps each tone inside its slot. */
const START_MS = 300;

const room = missing(...PEERS) ? describe.skip : describe;

room.each(ARRANGEMENTS)('six members of every kind, %s', arrangement => {
  const dir = mkdtempSync(join(tmpdir(), 'one-room-'));
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  it('hear each other, each in its slot and all together, and nobody itself', async () => {
    const server = await Server.start(join(dir, 'server'), arrangement);
    const ends: (() => Promise<unknown>)[] = [() => server.stop()];
    const sip = `sip:1000@${server.sip}`;
    try {
      const plan = new Schedule(Date.now() + JOIN_MS, NAMES.length);
      const soundOf = (i: number): Sound => plan.soundOf(i, Date.now() + START_MS);
      const seconds = (): number => Math.ceil((plan.endMs - Date.now()) / 1000);

      const joinedAt: number[] = [];
      const call = async (i: number, codecs: string): Promise<Baresip> => {
        const phone = await Baresip.start({
          dir: join(dir, `baresip${i}`),
          user: `phone${i}`,
          codecs,
          plays: soundOf(i),
        });
        ends.push(() => phone.stop());
        phone.plays(soundOf(i));
        joinedAt[i] = Date.now();
        await phone.dial(sip);
        await phone.established();
        return phone;
      };
      const browser = await BrowserPeer.start({ dir: join(dir, 'chromium') });
      ends.push(() => browser.stop());
      await browser.open(`${server.web}/r/1000?raw=1`);
      const first = await call(0, 'opus/48000/2');
      browser.plays(soundOf(5));
      joinedAt[5] = Date.now();
      const joining = browser.join('carol');
      const second = await call(1, 'pcmu/8000/1');
      const linphone = await Linphone.start({
        dir: join(dir, 'linphone'),
        user: 'lin',
        plays: plan.soundOf(2, Date.now() + 700),
      });
      ends.push(() => linphone.stop());
      joinedAt[2] = Date.now();
      linphone.dial(sip);
      await linphone.established();
      joinedAt[3] = Date.now();
      const sipp = await SippCall.start({
        dir: join(dir, 'sipp'),
        server: server.sip,
        room: '1000',
        plays: plan.soundOf(3, Date.now() + 900, 8000),
        seconds: seconds(),
      });
      ends.push(() => sipp.stop());
      joinedAt[4] = Date.now();
      const publisher = publish(
        join(dir, 'ffmpeg'),
        `${server.rtmp}/room/1000/wx`,
        plan.soundOf(4, Date.now() + 500),
      );
      ends.push(() => publisher.stop('SIGINT'));
      const player = new Player(join(dir, 'ffplay'), `${server.rtmp}/room/1000?as=wx`);
      ends.push(() => player.stop());
      await joining;

      await server.until(
        'six members',
        () => server.participants('1000'),
        p => p.length === 6,
      );
      expect(Date.now(), 'everyone is in before the first slot').toBeLessThan(plan.startMs);
      await new Promise(resolve => setTimeout(resolve, plan.endMs - Date.now() + 500));

      const legs = await server.api<object[]>('GET', '/legs');
      expect(legs?.length).toBe(9); // six members: five with one leg or two, the browser with three
      await player.stop();
      await sipp.finished();
      const browserHeard = await browser.heard();
      for (const phone of [first, second]) await phone.stop();
      await linphone.stop();
      const heard = [
        first.heard(),
        second.heard(),
        linphone.heard(),
        await sipp.heard(),
        player.heard(),
        browserHeard,
      ];
      const verdicts = heard.map((sound, i) => judge(listen(sound, NAMES.length), i));
      console.log(report(verdicts));
      for (const [i, sound] of heard.entries()) {
        if (i === 0) continue; // it was the first: nobody to hear
        const firstMs = (firstSoundMs(sound, plan, 0) ?? Number.NaN) - (joinedAt[i] as number);
        console.log(`${NAMES[i]}: first sound ${(firstMs / 1000).toFixed(1)} s after joining (goal 2 s)`);
        expect(firstMs, `${NAMES[i]} hears something in time`).toBeLessThan(15_000);
      }
      for (const [i, v] of verdicts.entries()) {
        expect(
          v.notAlone.map(j => NAMES[j]),
          `${NAMES[i]} hears every other in its slot`,
        ).toEqual([]);
        expect(v.togetherMs, `${NAMES[i]} hears all others at once`).toBeGreaterThanOrEqual(2000);
        expect(v.ownBelowDb, `${NAMES[i]} does not hear itself`).toBeGreaterThanOrEqual(30);
      }
      expect(server.bugs()).toEqual([]);
    } catch (error) {
      console.error(server.log());
      throw error;
    } finally {
      for (const end of ends.reverse()) await end().catch(() => {});
    }
  }, 120_000);
});

const report = (verdicts: Verdict[]): string =>
  verdicts
    .map(
      (v, i) =>
        `${(NAMES[i] ?? '').padEnd(14)} hears ${v.slotDb.map(db => (db === undefined ? '  –  ' : db.toFixed(1))).join(' ')} dBFS; together ${v.togetherMs} ms; itself ${v.ownBelowDb.toFixed(0)} dB below`,
    )
    .join('\n');
