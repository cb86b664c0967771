import type { ReactElement } from 'react';

/** Outlines on a grid of 24, drawn for this UI. */
const paths = {
  overview: 'M4 13h6V4H4zM14 20h6v-9h-6zM4 20h6v-4H4zM14 8h6V4h-6z',
  graph:
    'M5 6a2 2 0 1 0 4 0 2 2 0 1 0-4 0M15 12a2 2 0 1 0 4 0 2 2 0 1 0-4 0M5 18a2 2 0 1 0 4 0 2 2 0 1 0-4 0M9 6.500l6 4.500M9 17.500l6-4.500',
  checkpoints: 'M12 3v10M8 9l4 4 4-4M5 15v4a1 1 0 0 0 1 1h12a1 1 0 0 0 1-1v-4',
  topics: 'M4 6h16M4 12h16M4 18h16M8 4v4M14 10v4M10 16v4',
  state:
    'M5 6c0-1.700 3.100-3 7-3s7 1.300 7 3-3.100 3-7 3-7-1.300-7-3zM5 6v12c0 1.700 3.100 3 7 3s7-1.300 7-3V6M5 12c0 1.700 3.100 3 7 3s7-1.300 7-3',
  requests: 'M4 8h13l-4-4M20 16H7l4 4',
  workers: 'M7 7h10v10H7zM10 3v4M14 3v4M10 17v4M14 17v4M3 10h4M3 14h4M17 10h4M17 14h4',
  exceptions: 'M12 4l9 16H3zM12 10v4M12 17v.500',
  configuration: 'M4 7h9M17 7h3M4 17h3M11 17h9M15 5v4M9 15v4',
  sun: 'M8 12a4 4 0 1 0 8 0 4 4 0 1 0-8 0M12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.400 1.400M17.600 17.600L19 19M19 5l-1.400 1.400M6.400 17.600L5 19',
  moon: 'M20 14.500A8 8 0 1 1 9.500 4a6.500 6.500 0 0 0 10.500 10.500z',
  close: 'M6 6l12 12M18 6L6 18',
  chevron: 'M9 6l6 6-6 6',
  help: 'M9.500 9a2.500 2.500 0 1 1 3.700 2.200c-.800.500-1.200 1-1.200 1.800v.500M12 17v.500M3 12a9 9 0 1 0 18 0 9 9 0 1 0-18 0',
  trace: 'M4 6h7M8 12h8M13 18h7M4 4v4M8 10v4M16 10v4M20 16v4',
} as const;

export type IconName = keyof typeof paths;

/** An icon beside a text that says the same: hidden from screen readers. */
export function Icon({ name, size = 18 }: { readonly name: IconName; readonly size?: number }): ReactElement {
  return (
    <svg className="icon" width={size} height={size} viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={paths[name]} />
    </svg>
  );
}
