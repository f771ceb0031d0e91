/* What one engine holds: its model, its memory, and how work is given up. */

#ifndef BURST_NER_STATE_H
#define BURST_NER_STATE_H

#include <setjmp.h>

#include "engine.h"
#include "kernels.h"
#include "model.h"

/* Memory that grows and is used again. */
struct Buffer {
  void *data;
  size_t bytes;
};

struct Token {
  uint32_t start, end; /* code points, counted through all texts of the call */
  uint64_t orth, norm; /* ids */
  uint64_t check;      /* a hash that nobody outside can know; with orth and norm it stands for the word */
  bool space;          /* white space alone */
  bool followed;       /* by a single space, which belongs to no token */
  bool starts;         /* a sentence */
};

struct Document {
  uint32_t text, base;   /* number of the text, and its first code point */
  uint32_t first, count; /* its tokens */
};

enum { KEPT_RUNS = 8192, RUN_PIECES = 4, LONGEST_KEPT = 64 };

/* What the tokenizer made of a run of characters. */
struct Piece {
  uint32_t start, end; /* within the run */
  uint64_t norm;       /* of the special case; 0: the word's own */
};
struct KeptRun {
  uint64_t check;
  uint32_t length, pieces;
  struct { uint64_t orth, norm, check; uint16_t start, end; bool space; } piece[RUN_PIECES];
};

enum { KEPT_ROWS = 8192 };
/* The rows of words that a tok2vec embedded, and whose they are. Two places for each word: the older one goes. */
struct KeptRows {
  struct Owner { uint64_t orth, norm, check; } *owners;
  float *rows;
};

struct Frame { uint32_t pc, at, low; };

struct Engine {
  struct Model model;
  const struct Kernels *kernels;
  jmp_buf failed;
  double deadline; /* seconds of the monotonic clock */
  uint32_t steps;  /* of patterns, since the clock was last looked at */
  uint64_t secret; /* of `check`; odd */

  const uint32_t *text; /* the code points of the call's texts */
  struct KeptRun *runs;
  struct KeptRows kept[2];

  /* Of the tokenizer, tok2vecs, searches, and the answer. */
  struct Buffer frames, lowest, pieces, suffixes, spans, seen, chars, bytes, tokens, documents;
  struct Buffer inputs, rows, places, products;
  struct Buffer vectors, slots, slot_of, parse, arcs, queue, coming, state;
  struct Buffer entities, searched, answer;
};

/* Gives up the call: it returns `code`. What is kept between calls is whole at any time. */
_Noreturn void give_up(struct Engine *engine, int code);
/* At least this many bytes, with what was there before. */
void *reserve(struct Engine *engine, struct Buffer *buffer, size_t bytes);
/* Gives up where no time is left. */
void look_at_clock(struct Engine *engine);
double seconds_now(void);

#endif
