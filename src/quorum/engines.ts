import type { QuorumInput, QuorumOutput } from './contract.ts';
import { decide } from './engine.ts';

type Decide = (input: QuorumInput) => QuorumOutput;

/**
 * Every engine that ever signed a certificate, by the version it writes into its decisions. When the engine's
 * answers change, its files are kept under another name and stay in this list: a certificate is verified by
 * the engine that made it, however old.
 */
const engines: Readonly<Record<string, Decide>> = {
  '1': decide,
};

export const engineVersions: readonly string[] = Object.keys(engines);

/** The engine of a version; undefined when this program does not have it. */
export const engineOf = (version: string): Decide | undefined =>
  Object.hasOwn(engines, version) ? engines[version] : undefined;
