// Answers `npm install` (or yarn), run here by reflex. npm runs this after it has fetched the root's packages;
// the set-up of the commands replaces what it left.
if (!process.env['npm_config_user_agent']?.startsWith('pnpm/')) {
  console.error(
    'This is a pnpm workspace: nothing needs installing by hand. Run `npm run demo` or `npm test`; each sets up all it needs.',
  );
  process.exit(1);
}
