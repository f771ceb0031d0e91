/* Where sentences begin: by the model's parser, senter or sentencizer. */

#ifndef BURST_NER_SENTENCES_H
#define BURST_NER_SENTENCES_H

#include "state.h"

/* Sets `starts` of the tokens of documents, which must be one behind the other in engine->documents' order. */
void find_sentences(struct Engine *engine, const struct Document *documents, uint32_t count);

/* The parser's part of it; vectors [tokens, stride] of the documents' tokens, those of each behind those of the one before. */
void parse(struct Engine *engine, const struct Document *documents, uint32_t count, const float *vectors, uint32_t rows);

#endif
