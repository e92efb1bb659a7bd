import { closeSync, openSync } from 'node:fs';
import { devNull } from 'node:os';

/** More than a few requests free or take in the meantime. */
const SPARE = 16;

/**
 * Whether this process can still open files and sockets. If it cannot, a server
 * in the same process fails too: connecting succeeds and accepting does not.
 */
export function hasSpareDescriptors(): boolean {
  const opened: number[] = [];
  try {
    while (opened.length < SPARE) opened.push(openSync(devNull, 'r'));
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code !== 'EMFILE' && code !== 'ENFILE';
  } finally {
    opened.forEach((descriptor) => closeSync(descriptor));
  }
}
