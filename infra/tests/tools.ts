// What the tests of infra/ need beside Terraform: installed in .cache/ when first needed, and found again.
import { join } from 'node:path';
import { goCommand } from '../../scripts/go.mjs';
import { environmentOf } from '../../scripts/python.mjs';

/** Later ones take twice as long to build. */
const TFLINT = '0.54.0';

/** @returns the interpreter of an environment with what a lock file beside this one pins */
export const pythonWith = (lock: string): Promise<string> => environmentOf(join(import.meta.dirname, lock));

/** @returns the command: the one on PATH, or one that Go builds */
export const tflint = (): Promise<string> => goCommand('tflint', 'github.com/terraform-linters/tflint', TFLINT);

/**
 * Whether a part of the tests can run here. A developer's machine may lack what it needs: then one line says so and
 * that part is skipped. CI may not.
 * @param part what would be skipped
 * @param prepare gets what the part needs; its error is the line
 * @returns what `prepare` got, or undefined: skip
 */
export async function available<T>(part: string, prepare: () => T | Promise<T>): Promise<T | undefined> {
  try {
    return await prepare();
  } catch (error) {
    if (process.env['CI'] === 'true') throw error;
    console.warn(`infra: ${part} is skipped: ${error instanceof Error ? error.message : error}`);
    return undefined;
  }
}
