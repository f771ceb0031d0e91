// decK's environment references, filled in the same way for deploying and for the emulator.
import { parseDocument, visit } from 'yaml';

const REFERENCE = /\$\{\{\s*env\s+"([^"\p{Cc}]*)"\s*\}\}/gu;

/**
 * Fills the `${{ env "DECK_…" }}` references of a declarative Kong file.
 *
 * The substitution is textual and runs before YAML is parsed, as decK's does. So a value could end its quotes, or be no
 * text where decK has dropped them (its patch and merge do): both are refused.
 *
 * @param {string} text the YAML file
 * @param {Record<string, string | undefined>} env where the values come from
 * @returns {string} the file with every reference replaced
 * @throws {Error} for a name without the DECK_ prefix, a missing or empty variable, a value with other characters than
 *   URLs and keys have, or one that is no text where it stands; the value itself is never part of the message
 */
export function render(text, env) {
  const filled = text.replace(REFERENCE, (_reference, name, offset) => {
    const line = lineOf(text, offset);
    if (!name.startsWith('DECK_')) {
      throw new Error(`${line}: decK reads only variables that start with DECK_, not ${name}; rename it`);
    }
    const value = env[name];
    if (!value) throw new Error(`${line}: the environment variable ${name} is not set; set it to render this file`);
    if (!/^[\w.~:/?@%+=-]+$/.test(value)) {
      throw new Error(
        `${line}: the value of ${name} has a character that YAML could misread; use letters, digits and . _ ~ : / ? @ % + = -`,
      );
    }
    return value;
  });
  const fill = (/** @type {string} */ part) => part.replace(REFERENCE, (_reference, name) => env[name] ?? '');
  visit(parsed(text), {
    Scalar(_key, { value, range }) {
      const [name] = typeof value === 'string' ? [...value.matchAll(REFERENCE)].map((match) => match[1]) : [];
      if (!range || typeof value !== 'string' || name === undefined) return;
      const there = fill(text.slice(range[0], range[1]));
      // decK reads as YAML 1.1 did in part (off, 1_000) and as 1.2 does in part (0o17).
      if (isText(there, fill(value), '1.1') && isText(there, fill(value), '1.2')) return;
      throw new Error(
        `${lineOf(text, range[0])}: without quotes, YAML takes the value of ${name} for a number, a truth value or the like; choose another value`,
      );
    },
  });
  return filled;
}

/**
 * The file as decK's patch and merge write it: with no more quotes than YAML needs.
 *
 * @param {string} text
 */
export function unquoted(text) {
  const document = parseDocument(text);
  visit(document, {
    Scalar(_key, node) {
      if (/^QUOTE_/.test(node.type ?? '')) node.type = 'PLAIN';
    },
  });
  return document.toString();
}

/**
 * Puts a certificate in the place of the first one of the file: the function beside the emulator has one of its own.
 *
 * @param {string} text
 * @param {string} ca PEM
 */
export function trust(text, ca) {
  return text.replace(/^( *)-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/m, (_pem, indent) =>
    ca.trim().replace(/^/gm, indent),
  );
}

/** @param {string} text @param {number} offset */
const lineOf = (text, offset) => `line ${text.slice(0, offset).split('\n').length}`;

/** @param {string} text */
function parsed(text) {
  try {
    return parseDocument(text, { prettyErrors: false });
  } catch {
    throw new Error('line 1: the file is nested too deep to be read; correct it');
  }
}

/** @param {string} source a scalar as it is written @param {string} value @param {'1.1' | '1.2'} version */
function isText(source, value, version) {
  const document = parseDocument(source, { version });
  return document.errors.length === 0 && document.toJS() === value;
}
