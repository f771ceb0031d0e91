import { defineConfig } from 'tsup';

export default defineConfig({
  entry: { index: 'src/index.ts', cli: 'src/cli/main.ts' },
  format: 'esm',
  target: 'node20',
  dts: { entry: 'src/index.ts' },
  // Its prices alone: the load test's own dependencies are not needed.
  noExternal: ['@burst-ner/loadtest'],
  clean: true,
});
