import { expect, it } from 'vitest';
import { ALL_ROLES, missingRoles, needsWeb, ROLES, roleProblem, runsGateway, runsPart } from './roles.ts';

const SIP = { name: 'sip', home: 'agent' } as const;
const STOMP = { name: 'stomp', home: 'front' } as const;
const WEBRTC = { name: 'webrtc', home: 'agent' } as const;

it('knows its words, and what another was meant to be', () => {
  for (const role of [...ROLES, ...ALL_ROLES]) expect(roleProblem(role)).toBeUndefined();
  expect(roleProblem('sip-cal')).toBe('names sip-cal, which is no role: did you mean `sip-call`?');
  expect(roleProblem('everything')).toContain('must be one of front, agent, sip-call');
});

it('each side of a gateway runs by its own word, the gateway’s, or that of its kind', () => {
  const sides = (roles: string[], gateway: typeof SIP | typeof STOMP | typeof WEBRTC) =>
    (['front', 'agent'] as const).filter(side => runsGateway(roles, gateway, side));
  expect(sides(['sip-call'], SIP)).toEqual(['front']);
  expect(sides(['sip-agent'], SIP)).toEqual(['agent']);
  expect(sides(['front'], SIP)).toEqual(['front']);
  expect(sides(['agent'], SIP)).toEqual(['agent']);
  expect(sides(['webrtc'], WEBRTC)).toEqual(['front', 'agent']);
  expect(sides(['front'], STOMP)).toEqual(['front', 'agent']); // its agent is at home with the fronts
  expect(sides(['agent', 'room', 'rtmp'], STOMP)).toEqual([]);
  expect(sides([...ALL_ROLES], SIP)).toEqual(['front', 'agent']);
});

it('the platform’s parts run by their own words, and manager and api with the fronts', () => {
  expect(runsPart(['front'], 'manager') && runsPart(['front'], 'api')).toBe(true);
  expect(runsPart(['front'], 'room') || runsPart(['agent'], 'manager')).toBe(false);
  expect(runsPart(['manager'], 'manager') && runsPart(['router'], 'router')).toBe(true);
});

it('a web server is opened only where something needs it', () => {
  for (const role of ['front', 'webrtc', 'stomp', 'native', 'api']) expect(needsWeb([role])).toBe(true);
  expect(needsWeb(['sip-call', 'sip-agent', 'rtmp', 'room', 'manager', 'router', 'agent'])).toBe(false);
});

it('alone, a process must do everything but relay', () => {
  expect(missingRoles(ALL_ROLES)).toEqual([]);
  expect(missingRoles(['front', 'agent', 'room'])).toEqual([]);
  expect(missingRoles(ROLES.filter(r => r !== 'router'))).toEqual([]);
  expect(missingRoles(['front', 'room'])).toEqual(['sip-agent', 'rtmp', 'native']);
  expect(missingRoles(['frnot'])).toEqual([]);
});
