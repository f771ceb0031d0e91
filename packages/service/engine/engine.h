/* Named entities of texts by spaCy's models, without spaCy: the functions that the library exports. */

#ifndef BURST_NER_ENGINE_H
#define BURST_NER_ENGINE_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define EXPORTED __attribute__((visibility("default")))
#else
#define EXPORTED
#endif

/* A model file that is mapped, and what is kept of earlier texts. For one thread at a time. */
typedef struct Engine Engine;

enum { NO_MEMORY = -1, OUT_OF_TIME = -2, NOT_UNICODE = -3 };

/* Opens a model file. The file must not change as long as it is open.
   Returns NULL, and one sentence in `error` (UTF-8, cut to error_bytes with its final zero), where it cannot be used. */
EXPORTED Engine *ner_open(const char *path, char *error, size_t error_bytes);
EXPORTED void ner_close(Engine *engine);

EXPORTED uint32_t ner_labels(const Engine *engine);
/* The name of a label, UTF-8 without a final zero; its length goes to `bytes`. */
EXPORTED const char *ner_label(const Engine *engine, uint32_t label, uint32_t *bytes);

/* Entities of texts.
   chars: the code points of all texts, one after the other; lengths: how many each text has.
   seconds: no more work is begun after this time; what it would have been for is given up.
   found: gets u32[4] for each entity: number of the text, start, end (code points within the text), number of the label;
   in the order of the texts; good until the next call.
   Returns the number of entities, or NO_MEMORY, OUT_OF_TIME, NOT_UNICODE (a surrogate, or above U+10FFFF). */
EXPORTED int32_t ner_find(Engine *engine, const uint32_t *chars, const uint32_t *lengths, uint32_t texts, double seconds,
                          const uint32_t **found);

/* Tokens of one text, for tests and proofs. tokens: gets u64[4] for each: start, end, norm, 1 where a sentence begins
   (by the model's parser, senter or sentencizer; all 0 without one). Returns their number, or as ner_find. */
EXPORTED int32_t ner_tokens(Engine *engine, const uint32_t *chars, uint32_t length, const uint64_t **tokens);

/* 0: portable code, 1: AVX2 with FMA, 2: NEON. `most` chooses at most that (for tests); -1 only asks. */
EXPORTED int32_t ner_simd(int32_t most);

#endif
