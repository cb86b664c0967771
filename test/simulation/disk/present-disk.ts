import { SimulatedDisk } from './simulated-disk.js';

let present = new SimulatedDisk();

/** The disk that the code under simulation works on. */
export function presentDisk(): SimulatedDisk {
  return present;
}

export function useDisk(disk: SimulatedDisk): void {
  present = disk;
}
