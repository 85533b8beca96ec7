import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Child } from '../child.ts';

/** What passes on loopback, read by tshark: an independent reader of every protocol we speak. */
export class Capture {
  readonly #child: Child;
  readonly #file: string;

  private constructor(child: Child, file: string) {
    this.#child = child;
    this.#file = file;
  }

  /** `filter` in pcap's words: `tcp port 1935`. */
  static async start(dir: string, filter: string): Promise<Capture> {
    mkdirSync(dir, { recursive: true });
    const file = join(dir, 'capture.pcap');
    const child = new Child('tshark', 'tshark', ['-i', 'lo', '-f', filter, '-w', file]);
    await child.until(/Capturing on/);
    return new Capture(child, file);
  }

  /** Ends the capture and gives `fields` of what passes `filter`, in tshark's words: one line a packet, tabs between. */
  async read(decodeAs: string, filter: string, ...fields: string[]): Promise<string> {
    await new Promise(resolve => setTimeout(resolve, 500)); // the kernel hands packets on in lots
    await this.stop();
    const reader = new Child('tshark', 'tshark', [
      ...['-r', this.#file, '-d', decodeAs, '-Y', filter, '-T', 'fields'],
      ...fields.flatMap(f => ['-e', f]),
    ]);
    await reader.exited;
    return reader.output;
  }

  async stop(): Promise<void> {
    await this.#child.stop('SIGINT');
  }
}
