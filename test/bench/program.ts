import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from '../harness/ports.ts';
import { Measured } from './measured.ts';

const PROGRAM = fileURLToPath(new URL('../../bin/roombridge.js', import.meta.url));

export interface Program {
  readonly process: Measured;
  /** Ports; `http` is plain. */
  readonly sip: number;
  readonly rtmp: number;
  readonly http: number;
  readonly adminKey: string;
  end(): Promise<void>;
}

/** The program as users start it, on free ports of loopback, logging warnings only. */
export async function startProgram(): Promise<Program> {
  const dir = mkdtempSync(join(tmpdir(), 'roombridge-bench-'));
  const ports = Array.from({ length: 5 }, () => freePort());
  const [sip, rtmp, webrtc, artp, http] = (await Promise.all(ports)) as [
    number,
    number,
    number,
    number,
    number,
  ];
  const adminKey = 'bench-bench-bench-bench-bench-bench';
  const config = join(dir, 'roombridge.yaml');
  writeFileSync(
    config,
    `
dataDir: ${join(dir, 'data')}
log: { level: warn, pretty: false }
http: { address: 127.0.0.1, httpsPort: 0, httpPort: ${http} }
auth: { adminKey: ${adminKey} }
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
    return { process, sip, rtmp, http, adminKey, end };
  } catch (error) {
    await end();
    throw error;
  }
}
