// Which licences may be in what is shipped.
// @ts-expect-error: the types that there are for it are of an older version
import satisfies from 'spdx-satisfies';

/** Those that ask for no more than their text, which is in each artefact. */
const ALLOWED = [
  '0BSD',
  'Apache-2.0',
  'BlueOak-1.0.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'CC0-1.0',
  'ISC',
  'MIT',
  'PSF-2.0',
  'Unlicense',
  'Zlib',
];

/** Looked at by hand: each name with what its package says of itself. If that changes, it is asked about again. */
const SEEN = new Map([
  ['blis', 'License :: OSI Approved :: BSD License'], // its text is BSD-3-Clause
  ['tqdm', 'MPL-2.0 AND MIT'], // MPL asks for the source of its files: they are Python, and as they were
]);

/**
 * @param {import('./bill.mjs').Bill} bill
 * @returns {string[]} a sentence for each component whose licence is not allowed or not told
 */
export function refusedLicences(bill) {
  const all = [bill.metadata.component, ...(bill.metadata.component.components ?? []), ...bill.components];
  return all.flatMap(({ name, version, licenses = [] }) => {
    const told = licenses.map((each) =>
      'expression' in each ? each.expression : (each.license.id ?? each.license.name),
    );
    if (told.length > 0 && told.every((each) => allowed(each) || SEEN.get(name) === each)) return [];
    return [`${name} ${version} has the licence ${told.join(', ') || 'of nobody knows'}, which is not allowed.`];
  });
}

/** @param {string | undefined} licence */
function allowed(licence = '') {
  try {
    return satisfies(licence, ALLOWED);
  } catch {
    return false; // not SPDX
  }
}
