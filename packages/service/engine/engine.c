#define _GNU_SOURCE

#include "engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "search.h"
#include "sentences.h"
#include "state.h"
#include "tokenizer.h"

/* ---- Memory */

/* What one long text needed is not kept for ever. */
enum { KEPT_BYTES = 8 << 20 };

static void release(struct Engine *engine, size_t most) {
  size_t sum = 0;
  for (struct Buffer *b = &engine->frames; b <= &engine->searched; b++) sum += b->bytes;
  if (sum <= most) return;
  for (struct Buffer *b = &engine->frames; b <= &engine->searched; b++) {
    free(b->data);
    *b = (struct Buffer){NULL, 0};
  }
}

/* ---- Opening */

#if defined(__x86_64__)
/* AVX2, FMA and F16C, by the processor and by the system, which has to keep the registers. */
static bool has_avx2(void) {
  unsigned a, b, c, d, low, high;
  const unsigned needed = bit_FMA | bit_F16C | bit_AVX | bit_OSXSAVE;
  if (!__get_cpuid(1, &a, &b, &c, &d) || (c & needed) != needed) return false;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (low & 6) == 6 && __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_AVX2);
}
#endif

/* The best kernels that this processor has, or at most those that a test asks for. */
static int32_t most_simd = 2;

int32_t ner_simd(int32_t most) {
  if (most >= 0) most_simd = most;
#if defined(__aarch64__)
  return 2;
#elif defined(__x86_64__)
  return most_simd >= 1 && has_avx2() ? 1 : 0;
#else
  return 0;
#endif
}

static const struct Kernels *best_kernels(void) {
#if defined(__x86_64__)
  if (ner_simd(-1) == 1) return &kernels_avx2;
#endif
  return &kernels_portable;
}

static bool make_kept(struct Engine *engine) {
  engine->runs = calloc(KEPT_RUNS, sizeof *engine->runs);
  for (uint32_t k = 0; k < 2; k++) {
    if (!engine->model.info->tok2vec[k].parts) continue;
    engine->kept[k].owners = calloc(KEPT_ROWS, sizeof *engine->kept[k].owners);
    engine->kept[k].rows = calloc((size_t)KEPT_ROWS * engine->model.info->tok2vec[k].stride, sizeof(float));
    if (!engine->kept[k].owners || !engine->kept[k].rows) return false;
  }
  return engine->runs != NULL;
}

Engine *ner_open(const char *path, char *error, size_t error_bytes) {
  struct Engine *engine = calloc(1, sizeof *engine);
  const char *wrong = engine ? model_open(&engine->model, path) : "there is no memory for it";
  if (!wrong && (!make_kept(engine) || getentropy(&engine->secret, sizeof engine->secret)))
    wrong = "there is no memory for it";
  if (!wrong) {
    engine->secret |= 1;
    engine->kernels = best_kernels();
    return engine;
  }
  snprintf(error, error_bytes, "The model file %s cannot be used: %s.", path, wrong);
  ner_close(engine);
  return NULL;
}

void ner_close(Engine *engine) {
  if (!engine) return;
  release(engine, 0);
  free(engine->answer.data);
  free(engine->runs);
  for (uint32_t k = 0; k < 2; k++) {
    free(engine->kept[k].owners);
    free(engine->kept[k].rows);
  }
  model_close(&engine->model);
  free(engine);
}

uint32_t ner_labels(const Engine *engine) { return engine->model.labels; }

const char *ner_label(const Engine *engine, uint32_t label, uint32_t *bytes) {
  const struct Model *m = &engine->model;
  *bytes = 0;
  if (label >= m->labels) return "";
  *bytes = m->labels_first[label + 1] - m->labels_first[label];
  return m->label_names + m->labels_first[label];
}

/* ---- Finding */

/* Tokens of all texts, and the documents that have some; returns how many those are. */
static uint32_t tokenize_all(struct Engine *engine, const uint32_t *chars, const uint32_t *lengths, uint32_t texts) {
  struct Document *documents = reserve(engine, &engine->documents, 2 * ((size_t)texts + 1) * sizeof *documents);
  uint32_t base = 0, tokens = 0, count = 0;
  uint64_t all_chars = 0;
  for (uint32_t i = 0; i < texts; i++) all_chars += lengths[i];
  if (all_chars > INT32_MAX) give_up(engine, NO_MEMORY); /* places are 32 bits */
  engine->text = chars;
  for (uint32_t i = 0; i < texts; base += lengths[i++]) {
    for (uint32_t c = 0; c < lengths[i]; c++)
      if (chars[base + c] > 0x10ffff || (chars[base + c] >= 0xd800 && chars[base + c] < 0xe000)) give_up(engine, NOT_UNICODE);
    look_at_clock(engine);
    const uint32_t all = tokenize(engine, chars, base, lengths[i], tokens);
    if (all > tokens) documents[count++] = (struct Document){i, base, tokens, all - tokens};
    tokens = all;
  }
  return count;
}

/* Whether a sentence begins within an entity. */
static bool is_cut(const struct Engine *engine, const struct Entity *entity) {
  const struct Token *tokens = engine->tokens.data;
  for (uint32_t t = entity->first + 1; t < entity->end; t++)
    if (tokens[t].starts) return true;
  return false;
}

/* What sentences change: no entity goes on over a beginning. An action differs only where the search without them went on
   over one, so entities that none cuts stay, and texts without an entity of several tokens need no sentences. */
static uint32_t respect_sentences(struct Engine *engine, uint32_t count, uint32_t found) {
  struct Document *documents = engine->documents.data, *longer = documents + count;
  const struct Entity *entities = engine->entities.data;
  uint32_t some = 0;
  for (uint32_t i = 0; i < found; i++)
    if (entities[i].end - entities[i].first > 1 && (!some || longer[some - 1].text != documents[entities[i].document].text))
      longer[some++] = documents[entities[i].document];
  find_sentences(engine, longer, some);
  uint32_t searched = 0;
  for (const struct Entity *e = entities, *all = entities + found; e < all;) {
    if (is_cut(engine, e)) {
      const struct Entity *olds = e;
      while (olds < all && olds->document == e->document) olds++;
      searched = find_again(engine, &documents[e->document], &e, olds, searched);
    } else {
      append_entity(engine, &engine->searched, searched++, *e++);
    }
  }
  return searched;
}

int32_t ner_find(Engine *engine, const uint32_t *chars, const uint32_t *lengths, uint32_t texts, double seconds,
                 const uint32_t **found) {
  const int failed = setjmp(engine->failed);
  if (failed) {
    release(engine, KEPT_BYTES);
    return failed;
  }
  engine->deadline = seconds_now() + seconds;
  const uint32_t count = tokenize_all(engine, chars, lengths, texts);
  uint32_t entities = count ? find_entities(engine, engine->documents.data, count) : 0;
  const struct Buffer *from = &engine->entities;
  if (engine->model.info->sentences != NO_SENTENCES && entities) {
    entities = respect_sentences(engine, count, entities);
    from = &engine->searched;
  }
  uint32_t(*answer)[4] = reserve(engine, &engine->answer, ((size_t)entities + 1) * sizeof *answer);
  const struct Document *documents = engine->documents.data;
  const struct Token *tokens = engine->tokens.data;
  for (uint32_t i = 0; i < entities; i++) {
    const struct Entity *e = (struct Entity *)from->data + i;
    const struct Document *d = &documents[e->document];
    answer[i][0] = d->text, answer[i][1] = tokens[e->first].start - d->base;
    answer[i][2] = tokens[e->end - 1].end - d->base, answer[i][3] = e->label;
  }
  *found = (const uint32_t *)answer;
  release(engine, KEPT_BYTES);
  return (int32_t)entities;
}

int32_t ner_tokens(Engine *engine, const uint32_t *chars, uint32_t length, const uint64_t **told) {
  const int failed = setjmp(engine->failed);
  if (failed) return failed;
  engine->deadline = seconds_now() + 1e9;
  const uint32_t documents = tokenize_all(engine, chars, &length, 1);
  if (documents) find_sentences(engine, engine->documents.data, 1);
  const uint32_t count = documents ? ((struct Document *)engine->documents.data)->count : 0;
  uint64_t(*answer)[4] = reserve(engine, &engine->answer, ((size_t)count + 1) * sizeof *answer);
  const struct Token *tokens = engine->tokens.data;
  for (uint32_t i = 0; i < count; i++) {
    answer[i][0] = tokens[i].start, answer[i][1] = tokens[i].end;
    answer[i][2] = tokens[i].norm, answer[i][3] = tokens[i].starts;
  }
  *told = (const uint64_t *)answer;
  return (int32_t)count;
}
