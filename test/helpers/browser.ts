import { existsSync, writeSync } from 'node:fs';
import { describe } from '@jest/globals';
import { type Browser, chromium } from 'playwright-core';

const CANDIDATES = [
  process.env.CHROMIUM_PATH,
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
];

const CHROMIUM = CANDIDATES.find((path) => path && existsSync(path));

if (!CHROMIUM) {
  const sentence =
    'The browser tests need Chromium: install it, or set CHROMIUM_PATH.';
  if (process.env.CHROMIUM_REQUIRED) throw new Error(sentence);
  writeSync(2, `SKIPPED: ${sentence}\n`);
}

/** `describe`, where this machine has a Chromium; where it has none, one line says so. */
export const describeInBrowser = CHROMIUM ? describe : describe.skip;

/** Starts a Chromium with a profile of its own, which asks nothing of anybody but the page. */
export async function startBrowser(): Promise<Browser> {
  return await chromium.launch({
    executablePath: CHROMIUM!,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}
