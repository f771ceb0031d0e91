import { defineConfig } from 'tsup';

const shared = { format: 'esm', target: 'node20', clean: true } as const;
const dts = { compilerOptions: { allowJs: true } };
const published = { index: 'src/index.ts' };
// Not published: for `npm run conformance` and `npm run bench -- emulator`.
const tools = { gateway: 'src/gateway/gateway.ts', conformance: 'conformance/conformance.ts' };

export default defineConfig([
  { ...shared, entry: { ...published, cli: 'src/cli.ts' }, dts: { ...dts, entry: published } },
  { ...shared, entry: tools, dts: { ...dts, entry: tools }, outDir: 'conformance/dist' },
]);
