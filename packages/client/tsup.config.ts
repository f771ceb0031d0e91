import { defineConfig, type Options } from 'tsup';

const common: Options = { target: 'node20', outDir: 'dist' };

export default defineConfig([
  {
    ...common,
    entry: { index: 'src/index.ts', documents: 'src/documents.ts' },
    format: ['esm', 'cjs'],
    dts: true,
    clean: ['!cli/**'],
  },
  { ...common, entry: { main: 'src/cli/main.ts' }, outDir: 'dist/cli', format: ['esm'], clean: true },
]);
