import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Child } from './child.ts';
import { freePort } from './ports.ts';

const PROGRAM = fileURLToPath(new URL('../../bin/roombridge.js', import.meta.url));

/** `roombridge demo` on free ports of loopback, as a newcomer starts it. */
export class DemoServer {
  readonly child: Child;
  /** The address it told to open. */
  readonly page: string;
  readonly #adminKey: string;

  private constructor(child: Child, page: string, adminKey: string) {
    this.child = child;
    this.page = page;
    this.#adminKey = adminKey;
  }

  static async start(dir: string): Promise<DemoServer> {
    mkdirSync(dir, { recursive: true });
    const [sip, rtmp, https, http, webrtc] = await Promise.all(Array.from({ length: 5 }, freePort));
    const config = join(dir, 'roombridge.yaml');
    writeFileSync(
      config,
      `
dataDir: ${join(dir, 'data')}
http: { address: 127.0.0.1, httpsPort: ${https}, httpPort: ${http} }
sip: { address: 127.0.0.1, port: ${sip} }
rtmp: { address: 127.0.0.1, port: ${rtmp} }
webrtc: { address: 127.0.0.1, port: ${webrtc} }
log: { level: info, pretty: false }
`,
    );
    const child = new Child('roombridge demo', process.execPath, [PROGRAM, 'demo', '--config', config]);
    const [, page] = await child.until(/Open this page.*?(http:\S+)/s, 30_000);
    return new DemoServer(child, page as string, readFileSync(join(dir, 'data', 'admin.key'), 'utf8').trim());
  }

  /** One call of the HTTP API. */
  async api(method: string, path: string, body?: object): Promise<unknown> {
    const response = await fetch(`${new URL(this.page).origin}/api/v1${path}`, {
      method,
      headers: {
        authorization: `Bearer ${this.#adminKey}`,
        ...(body && { 'content-type': 'application/json' }),
      },
      ...(body && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return text === '' ? undefined : JSON.parse(text);
  }

  stop(): Promise<number | null> {
    return this.child.stop('SIGTERM', 8000);
  }
}
