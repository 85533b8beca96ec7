/**
 * Loaded before a measured program (`--import`): answers `usage` on its parent's channel with what the process has
 * spent. JavaScript, because it comes before whatever reads TypeScript. Costs 100 timer calls a second.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';

const RESOLUTION_MS = 10;
const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
delay.enable();
const ms = ns => Math.max(0, ns / 1e6 - RESOLUTION_MS);

process.on('message', message => {
  if (message !== 'usage' && message !== 'usage after gc') return;
  if (message === 'usage after gc') globalThis.gc?.();
  const { user, system } = process.cpuUsage();
  const { rss, heapUsed, external } = process.memoryUsage();
  process.send({
    usage: {
      cpuUs: user + system,
      rssBytes: rss,
      heapBytes: heapUsed + external,
      delayMs: { p50: ms(delay.percentile(50)), p99: ms(delay.percentile(99)), max: ms(delay.max) },
    },
  });
  delay.reset();
});
process.channel?.unref();
