import { defineConfig, type Options } from 'tsup';

// p-limit is ESM only, so it is bundled: the CommonJS build could not require it on every supported Node.
const common: Options = { target: 'node20', outDir: 'dist', noExternal: ['p-limit'] };

export default defineConfig([
  {
    ...common,
    entry: { index: 'src/index.ts', documents: 'src/files/documents.ts' },
    format: ['esm', 'cjs'],
    dts: true,
    clean: ['!cli/**'],
  },
  { ...common, entry: { main: 'src/cli/main.ts' }, outDir: 'dist/cli', format: ['esm'], clean: true },
]);
