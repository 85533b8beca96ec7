import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { missing } from '../harness/child.ts';
import { Capture } from '../harness/peers/capture.ts';
import { call, hungUp, plays, scenario } from '../harness/peers/sipp-scenario.ts';
import { ARRANGEMENTS } from '../harness/server.ts';
import { Stage, wait } from '../harness/stage.ts';

const [BOB, SIPP, WX, PAGE] = [0, 1, 2, 3];
/** The issue's own bound. */
const EXIT_MS = 5000;

const suite = missing('baresip', 'sipp', 'tshark', 'ffmpeg', 'chromium') ? describe.skip : describe;

suite.each(ARRANGEMENTS)('SIGTERM in a full house, %s', arrangement => {
  it('tells everyone in the words of its protocol, and exits 0 in time', async t => {
    const end = t.onTestFinished;
    const stage = await Stage.open(arrangement);
    end(async () => void (await stage.close()));
    t.onTestFailed(() => console.error(stage.server.log()));
    const { rtmp } = stage.server.ports;
    const wire = await Capture.start(stage.dir('wire'), `tcp port ${rtmp}`);
    end(() => wire.stop());

    const page = await stage.browser(end, '1000', 'page', PAGE);
    const wx = stage.publisher(end, '1000', 'wx', WX);
    const player = stage.player(end, '1000', 'wx');
    const sipp = await stage.sipp(end, '1000', SIPP, {
      scenario: files => scenario('told', call(), plays(files), hungUp('shutting down')),
    });
    const bob = await stage.phone(end, '1000', 'bob', BOB);
    await stage.members('1000', 'bob', 'page', 'sipp', 'wx');
    await wait(1000); // sound and picture flow everywhere

    const began = Date.now();
    const exits = await Promise.all(
      [...stage.server.processes].map(async ([name, child]) => {
        child.process.kill('SIGTERM');
        const code = await child.exited;
        return { name, code, ms: Date.now() - began };
      }),
    );
    for (const { name, code, ms } of exits) {
      expect(code, `${name} exits`).toBe(0);
      expect(ms, `${name} exits in time`).toBeLessThan(EXIT_MS);
    }
    await bob.until(/session closed|terminated/i);
    expect(await sipp.finished(), sipp.output.slice(-2000)).toBe(0);
    await page.page.getByText('The meeting has ended.').waitFor();
    await Promise.all([wx.exited, player.child.exited]);
    const told = await wire.read(`tcp.port==${rtmp},rtmpt`, 'rtmpt', 'tcp.stream', 'amf.string');
    const streams = new Set(
      told
        .split('\n')
        .filter(line => line.includes('NetConnection.Connect.Closed') && line.includes('shutting down'))
        .map(line => line.split('\t')[0]),
    );
    expect(streams.size, `publisher and player are told:\n${told}`).toBe(2);
    const { bus: _, ...ours } = stage.server.ports; // NATS goes on
    for (const port of [...Object.values(ours), ours.artp + 1]) await free(port);
    expect(stage.server.bugs()).toEqual([]);
  }, 60_000);
});

/** Rejects while anybody listens on the port. */
async function free(port: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(port, '127.0.0.1', () => server.close(() => resolve()));
  });
  await new Promise<void>((resolve, reject) => {
    const socket = createSocket('udp4').once('error', reject);
    socket.bind(port, '127.0.0.1', () => socket.close(() => resolve()));
  });
}
