import { defineConfig } from 'tsup';

export default defineConfig({
  entry: {
    index: 'src/index.ts',
    prices: 'src/plan/cost.ts',
    cli: 'src/cli/main.ts',
    report: 'src/report/html.ts',
    truth: 'src/load/truth.ts',
    'truth-server': 'src/load/truth-server.ts',
  },
  format: 'esm',
  target: 'node20',
  dts: { entry: { index: 'src/index.ts', prices: 'src/plan/cost.ts' } },
  clean: true,
});
