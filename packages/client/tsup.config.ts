import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { defineConfig, type Options } from 'tsup';

// What only the command needs, and p-limit, are bundled: a program that installs the library gets none of it beside.
const BUNDLED = ['p-limit', 'yocto-queue', 'commander', 'tinyglobby', 'fdir', 'picomatch'];

const common: Options = { target: 'node20', format: ['esm'], noExternal: BUNDLED };

export default defineConfig([
  {
    ...common,
    outDir: 'dist',
    entry: { index: 'src/index.ts', documents: 'src/files/documents.ts', testing: 'src/testing/index.ts' },
    external: ['msw'],
    dts: true,
    clean: ['!cli/**'],
  },
  {
    ...common,
    outDir: 'dist/cli',
    entry: { main: 'src/cli/main.ts' },
    // Some of what is bundled is CommonJS.
    banner: {
      js: "import { createRequire as requireFrom } from 'node:module';\nconst require = requireFrom(import.meta.url);",
    },
    clean: true,
    onSuccess: async () => writeLicences(),
  },
]);

function writeLicences(): void {
  const texts = BUNDLED.map((name) => {
    const folder = new URL(`../../node_modules/${name}/`, import.meta.url);
    const file = ['license', 'LICENSE', 'License'].find((it) => existing(new URL(it, folder)));
    if (!file) throw new Error(`${name} is bundled and has no licence`);
    const { version } = createRequire(import.meta.url)(new URL('package.json', folder).pathname);
    return `${name} ${version}\n\n${readFileSync(new URL(file, folder), 'utf8').trim()}\n`;
  });
  writeFileSync('dist/LICENSES.txt', `What the files here hold of others:\n\n${texts.join(`\n${'-'.repeat(80)}\n\n`)}`);
}

function existing(file: URL): boolean {
  try {
    readFileSync(file);
    return true;
  } catch {
    return false;
  }
}
