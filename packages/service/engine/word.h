/* Words as spaCy's vocabulary has them: ids of strings, and the forms of a word that networks read. */

#ifndef BURST_NER_WORD_H
#define BURST_NER_WORD_H

#include "state.h"

/* spaCy's get_string_id. */
uint64_t string_id(struct Engine *engine, const uint32_t *chars, uint32_t length);
/* The id of str.lower. */
uint64_t lower_id(struct Engine *engine, const uint32_t *chars, uint32_t length);
/* The norm of a word whose token has none of its own. */
uint64_t norm_of(struct Engine *engine, uint64_t orth, const uint32_t *chars, uint32_t length);
/* The id of spaCy's word_shape. */
uint64_t shape_id(struct Engine *engine, const uint32_t *chars, uint32_t length);
/* A hash that nobody outside can know. */
uint64_t check_of(const struct Engine *engine, const uint32_t *chars, uint32_t length);
bool all_in(const struct Model *model, uint32_t set, const uint32_t *chars, uint32_t length);
/* UTF-8 in engine->bytes; returns its length. */
size_t to_utf8(struct Engine *engine, const uint32_t *chars, uint32_t length);

#endif
