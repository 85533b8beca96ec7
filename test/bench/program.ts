import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from '../harness/ports.ts';
import { Measured } from './measured.ts';

const PROGRAM = fileURLToPath(new URL('../../bin/roombridge.js', import.meta.url));

/** The program as users start it, on free ports of loopback, logging warnings only. */
export async function startProgram(): Promise<{ process: Measured; sip: number; end(): Promise<void> }> {
  const dir = mkdtempSync(join(tmpdir(), 'roombridge-bench-'));
  const [sip, rtmp, webrtc, artp] = await Promise.all([freePort(), freePort(), freePort(), freePort()]);
  const config = join(dir, 'roombridge.yaml');
  writeFileSync(
    config,
    `
dataDir: ${join(dir, 'data')}
log: { level: warn, pretty: false }
http: { address: 127.0.0.1, httpsPort: 0, httpPort: 0 }
sip: { address: 127.0.0.1, port: ${sip}, rtpPorts: { min: 0, max: 0 }, callsPerSecond: 100000 }
rtmp: { address: 127.0.0.1, port: ${rtmp} }
webrtc: { address: 127.0.0.1, port: ${webrtc} }
artp: { address: 127.0.0.1, port: ${artp}, tlsPort: ${artp + 1} }
rooms: { newRoomsPerMinute: 100000 }
`,
  );
  const process = new Measured(PROGRAM, ['up', '--config', config], ['--expose-gc']);
  const end = async (): Promise<void> => {
    await process.end();
    rmSync(dir, { recursive: true, force: true });
  };
  try {
    await process.printed(/Roombridge is ready/);
    return { process, sip, end };
  } catch (error) {
    await end();
    throw error;
  }
}
