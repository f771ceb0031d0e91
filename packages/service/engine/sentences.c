#include "sentences.h"

#include <string.h>

#include "tok2vec.h"
#include "word.h"

enum { GROUP = 4096 };

/* Source: spacy/pipeline/senter.pyx. */
static void by_senter(struct Engine *engine, const float *vectors, const uint32_t *numbers, uint32_t rows) {
  const struct Model *m = &engine->model;
  const uint32_t stride = m->tok2vec[m->info->shared ? 0 : 1].info.stride;
  struct Token *tokens = engine->tokens.data;
  for (uint32_t r = 0; r < rows; r++, vectors += stride) {
    float inside = m->senter_bias[0], start = m->senter_bias[1];
    for (uint32_t i = 0; i < stride; i++) {
      inside += vectors[i] * m->senter_weights[i];
      start += vectors[i] * m->senter_weights[stride + i];
    }
    tokens[numbers[r]].starts = start > inside;
  }
}

/* Source: spacy/pipeline/sentencizer.pyx. */
static void by_sentencizer(struct Engine *engine, const struct Document *document) {
  const struct Model *m = &engine->model;
  struct Token *tokens = (struct Token *)engine->tokens.data + document->first;
  bool seen = false;
  uint32_t start = 0;
  for (uint32_t i = 0; i < document->count; i++) {
    uint64_t place;
    const bool ends = find_key(m->punctuation_ids, m->punctuation, tokens[i].orth, &place);
    const uint32_t length = tokens[i].end - tokens[i].start;
    if (seen && !ends && !all_in(m, m->info->punct, engine->text + tokens[i].start, length)) {
      tokens[start].starts = true;
      start = i, seen = false;
    } else if (ends) {
      seen = true;
    }
  }
  if (start < document->count) tokens[start].starts = true;
}

/* Documents that are encoded together: at least one, and no more than GROUP tokens beyond it. */
static uint32_t group_of(const struct Document *documents, uint32_t count, uint32_t *rows) {
  uint32_t n = 0;
  *rows = 0;
  while (n < count && (!n || *rows + documents[n].count <= GROUP)) *rows += documents[n++].count;
  return n;
}

void find_sentences(struct Engine *engine, const struct Document *documents, uint32_t count) {
  const struct Model *m = &engine->model;
  const uint32_t k = m->info->shared ? 0 : 1;
  const size_t stride = m->tok2vec[k].info.stride;
  if (m->info->sentences == BY_SENTENCIZER)
    for (uint32_t d = 0; d < count; d++) by_sentencizer(engine, &documents[d]);
  if (m->info->sentences != BY_PARSER && m->info->sentences != BY_SENTER) return;
  uint32_t rows;
  for (uint32_t d = 0, n; d < count; d += n) {
    n = group_of(documents + d, count - d, &rows);
    const struct Stream stream = open_stream(engine, k, documents + d, n);
    float *vectors = m->info->sentences == BY_PARSER ? reserve(engine, &engine->vectors, rows * stride * sizeof *vectors) : NULL;
    uint32_t numbers[BLOCK], here, done = 0;
    for (uint64_t at = stream.begins[0]; at < stream.end;) {
      const float *block = encode(engine, &stream, &at, numbers, &here);
      if (vectors) memcpy(vectors + done * stride, block, here * stride * sizeof *block);
      else by_senter(engine, block, numbers, here);
      done += here;
    }
    if (vectors) parse(engine, documents + d, n, vectors, rows);
  }
}
