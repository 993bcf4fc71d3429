import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { extname, join, posix, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Routes } from './http.ts';
import { Problem } from './problem.ts';

/** What the portal has to know before anyone has signed in. Nothing in it is secret: anyone may read it. */
export type PortalSettings = {
  /** Issuer at which people sign in (OpenID Connect). */
  readonly issuer: string;
  /** The portal's client at the issuer: a public one, without a secret. */
  readonly clientId: string;
  /** Scopes that are asked for, separated by spaces; the issuer gives those that the person has. */
  readonly scope: string;
  /** Age from which orders are archived: `6mo`, `1y`, `90d`. */
  readonly archiveOlderThan: string;
};

type PortalFile = { readonly body: Buffer; readonly type: string; readonly etag: string };

const types: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
};

const builtFolder = fileURLToPath(new URL('../../portal/dist', import.meta.url));
const hour = 3_600;

/**
 * Every file of a folder, by its path with `/`. They are read once, and only what is in this map is ever served:
 * no address can lead out of the folder. An absent folder has no files.
 */
const readFiles = async (folder: string): Promise<Map<string, PortalFile>> => {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  });
  const files = entries.filter((entry) => entry.isFile());
  return new Map(
    await Promise.all(
      files.map(async ({ parentPath, name }): Promise<[string, PortalFile]> => {
        const file = join(parentPath, name);
        const body = await readFile(file);
        const etag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 27)}"`;
        const path = file.slice(folder.length + 1).replaceAll(sep, posix.sep);
        return [path, { body, type: types[extname(name)] ?? 'application/octet-stream', etag }];
      }),
    ),
  );
};

/**
 * What a page of the portal may do: run its own scripts, use its own styles, talk to its own address and to where
 * people sign in. No inline scripts, no frames around it, no text that becomes a script.
 */
export const portalPolicy = (connect: readonly string[]): string =>
  [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "font-src 'self'",
    ["connect-src 'self'", ...connect].join(' '),
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join('; ');

const gzipped = promisify(gzip);

/**
 * The portal under `/portal/`: the files of its build and `settings.json`. A path that is no file is a page of the
 * portal and answers its index, which finds its way by the address. `connect`: origins beside the issuer's that
 * pages may talk to.
 */
export const portalRoutes = async (
  settings: PortalSettings,
  { folder = builtFolder, connect = [] }: { folder?: string; connect?: readonly string[] } = {},
): Promise<Routes> => {
  const files = await readFiles(folder);
  const zipped = new Map<string, Promise<Buffer>>();
  const policy = portalPolicy([new URL(settings.issuer).origin, ...connect]);

  const send = async (request: FastifyRequest, reply: FastifyReply, path: string, file: PortalFile) => {
    void reply.headers({
      'content-type': file.type,
      // Names of assets change with their content; the index is asked for again each time.
      'cache-control': path.startsWith('assets/') ? 'public, max-age=31536000, immutable' : 'no-cache',
      etag: file.etag,
      vary: 'accept-encoding',
      'content-security-policy': policy,
      'permissions-policy': 'camera=(), geolocation=(), microphone=(), payment=(), usb=()',
    });
    if (request.headers['if-none-match'] === file.etag) return reply.code(304).send();
    if (!/\bgzip\b/.test(request.headers['accept-encoding'] ?? '')) return reply.send(file.body);
    const small = zipped.get(path) ?? gzipped(file.body);
    zipped.set(path, small);
    return reply.header('content-encoding', 'gzip').send(await small);
  };

  return (app) => {
    const options = { config: { access: 'public' }, schema: { hide: true } } as const;
    app.get('/', options, async (_request, reply) => reply.redirect('/portal/', 302));
    app.get('/portal', options, async (_request, reply) => reply.redirect('/portal/', 302));
    app.get('/portal/settings.json', options, async (_request, reply) =>
      reply.header('cache-control', `max-age=${hour / 60}`).send(settings),
    );
    app.get('/portal/*', options, async (request, reply) => {
      const { '*': path } = request.params as { '*': string };
      const file = files.get(path);
      if (file) return send(request, reply, path, file);
      const index = files.get('index.html');
      if (!index)
        throw new Problem(
          'unavailable',
          'The portal is not built: `npm ci` does it, or `npm run build --workspace portal`; then start again.',
        );
      // An asset of another version, or something that was never there; pages have no dot in their names.
      if (path.startsWith('assets/') || path.slice(path.lastIndexOf('/') + 1).includes('.'))
        throw new Problem('not-found', 'The portal has no such file.');
      return send(request, reply, 'index.html', index);
    });
  };
};
