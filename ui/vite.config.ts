import { defineConfig } from 'vite';

/** Builds the web UI into dist/ui, from where the process serves it at /ui/. */
export default defineConfig({
  base: '/ui/',
  build: {
    outDir: '../dist/ui',
    emptyOutDir: true,
    // Node 20's contemporaries: what operators run.
    target: 'es2022',
    // The content security policy allows no data: URLs, and the page needs no polyfill.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    license: true,
    reportCompressedSize: false,
  },
  // For `npx vite` beside a running process.
  server: { proxy: { '^/(?!ui/|src/|node_modules/|@)': 'http://127.0.0.1:8080' } },
});
