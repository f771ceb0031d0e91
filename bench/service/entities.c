/* The entities of texts by the engine's library, for a machine without Python: entities MODEL < texts > entities.
   In: u32 number of texts, u32 lengths, u32 code points. Out: a line for each entity: number of the text, start, end, label. */
#include <stdio.h>
#include <stdlib.h>

#include "engine.h"

int main(int count, char **arguments) {
  char error[1000] = "no model";
  Engine *engine = count > 1 ? ner_open(arguments[1], error, sizeof error) : NULL;
  uint32_t texts, chars = 0;
  if (!engine || fread(&texts, 4, 1, stdin) != 1) return fprintf(stderr, "%s\n", error), 1;
  uint32_t *lengths = malloc(4 * (size_t)texts);
  if (fread(lengths, 4, texts, stdin) != texts) return 1;
  for (uint32_t i = 0; i < texts; i++) chars += lengths[i];
  uint32_t *text = malloc(4 * (size_t)chars + 4);
  if (fread(text, 4, chars, stdin) != chars) return 1;
  const uint32_t *found;
  int32_t entities = ner_find(engine, text, lengths, texts, 3600, &found);
  if (entities < 0) return fprintf(stderr, "ner_find: %d\n", entities), 1;
  for (const uint32_t *entity = found; entity < found + 4 * entities; entity += 4) {
    uint32_t bytes;
    const char *label = ner_label(engine, entity[3], &bytes);
    printf("%u %u %u %.*s\n", entity[0], entity[1], entity[2], (int)bytes, label);
  }
  fprintf(stderr, "%d\n", ner_simd(-1));
  return fflush(stdout) != 0;
}
