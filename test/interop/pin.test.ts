import { afterAll, afterEach, beforeAll, describe, it } from 'vitest';
import { missing } from '../harness/child.ts';
import { heardMs, spansOf, toneOf } from '../harness/heard.ts';
import { ARRANGEMENTS } from '../harness/server.ts';
import { Stage, wait } from '../harness/stage.ts';
import { keysThen } from '../harness/touch-tones.ts';

const [BOB, CALLER, SIPP] = [0, 1, 2];
const PIN = '4711';
const suite = missing('baresip', 'sipp', 'tshark') ? describe.skip : describe;

/** The RMS of the loudest quarter second, dBFS. */
function loudestDb({ samples, rateHz }: { samples: Float32Array; rateHz: number }): number {
  let most = 0;
  const length = rateHz / 4;
  for (let at = 0; at + length <= samples.length; at += length) {
    let sum = 0;
    for (let i = at; i < at + length; i++) sum += (samples[i] as number) ** 2;
    most = Math.max(most, sum / length);
  }
  return 10 * Math.log10(most);
}

suite.each(ARRANGEMENTS)('a room with a PIN, %s', { timeout: 40_000 }, arrangement => {
  let stage: Stage;
  beforeAll(async () => void (stage = await Stage.open(arrangement)));
  afterAll(() => stage?.close());
  afterEach(t => stage.tell(t.task));

  const closed = (room: string) => stage.server.api('PUT', `/rooms/${room}`, { pin: PIN });

  it('a phone is asked by a voice, presses keys (RFC 4733), and is in the room', async ({
    expect,
    onTestFinished,
  }) => {
    await closed('keys');
    const bob = await stage.phone(onTestFinished, 'keys', 'bob', BOB);
    await wait(3000);
    expect(await stage.server.participants('keys')).toEqual([]);
    await bob.command('sndcode', `${PIN}#`);
    await stage.members('keys', 'bob');
    await bob.command('hangup');
    await bob.stop();
    expect(loudestDb(bob.heard())).toBeGreaterThan(-35); // somebody spoke
    await stage.gone('keys');
  });

  it('a phone whose keys are tones comes in, hears and is heard', async ({ expect, onTestFinished }) => {
    await closed('tones');
    const sipp = await stage.sipp(onTestFinished, 'tones', SIPP, {
      plays: keysThen(`${PIN}#`, toneOf(SIPP, 60, 8000)),
    });
    await stage.members('tones', 'sipp');
    await stage.server.api('PUT', '/rooms/tones', { pin: null });
    const bob = await stage.phone(onTestFinished, 'tones', 'bob', BOB);
    await stage.members('tones', 'bob', 'sipp');
    await wait(2500);
    await sipp.stop();
    await bob.stop();
    expect(heardMs(spansOf(bob.heard(), SIPP))).toBeGreaterThan(1500);
    expect(heardMs(spansOf(await sipp.heard(), BOB))).toBeGreaterThan(1500);
    await stage.server.api('DELETE', '/rooms/tones'); // sipp was ended without a BYE
    await stage.gone('tones');
  });

  it('three wrong PINs end the call with a reason', async ({ expect, onTestFinished }) => {
    await closed('guess');
    const caller = await stage.phone(onTestFinished, 'guess', 'eve', CALLER);
    await wait(1000);
    for (const wrong of ['1#', '22#', '333#']) {
      await caller.command('sndcode', wrong);
      await wait(1500);
    }
    await caller.until(/session closed|terminated/i, 20_000);
    expect(await stage.server.participants('guess')).toEqual([]);
    await stage.gone('guess');
  });
});
