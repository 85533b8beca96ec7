/**
 * THE SEAM. A gateway needs this (and kit, proto, media, codecs, io) and nothing else of the platform.
 * Control is plain JSON: it may cross processes. Media and the seat live in the agent's process.
 */
export * from './contract/dial.ts';
export * from './contract/gateway.ts';
export * from './contract/host.ts';
export * from './contract/json.ts';
export * from './contract/legs.ts';
export * from './contract/media.ts';
export * from './contract/seat.ts';
export type { Millis, Sink } from './kit/core.ts';
export type { Termination } from './kit/refusal.ts';
