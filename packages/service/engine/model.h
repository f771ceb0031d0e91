/* A model file in memory, checked: what it says of sizes and places can be relied on. */

#ifndef BURST_NER_MODEL_H
#define BURST_NER_MODEL_H

#include <stdbool.h>
#include <stddef.h>

#include "format.h"

#define NO_SUCH 0xFFFFFFFFu

struct Layer {
  const float *weights, *bias, *gain, *shift;
};

enum { MOST_LAYERS = 64 };

struct Tok2Vec {
  struct Tok2VecInfo info;
  const struct Part *parts;
  bool reads_spacy; /* whether a word's row depends on the space behind it */
  const void *table;
  const float *bias, *gain, *shift;
  const float *mixer;
  const void *vectors;
  struct Layer layers[MOST_LAYERS];
};

struct Model {
  const unsigned char *data;
  size_t bytes;
  const struct Info *info;

  uint32_t sets;
  const uint32_t *set_first, (*set_ranges)[2];
  const uint64_t (*set_ascii)[2];

  const struct Alternative *alternatives;
  const uint32_t *pattern_first, *dispatch_first, *dispatch, *code;
  bool from_start[PATTERNS]; /* all alternatives of the pattern begin with ^ */

  uint32_t lowers;
  const uint32_t *lower_keys, *lower_first, *lower_chars;

  uint32_t rules, longest_rule;
  const uint64_t *rule_ids;
  const uint32_t *rule_first, *rule_chars, *rule_tokens_first;
  const struct RuleToken *rule_tokens;

  uint32_t nodes;
  const uint32_t *trie_first, *trie_next, *trie_end;
  const uint64_t *trie_keys;

  uint32_t symbols, norms, punctuation;
  const uint64_t *symbol_hashes, *symbol_ids, *norm_keys, *norm_values, *punctuation_ids;

  uint32_t labels;
  const uint32_t *labels_first;
  const char *label_names;

  uint32_t outsides;
  const struct Outside *outside;
  const struct ParserMove *parser_moves;

  uint64_t vector_count;
  const uint64_t *vector_keys;
  const int32_t *vector_rows;

  struct Tok2Vec tok2vec[2];
  const float *ner_lower[3], *ner_outside_bias, *ner_inside_bias, *ner_upper, *ner_upper_bias, *ner_upper_outside,
      *ner_upper_outside_bias;
  const float *parser_lower, *parser_present, *parser_absent, *parser_bias, *parser_upper, *parser_upper_bias;
  const float *senter_weights, *senter_bias;
};

/* Maps and checks a file. Returns NULL, or what is wrong as the end of a sentence: "it is shorter than …". */
const char *model_open(struct Model *model, const char *path);
void model_close(struct Model *model);

/* MurmurHash64A with seed 1. */
uint64_t hash_bytes(const void *data, size_t bytes);

/* Whether the numbers of `keys`, ascending, have this one; its place goes to `place`. */
static inline bool find_key(const uint64_t *keys, uint64_t count, uint64_t key, uint64_t *place) {
  uint64_t low = 0, high = count;
  while (low < high) {
    const uint64_t middle = low + (high - low) / 2;
    if (keys[middle] < key) low = middle + 1;
    else high = middle;
  }
  *place = low;
  return low < count && keys[low] == key;
}

static inline bool in_set(const struct Model *model, uint32_t set, uint32_t c) {
  if (c < 128) return model->set_ascii[set][c >> 6] >> (c & 63) & 1;
  uint32_t low = model->set_first[set], high = model->set_first[set + 1];
  const uint32_t first = low;
  while (low < high) {
    const uint32_t middle = low + (high - low) / 2;
    if (model->set_ranges[middle][0] <= c) low = middle + 1;
    else high = middle;
  }
  return low > first && c <= model->set_ranges[low - 1][1];
}

#endif
