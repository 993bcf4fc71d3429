import type { Addresses } from './up.ts';

/** The request of the first sandbox case that reaches quorum, for people to try. */
export const sampleRequest = async (sandbox: string): Promise<unknown> => {
  const answer = await fetch(`${sandbox}/sandbox/cases`, { signal: AbortSignal.timeout(5_000) });
  const cases = (await answer.json()) as { request: unknown; expect: { verdict?: string } }[];
  return cases.find(({ expect }) => expect.verdict === 'quorum')?.request;
};

/** Quotes a text for POSIX shells. */
const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

/** Lines to paste into a shell: a token, an order, and a moment later its decision. */
const tryIt = ({ api, sandbox }: Addresses, request: unknown): string => {
  const port = new URL(sandbox ?? '').port;
  const env = port === '8081' ? '' : `LASTRO_SANDBOX_PORT=${port} `;
  return `Create an order and see its decision (paste into a shell, in this folder):

TOKEN=$(${env}npx lastro token --area CRD01 --scope "orders:write orders:read")
ORDER=$(curl -s ${api}/v1/orders -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' \\
  -d ${quoted(JSON.stringify(request))} \\
  | sed 's/.*"orderKey":"\\([^"]*\\)".*/\\1/')
sleep 1; curl -s ${api}/v1/orders/$ORDER -H "Authorization: Bearer $TOKEN"
`;
};

/** What `lastro up` says when it is ready. */
export const readyText = (addresses: Addresses, seconds: number, request: unknown): string => {
  const { api, docs, sandbox, issuer, home } = addresses;
  const rows = [
    ['portal', `${api}/portal/`],
    ['API', `${api} (${docs})`],
    ['sandbox', sandbox ?? 'off'],
    ['issuer', issuer ?? 'none: set OIDC_ISSUER, without it no token is accepted'],
    ['data', home],
  ].map(([name, value]) => `  ${name?.padEnd(8)} ${value}`);
  return `Lastro is ready after ${seconds.toFixed(1)} s. Ctrl-C stops it.

${rows.join('\n')}
${sandbox && request ? `\n${tryIt(addresses, request)}` : ''}`;
};
