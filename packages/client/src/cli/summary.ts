import { count } from './progress.js';
import type { OutputRecord } from './record.js';

/** What a run did, for its last words. */
export class Summary {
  /** Documents that an earlier run did, and those of them that failed. */
  before = { documents: 0, failed: 0 };
  model: string | undefined;
  #done = 0;
  #failed = 0;
  #entities = 0;
  #answers = 0;
  #limited = 0;
  readonly #started = performance.now();

  addAnswer(status: number): void {
    this.#answers++;
    if (status === 429) this.#limited++;
  }

  addRecord({ entities, error }: OutputRecord): void {
    if (error) this.#failed++;
    else this.#done++;
    this.#entities += entities?.length ?? 0;
  }

  /** Documents of this run. */
  get documents(): number {
    return this.#done + this.#failed;
  }

  /** Whether a document of the whole output failed. */
  get anyFailed(): boolean {
    return this.#failed + this.before.failed > 0;
  }

  toString(): string {
    if (this.documents === 0 && this.before.documents > 0) {
      return `nothing to do: ${count(this.before.documents, 'document')} done before, ${this.before.failed} of them failed`;
    }
    const model = this.model ? `, ${this.model}` : '';
    const before = this.before.documents
      ? `; ${this.before.documents} done before, ${this.before.failed} of them failed`
      : '';
    return (
      `${count(this.#done, 'document')} done, ${this.#failed} failed, ${count(this.#entities, 'entity')}, ` +
      `${count(this.#answers, 'answer')} (${this.#limited} of them 429), ${this.#seconds()} s${model}${before}`
    );
  }

  /** @param error why the run stopped */
  toJSON(error?: string): object {
    return {
      documents: this.before.documents + this.documents,
      done: this.#done,
      failed: this.#failed,
      before: this.before,
      entities: this.#entities,
      answers: this.#answers,
      limited: this.#limited,
      seconds: Number(this.#seconds()),
      ...(this.model && { model: this.model }),
      ...(error && { error }),
    };
  }

  #seconds(): string {
    return ((performance.now() - this.#started) / 1000).toFixed(1);
  }
}
