/* spaCy's Tokenizer. */

#ifndef BURST_NER_TOKENIZER_H
#define BURST_NER_TOKENIZER_H

#include "state.h"

/* Appends the tokens of chars[base … base + length) to engine->tokens, of which `count` are there; returns their new
   number. */
uint32_t tokenize(struct Engine *engine, const uint32_t *chars, uint32_t base, uint32_t length, uint32_t count);

#endif
