import { defineConfig } from 'tsup';

const imported = {
  index: 'src/index.ts',
  // For `npm run conformance` and `npm run bench -- emulator`.
  gateway: 'src/gateway/gateway.ts',
  conformance: 'src/gateway/conformance/conformance.ts',
};

export default defineConfig({
  entry: { ...imported, cli: 'src/cli.ts' },
  format: 'esm',
  target: 'node20',
  dts: { entry: imported, compilerOptions: { allowJs: true } },
  clean: true,
});
