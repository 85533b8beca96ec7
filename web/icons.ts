/** Our own drawings on a grid of 24, strokes of the text's colour. */
const PATHS = {
  microphone: '<rect x="9" y="3" width="6" height="11" rx="3"/><path d="M5 11a7 7 0 0 0 14 0M12 18v3"/>',
  microphoneOff:
    '<path d="M9 9V6a3 3 0 0 1 6 0v5M9 12a3 3 0 0 0 4.5 1.6M5 11a7 7 0 0 0 10.5 6M19 11a7 7 0 0 1-.8 3.2M12 18v3M4 3l16 18"/>',
  camera: '<rect x="3" y="6" width="12" height="12" rx="2"/><path d="m15 11 6-4v10l-6-4z"/>',
  cameraOff: '<path d="M7 6h6a2 2 0 0 1 2 2v5m0-2 6-4v10l-4-3M14 18H5a2 2 0 0 1-2-2V8M4 3l16 18"/>',
  screen: '<rect x="3" y="4" width="18" height="12" rx="2"/><path d="M8 20h8M12 13V8m-3 2.5L12 7l3 3.5"/>',
  leave: '<path d="M4 15c0-1 .2-2.4 1-3 4-2.7 10-2.7 14 0 .8.6 1 2 1 3l-4 .7V13c-2.6-.8-5.4-.8-8 0v2.7z"/>',
  people:
    '<circle cx="9" cy="8" r="3.5"/><path d="M2.5 20c.5-4 3-6 6.5-6s6 2 6.5 6M16 5a3.5 3.5 0 0 1 0 6.5M18 14.5c2 .7 3.3 2.5 3.5 5.5"/>',
  send: '<path d="M4 12 20 4l-4 16-4-7z"/>',
  full: '<path d="M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5"/>',
  phone:
    '<path d="M6 3h3l2 5-2.5 1.8c1 2.4 3.3 4.7 5.7 5.7L16 13l5 2v3c0 1.6-1.4 3-3 3C10.5 21 3 13.5 3 6c0-1.6 1.4-3 3-3z"/>',
  roomSystem:
    '<rect x="2" y="4" width="20" height="13" rx="2"/><circle cx="12" cy="10" r="2.5"/><path d="M7 21h10M12 17v4"/>',
  miniProgram:
    '<rect x="6" y="2" width="12" height="20" rx="2.5"/><path d="M11 19h2"/><circle cx="10" cy="10" r="1.5"/><circle cx="14" cy="10" r="1.5"/><path d="M9.5 13.5c1.5 1.3 3.5 1.3 5 0"/>',
  browser: '<rect x="3" y="4" width="18" height="16" rx="2"/><path d="M3 9h18M6.5 6.5h.01M9.5 6.5h.01"/>',
  native: '<path d="m8 8-4 4 4 4M16 8l4 4-4 4M13.5 6l-3 12"/>',
  other: '<circle cx="12" cy="12" r="9"/><path d="M3 12h18M12 3a14 14 0 0 1 0 18M12 3a14 14 0 0 0 0 18"/>',
  good: '<path d="M5 20v-4M12 20V10M19 20V4"/>',
  fair: '<path d="M5 20v-4M12 20V10"/><path class="faint" d="M19 20V4"/>',
  poor: '<path d="M5 20v-4"/><path class="faint" d="M12 20V10M19 20V4"/>',
} as const;

export type Icon = keyof typeof PATHS;

/** An SVG element; what it means is said beside it. */
export function icon(name: Icon): SVGElement {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('aria-hidden', 'true');
  svg.innerHTML = PATHS[name]; // constants of this file
  return svg;
}
