import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Child } from '../../child.ts';
import { freePort } from '../../ports.ts';

export const PBX_PASSWORD = 'office-secret';

/** A Kamailio that is the PBX of an office: `pbx.cfg` on a free port of loopback. */
export class Kamailio {
  readonly port: number;
  readonly #child: Child;

  private constructor(child: Child, port: number) {
    this.#child = child;
    this.port = port;
  }

  static async start(dir: string, port?: number): Promise<Kamailio> {
    mkdirSync(dir, { recursive: true });
    const at = port ?? (await freePort());
    const template = readFileSync(new URL('pbx.cfg', import.meta.url), 'utf8');
    const config = join(dir, 'pbx.cfg');
    writeFileSync(
      config,
      template.replaceAll('PBX_PORT', String(at)).replaceAll('PBX_PASSWORD', PBX_PASSWORD),
    );
    const child = new Child('kamailio', 'kamailio', [
      ...['-f', config, '-DD', '-E', '-m', '32', '-M', '8'],
      ...['-P', join(dir, 'pid'), '-Y', dir],
    ]); // prettier-ignore
    await child.until(/Listening on/i);
    return new Kamailio(child, at);
  }

  get sip(): string {
    return `127.0.0.1:${this.port}`;
  }
  get output(): string {
    return this.#child.output;
  }

  stop(): Promise<number | null> {
    return this.#child.stop('SIGTERM');
  }
}
