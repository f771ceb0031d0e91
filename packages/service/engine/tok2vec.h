/* Vectors of tokens: what each word is, then what the words around it make of it. */

#ifndef BURST_NER_TOK2VEC_H
#define BURST_NER_TOK2VEC_H

#include "state.h"

enum { BLOCK = 256, SHORT_BLOCK = 24 };

/* Documents in a row, with places of no token before, between and after them. */
struct Stream {
  uint32_t k; /* which tok2vec */
  const struct Document *documents;
  uint32_t count;
  uint32_t pad;      /* places between two documents */
  uint32_t block;    /* places that are encoded at a time: BLOCK, or less where little is needed */
  uint64_t *begins;  /* where the tokens of each begin */
  uint64_t end;      /* the place behind the last token; the first one is at begins[0] */
};

/* A stream over documents that have tokens; its memory is the engine's, and good until the next one. */
struct Stream open_stream(struct Engine *engine, uint32_t k, const struct Document *documents, uint32_t count);

/* Vectors of the tokens at the next `block` places from `at`, which moves on. Returns [rows, stride] for those places that
   have a token; `tokens` gets their numbers, and `rows` how many there are. Good until the next call. */
const float *encode(struct Engine *engine, const struct Stream *stream, uint64_t *at, uint32_t *tokens, uint32_t *rows);

#endif
