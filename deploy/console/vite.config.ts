import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';

export default defineConfig({
  plugins: [svelte()],
  base: './', // works at the root and behind a proxy's prefix
  worker: { format: 'es' },
  build: {
    target: 'es2022',
    outDir: 'dist',
    emptyOutDir: true,
    modulePreload: { polyfill: false }, // the page carries no inline script: script-src 'self' holds
    assetsInlineLimit: 0,
    license: { fileName: 'licences.md' }, // what the bundle is made of, and on which terms
    chunkSizeWarningLimit: 1500, // MapLibre is one lazy chunk
  },
  server: { proxy: { '/api': process.env.DRUMTOWER_API ?? 'http://127.0.0.1:8080' } },
});
