import { defineConfig } from 'vite';

/** Where `npm run dev` finds the API: a `lastro up` of one's own. */
const api = process.env.LASTRO_API ?? 'http://127.0.0.1:8080';

export default defineConfig(({ command }) => ({
  // The API serves the portal under this path of its own address; see src/platform/portal-files.ts.
  base: '/portal/',
  // Also where a test builds it: Vite would take the test's NODE_ENV, and React its slow form for development. The two
  // belong together: production's React has no `jsxDEV`, which the development form of JSX calls.
  ...(command === 'build'
    ? {
        define: { 'process.env.NODE_ENV': '"production"' },
        oxc: { jsx: { runtime: 'automatic' as const, development: false } },
      }
    : {}),
  // A CSP without inline scripts and `data:` scripts: everything is a file of its own.
  build: { assetsInlineLimit: 0, modulePreload: { polyfill: false }, reportCompressedSize: false },
  server: {
    host: '127.0.0.1',
    proxy: {
      '/v1': api,
      '/portal/settings.json': api,
    },
  },
}));
