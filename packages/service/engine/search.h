/* The greedy search of spaCy's `ner`. */

#ifndef BURST_NER_SEARCH_H
#define BURST_NER_SEARCH_H

#include "state.h"

struct Entity {
  uint32_t document, first, end; /* tokens */
  uint32_t label;
};

/* Appends the entities of documents to `entities`, of which `found` are there; returns their new number. No entity goes on
   over a token that starts a sentence. `number` is that of the first document. */
uint32_t find_entities(struct Engine *engine, const struct Document *documents, uint32_t count, uint32_t number,
                       struct Buffer *entities, uint32_t found);

#endif
