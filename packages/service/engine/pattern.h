/* Regular expressions as programs: Python's `re`, for what the patterns of tokenizers use. */

#ifndef BURST_NER_PATTERN_H
#define BURST_NER_PATTERN_H

#include "state.h"

/* The first match of a pattern in text[0 … length) that begins at or after `from` and does not end at `not_at`. */
bool pattern_search(struct Engine *engine, int pattern, const uint32_t *text, uint32_t length, uint32_t from,
                    uint32_t not_at, uint32_t *start, uint32_t *end);
/* Whether a match begins with the text. */
bool pattern_match(struct Engine *engine, int pattern, const uint32_t *text, uint32_t length);

#endif
