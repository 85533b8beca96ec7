// A worker thread does not inherit the loader that reads TypeScript: plain JavaScript to register it first.
import { register } from 'tsx/esm/api';

register();
await import('./worker.ts');
