import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

/** `CHROMIUM`, or where Debian's package (`apt-get install chromium`) and macOS put it. */
const places = [
  process.env.CHROMIUM,
  '/usr/bin/chromium',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
];

const executable = (): string | undefined =>
  places.find((path): path is string => path !== undefined && path !== '' && existsSync(path));

/** Why there is no browser to test in; undefined: there is one. */
export const chromiumMissing = (): string | undefined =>
  executable() ? undefined : 'no Chromium: apt-get install chromium, or set CHROMIUM to one';

/** A browser that talks to nobody but the pages it is sent to. The caller closes it. */
export const openChromium = async (): Promise<Browser> => {
  const executablePath = executable();
  if (!executablePath) throw new Error(`expected Chromium, found none: ${chromiumMissing()}`);
  return chromium.launch({
    executablePath,
    args: [
      // As root, as in a container, Chromium has no sandbox of its own; it sees this machine's pages only.
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--lang=pt-BR',
    ],
  });
};
