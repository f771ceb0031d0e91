// decK's environment references, filled in the same way for deploying and for the emulator.

const REFERENCE = /\$\{\{\s*env\s+"([^"]*)"\s*\}\}/g;

/**
 * Fills the `${{ env "DECK_…" }}` references of a declarative Kong file.
 *
 * The substitution is textual and runs before YAML is parsed, as decK's does. So references stand in single quotes,
 * which keep a value a string (12345678 would be a number), and a value that could end them is refused.
 *
 * @param {string} text the YAML file
 * @param {Record<string, string | undefined>} env where the values come from
 * @returns {string} the file with every reference replaced
 * @throws {Error} for a name without the DECK_ prefix, a missing or empty variable, or a value with other
 *   characters than URLs and keys have; the value itself is never part of the message
 */
export function render(text, env) {
  return text.replace(REFERENCE, (_reference, name, offset) => {
    const line = `line ${text.slice(0, offset).split('\n').length}`;
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
}
