import { readFile } from 'node:fs/promises';
import { inProcessBus } from '../bus/in-process.ts';
import { natsBus } from '../bus/nats.ts';
import type { Bus, BusOptions } from '../bus/port.ts';
import type { Platform } from '../config.ts';
import { refuse } from '../kit/refusal.ts';

/** The bus that `bus.*` of the config names. Rejects with a Refusal that says what to do. `name`: shown in NATS's monitoring. */
export async function openBus(config: Platform['bus'], name: string, options: BusOptions): Promise<Bus> {
  const { url, credentials, caFile, replicas } = config;
  if (url === undefined) return inProcessBus(options);
  const ca = caFile === undefined ? undefined : await authority(caFile);
  return natsBus({
    ...options,
    url,
    name,
    ...(credentials !== undefined && { credentials }),
    ...(ca !== undefined && { tls: { ca } }),
    ...(replicas !== undefined && { replicas }),
  });
}

const authority = (file: string): Promise<string> =>
  readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw refuse(
      'server',
      'bad-certificate',
      `bus.caFile ${file} cannot be read (${error.code}): name a PEM file, or leave it out.`,
    );
  });
