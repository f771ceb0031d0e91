/** Text that is markup already. */
export class Markup {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

export type Content = string | number | Markup | readonly Content[];

/** Markup of a template whose values are escaped unless they are markup themselves. Lists are joined. */
export function markup(strings: TemplateStringsArray, ...values: Content[]): Markup {
  return new Markup(String.raw({ raw: strings }, ...values.map(toText)));
}

function toText(content: Content): string {
  if (content instanceof Markup) return content.text;
  if (typeof content === 'object') return content.map(toText).join('');
  return String(content).replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
