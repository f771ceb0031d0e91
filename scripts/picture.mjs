// Draws docs/demo.svg, the README's picture, from what `npm run demo` really prints.
// Usage: node scripts/picture.mjs [FILE…]   (the files go to the demo)
import child_process from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { command, root, UserError } from './step.mjs';

const COLUMNS = 108;
const CELL = { width: 8.43, height: 20 };
const PADDING = 20;
/** Viewers collapse ordinary spaces, whatever xml:space says. */
const NO_BREAK_SPACE = '\u00a0';
const INK = '#d7dae0';
const PAPER = '#1b1e25';
/** SGR 30-37 and 90-97 on a dark page. */
const NAMED = ['#1b1e25', '#ff7b72', '#7ee787', '#e3b341', '#79c0ff', '#d2a8ff', '#76e3ea', '#d7dae0'];

/** @typedef {{ bold: boolean, dim: boolean, ink: string, paper: string | null }} Style */
/** @returns {Style} */
const plain = () => ({ bold: false, dim: false, ink: INK, paper: null });

await command(async () => {
  const files = process.argv.slice(2);
  const { stdout, status } = child_process.spawnSync(
    process.execPath,
    [path.join(root, 'scripts/demo.mjs'), ...files],
    {
      env: { ...process.env, FORCE_COLOR: '1' },
      stdio: ['ignore', 'pipe', 'inherit'],
      encoding: 'utf8',
    },
  );
  if (status !== 0) throw new UserError(`The demo failed (exit code ${status}), so no picture was drawn.`);
  fs.writeFileSync(
    path.join(root, 'docs/demo.svg'),
    draw([
      `\x1b[2m$\x1b[0m npm run demo${files.length ? ` -- ${files.join(' ')}` : ''}`,
      ...stdout.trimEnd().split('\n'),
    ]),
  );
});

/** @param {string[]} lines text with SGR sequences */
function draw(lines) {
  const width = Math.ceil(COLUMNS * CELL.width + 2 * PADDING);
  const height = lines.length * CELL.height + 2 * PADDING;
  const rows = lines.map((line, row) => drawLine(line, PADDING + row * CELL.height));
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="What npm run demo prints">
<rect width="100%" height="100%" rx="8" fill="${PAPER}"/>
<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="14">
${rows.filter(Boolean).join('\n')}
</g>
</svg>
`;
}

/** @param {string} line @param {number} top */
function drawLine(line, top) {
  let style = plain();
  let column = 0;
  let out = '';
  // `plain` ESC[ `codes` m `painted` ESC[ `codes` m …
  for (const piece of `m${line}`.split('\x1b[')) {
    const [codes = '', part = ''] = piece.split(/m(.*)/s);
    if (codes) style = apply(style, codes.split(';').map(Number));
    if (!part) continue;
    const cells = [...part].length;
    const x = (PADDING + column * CELL.width).toFixed(1);
    const length = (cells * CELL.width).toFixed(1);
    if (style.paper)
      out += `<rect x="${x}" y="${top}" width="${length}" height="${CELL.height - 2}" fill="${style.paper}"/>`;
    if (part.trim()) {
      const weight = style.bold ? ' font-weight="bold"' : '';
      const faint = style.dim ? ' opacity="0.65"' : '';
      out += `<text x="${x}" y="${top + 14}" fill="${style.ink}" textLength="${length}" lengthAdjust="spacingAndGlyphs"${weight}${faint}>${escapeXml(part)}</text>`;
    }
    column += cells;
  }
  return out;
}

/** @param {Style} style @param {number[]} codes @returns {Style} */
function apply(style, codes) {
  const next = { ...style };
  for (let at = 0; at < codes.length; at++) {
    const code = codes[at] ?? 0;
    if (code === 0) Object.assign(next, plain());
    else if (code === 1) next.bold = true;
    else if (code === 2) next.dim = true;
    else if (code === 22) next.bold = next.dim = false;
    else if (code === 39) next.ink = INK;
    else if (code === 49) next.paper = null;
    else if (code === 48 && codes[at + 1] === 5) {
      next.paper = palette(codes[at + 2] ?? 0);
      at += 2;
    } else if (code >= 30 && code <= 37) next.ink = NAMED[code - 30] ?? INK;
    else if (code >= 90 && code <= 97) next.ink = NAMED[code - 90] ?? INK;
    else if (code >= 40 && code <= 47) next.paper = NAMED[code - 40] ?? null;
  }
  return next;
}

/** xterm's 256-colour cube and greys. @param {number} index */
function palette(index) {
  if (index >= 232)
    return `rgb(${Array(3)
      .fill(8 + (index - 232) * 10)
      .join(',')})`;
  const level = (/** @type {number} */ n) => (n === 0 ? 0 : 55 + n * 40);
  const cube = index - 16;
  return `rgb(${level(Math.floor(cube / 36))},${level(Math.floor(cube / 6) % 6)},${level(cube % 6)})`;
}

/** @param {string} text */
function escapeXml(text) {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;').replace(/ /g, NO_BREAK_SPACE);
}
