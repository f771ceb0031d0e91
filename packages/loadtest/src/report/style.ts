/** The page's only style. Colours of classes are those of the terminal: cold is blue, warm is amber. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --paper: #fdfdfb; --ink: #1c1f24; --soft: #5a616c; --line: #e1e2de; --panel: #f4f4f0;
  --cold: #1d62b4; --ahead: #0d7566; --warm: #ad5405; --unknown: #5a616c; --refused: #8a4a9e; --failed: #b3261e;
  --part-1: #3d2c6b; --part-2: #5b4699; --part-3: #7c68bb; --part-4: #9f8fd2; --part-5: #c2b7e4; --part-6: #ddd9ea;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #15171b; --ink: #e6e7ea; --soft: #a0a7b3; --line: #2f343c; --panel: #1d2025;
    --cold: #74b4ff; --ahead: #54cfb6; --warm: #f0a35a; --unknown: #a0a7b3; --refused: #d19be0; --failed: #ff8379;
    --part-1: #ece7ff; --part-2: #c9bdf2; --part-3: #a594e0; --part-4: #8270c4; --part-5: #62529b; --part-6: #463d68;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0 auto; padding: 3rem 1.25rem 4rem; max-width: calc(720px + 2.5rem);
  background: var(--paper); color: var(--ink);
  font: 16px/1.5 -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif;
  font-variant-numeric: tabular-nums;
}
h1 { font-size: 1.75rem; line-height: 1.25; font-weight: 650; letter-spacing: -0.012em; margin: 0.4rem 0 0; text-wrap: balance; }
h2 { font-size: 1.12rem; line-height: 1.3; font-weight: 650; margin: 0 0 0.25rem; }
p { margin: 0; }
h1, p, dt, dd, li { overflow-wrap: anywhere; }
a { color: inherit; text-underline-offset: 0.2em; }
section { margin-top: 3rem; }
.soft, figcaption, .note, th, dt { color: var(--soft); }
.soft, .note, figcaption { font-size: 0.875rem; }
.note { margin-top: 0.75rem; }
figure { margin: 0.75rem 0 0; }
figcaption { margin-bottom: 0.75rem; }
svg { font-family: inherit; display: block; max-width: 100%; height: auto; overflow: visible; font-size: 12px; color: var(--soft); }
svg text { white-space: pre; }
.narrow { display: none; }
.key { display: flex; flex-wrap: wrap; gap: 0.25rem 1.25rem; margin: 0.5rem 0 0; padding: 0; list-style: none; font-size: 0.875rem; }
.key li { display: flex; align-items: center; gap: 0.45rem; }
.swatch { display: inline-block; flex: none; width: 0.75rem; height: 0.75rem; border-radius: 2px; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
.round, .is-cold { border-radius: 50%; }
.is-ahead { clip-path: polygon(50% 0, 100% 100%, 0 100%); }
.is-unknown { clip-path: polygon(50% 0, 100% 50%, 50% 100%, 0 50%); }
.is-refused { clip-path: polygon(20% 0, 50% 30%, 80% 0, 100% 20%, 70% 50%, 100% 80%, 80% 100%, 50% 70%, 20% 100%, 0 80%, 30% 50%, 0 20%); }
.is-failed { clip-path: polygon(50% 0, 61% 35%, 98% 35%, 68% 57%, 79% 91%, 50% 70%, 21% 91%, 32% 57%, 2% 35%, 39% 35%); }
.small { font-size: 0.8125rem; white-space: nowrap; }
.small th, .small td { padding-inline: 0.35rem; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(7.75rem, 1fr)); gap: 1.25rem 1rem; margin: 2rem 0 0; padding: 1.25rem 0 0; border-top: 1px solid var(--line); }
.figures dt { font-size: 0.875rem; }
.figures dd { margin: 0; }
.figures strong { display: block; font-size: 1.9rem; line-height: 1.2; font-weight: 600; letter-spacing: -0.015em; }
/* A shadow at the edge behind which more of a table is. */
.scroll {
  overflow-x: auto;
  background: linear-gradient(90deg, var(--paper) 30%, transparent) left / 2.5rem 100% local,
    linear-gradient(270deg, var(--paper) 30%, transparent) right / 2.5rem 100% local,
    linear-gradient(90deg, var(--line), transparent) left / 0.75rem 100% scroll,
    linear-gradient(270deg, var(--line), transparent) right / 0.75rem 100% scroll;
  background-repeat: no-repeat;
}
caption { text-align: left; font-size: 0.875rem; color: var(--soft); }
table { border-collapse: collapse; font-size: 0.9375rem; width: 100%; margin-top: 0.75rem; }
th, td { padding: 0.4rem 0.75rem; text-align: right; vertical-align: baseline; font-weight: 400; border-top: 1px solid var(--line); }
th:first-child, td:first-child { padding-left: 0; text-align: left; }
th:last-child, td:last-child { padding-right: 0; }
thead th { border-top: 0; }
th { white-space: nowrap; }
td small, th small { display: block; color: var(--soft); font-size: 0.8125rem; }
.bars + table tr:last-child > * { border-top: 2px solid var(--ink); font-weight: 600; color: var(--ink); }
.bars { display: grid; grid-template-columns: max-content 1fr; gap: 0.5rem 0.75rem; margin-top: 0.75rem; align-items: center; font-size: 0.875rem; }
.bar { display: flex; gap: 1px; height: 1.5rem; }
.bar i { display: block; min-width: 1px; border-radius: 1px; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
.asked { display: grid; grid-template-columns: fit-content(40%) 1fr; gap: 0.3rem 1.25rem; margin: 0.5rem 0 0; font-size: 0.9375rem; }
.asked dd { margin: 0; }
.lines { margin: 0.5rem 0 0; padding-left: 1.1rem; }
.lines li { margin-top: 0.35rem; }
@media (max-width: 760px) {
  .wide { display: none; }
  .narrow { display: block; }
  body { padding: 1.75rem 1.125rem 3rem; }
  h1 { font-size: 1.4rem; }
  section { margin-top: 2.25rem; }
  th, td { padding: 0.4rem 0.35rem; }
  table { font-size: 0.875rem; }
  .asked { grid-template-columns: 1fr; gap: 0; }
  .asked dd { margin-bottom: 0.5rem; }
}
@media print {
  body { padding: 0; font-size: 11pt; }
  section, figure, tr, .figures { break-inside: avoid; }
  h2 { break-after: avoid; }
  section { margin-top: 1.75rem; }
  .scroll { overflow: visible; }
  .small { font-size: 7.5pt; }
  .small th, .small td { padding-inline: 0.25rem; }
  .wide { display: block; }
  .narrow { display: none; }
}
`;
