import { performance } from 'node:perf_hooks';
import { AggregatorRegistry, Counter, Gauge, Histogram, Registry } from 'prom-client';

/** Reasons come from code, so there are few; this bounds the damage if one ever does not. */
const MAX_REASONS = 200;
const SETUP_BUCKETS_SECONDS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

type Labels = Readonly<Record<string, string>>;
export interface Reading {
  readonly labels?: Labels;
  readonly value: number;
}

/** The numbers of this process, in Prometheus' text form. Owns no timer: gauges are read when somebody asks. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #facts = new Map<string, { counter: Counter<'reason'>; reasons: Set<string> }>();
  readonly #closed: Counter<'gateway' | 'blame' | 'reason'>;
  readonly #opened: Counter<'gateway'>;
  readonly #setup: Histogram<'gateway'>;
  readonly #requests: Counter<'method' | 'status'>;

  constructor() {
    const registers = [this.#registry];
    this.#opened = new Counter({
      name: 'roombridge_legs_opened_total',
      help: 'Legs that joined a room.',
      labelNames: ['gateway'],
      registers,
    });
    this.#closed = new Counter({
      name: 'roombridge_legs_closed_total',
      help: 'Legs that ended or never began, by verdict.',
      labelNames: ['gateway', 'blame', 'reason'],
      registers,
    });
    this.#setup = new Histogram({
      name: 'roombridge_leg_setup_seconds',
      help: 'From the request of a leg to its answer.',
      labelNames: ['gateway'],
      buckets: SETUP_BUCKETS_SECONDS,
      registers,
    });
    this.#requests = new Counter({
      name: 'roombridge_http_requests_total',
      help: 'HTTP requests answered.',
      labelNames: ['method', 'status'],
      registers,
    });
    this.#ofProcess();
  }

  #ofProcess(): void {
    this.gauge('process_resident_bytes', 'Memory of this process.', () => [
      { value: process.memoryUsage.rss() },
    ]);
    this.gauge('process_heap_used_bytes', 'Live and dead objects on the JavaScript heap.', () => [
      { value: process.memoryUsage().heapUsed },
    ]);
    this.gauge('process_cpu_seconds', 'CPU time of this process since its start.', () => {
      const { user, system } = process.cpuUsage();
      return [{ value: (user + system) / 1e6 }];
    });
    const uptime = () => [{ value: process.uptime() }];
    this.gauge('process_uptime_seconds', 'Age of the oldest process.', uptime, [], 'max');
    let last = performance.eventLoopUtilization();
    this.gauge(
      'process_event_loop_busy_ratio',
      'Share of time the event loop worked since the last reading.',
      () => {
        const now = performance.eventLoopUtilization();
        const since = performance.eventLoopUtilization(now, last);
        last = now;
        return [{ value: since.utilization }];
      },
      [],
      'average',
    );
  }

  /** What `Host.count` is: `roombridge_<gateway>_<name>_total{reason}`. */
  count(gateway: string, name: string, reason: string): void {
    const metric = `roombridge_${word(gateway)}_${word(name)}_total`;
    let fact = this.#facts.get(metric);
    if (fact === undefined) {
      if (this.#facts.size >= MAX_REASONS) return;
      const counter = new Counter({
        name: metric,
        help: `${name} of ${gateway}, by reason.`,
        labelNames: ['reason'] as const,
        registers: [this.#registry],
      });
      fact = { counter, reasons: new Set() };
      this.#facts.set(metric, fact);
    }
    if (!fact.reasons.has(reason)) {
      if (fact.reasons.size >= MAX_REASONS) reason = 'other';
      fact.reasons.add(reason);
    }
    fact.counter.inc({ reason });
  }

  legOpened(gateway: string, setupMs: number): void {
    this.#opened.inc({ gateway });
    this.#setup.observe({ gateway }, setupMs / 1000);
  }
  legClosed(gateway: string, why: { blame: string; reason: string }): void {
    this.#closed.inc({ gateway, blame: why.blame, reason: why.reason });
  }
  request(method: string, status: number): void {
    this.#requests.inc({ method: METHODS.has(method) ? method : 'other', status: String(status) });
  }

  /** A number that is read when asked for: `roombridge_<name>`, units in the name. */
  gauge(
    name: string,
    help: string,
    read: () => Iterable<Reading>,
    labelNames: readonly string[] = [],
    across: 'sum' | 'max' | 'average' = 'sum',
  ): void {
    new Gauge({
      name: `roombridge_${name}`,
      help,
      labelNames: [...labelNames],
      aggregator: across,
      registers: [this.#registry],
      collect() {
        this.reset();
        for (const { labels, value } of read()) this.set(labels ?? {}, value);
      },
    });
  }

  /** For `merge`, which another process may do: plain JSON. */
  json(): Promise<object[]> {
    return this.#registry.getMetricsAsJSON();
  }

  /** The text of several processes as one: counts add up, ages and shares do not. */
  static merge(all: readonly object[][]): Promise<string> {
    return AggregatorRegistry.aggregate([...all]).metrics();
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }
  get contentType(): string {
    return this.#registry.contentType;
  }
}

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);
const word = (text: string): string => text.replaceAll(/[^a-zA-Z0-9]+/g, '_').toLowerCase();
