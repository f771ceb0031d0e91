// Answers `npm install` (or yarn), run here by reflex. npm runs this after it has put the root's packages in place of
// what was there, so the next command must install again.
import fs from 'node:fs';

if (!process.env['npm_config_user_agent']?.startsWith('pnpm/')) {
  for (const stamp of ['.made-from', '.modules.yaml']) fs.rmSync(`node_modules/${stamp}`, { force: true });
  console.error(
    'This is a pnpm workspace: nothing needs installing by hand. Run `npm run demo` or `npm test`; each sets up all it needs.',
  );
  process.exit(1);
}
