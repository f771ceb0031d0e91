/* The greedy search of spaCy's `ner`. */

#ifndef BURST_NER_SEARCH_H
#define BURST_NER_SEARCH_H

#include "state.h"

struct Entity {
  uint32_t document, first, end; /* tokens */
  uint32_t label;
};

/* Puts an entity behind the `found` ones that are there. */
void append_entity(struct Engine *engine, struct Buffer *entities, uint32_t found, struct Entity entity);

/* Puts the entities of documents into engine->entities, and returns how many there are. No entity goes on over a token that
   starts a sentence. */
uint32_t find_entities(struct Engine *engine, const struct Document *documents, uint32_t count);

/* Searches again from the first token of `old`, an entity of a document that a sentence cuts, to where nothing has changed:
   `old` is then the first entity there, at most `olds`. Appends to engine->searched, of which `found` are there, and returns
   their new number. */
uint32_t find_again(struct Engine *engine, const struct Document *document, const struct Entity **old,
                    const struct Entity *olds, uint32_t found);

#endif
