// The front door: what the rest of the product may use of quorum. The command line and the engine's own files
// import each other directly, so that `lastro quorum decide` loads nothing that a decision does not need.
export { signCertificate, verifyCertificate } from './certificate.ts';
export { decide } from './engine.ts';
export { explain, type Language } from './explain.ts';
export { quorumOutputSchema } from './http-schema.ts';
export { parseInput } from './input.ts';
