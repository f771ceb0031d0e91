#define _GNU_SOURCE

#include "model.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "The model file is little-endian, and so must be the processor."
#endif

uint64_t hash_bytes(const void *data, size_t bytes) {
  const uint64_t m = 0xc6a4a7935bd1e995u;
  const unsigned char *at = data;
  uint64_t h = 1 ^ (bytes * m), k;
  for (size_t left = bytes / 8; left; left--, at += 8) {
    memcpy(&k, at, 8);
    k *= m;
    k ^= k >> 47;
    h = (h ^ k * m) * m;
  }
  if (bytes % 8) {
    k = 0;
    memcpy(&k, at, bytes % 8);
    h = (h ^ k) * m;
  }
  h = (h ^ h >> 47) * m;
  return h ^ h >> 47;
}

/* ---- The container */

struct Entry {
  uint32_t number, zero;
  uint64_t offset, bytes, hash;
};

static uint32_t entries_of(const struct Model *m) {
  uint32_t count;
  memcpy(&count, m->data + 12, 4);
  return count;
}

static const struct Entry *find(const struct Model *m, uint32_t number) {
  const struct Entry *entries = (const struct Entry *)(m->data + HEADER_BYTES);
  for (uint32_t i = 0; i < entries_of(m); i++)
    if (entries[i].number == number) return &entries[i];
  return NULL;
}

static const char *check_container(const struct Model *m) {
  uint32_t version;
  uint64_t bytes, hash;
  if (m->bytes < HEADER_BYTES || memcmp(m->data, "BURSTNER", 8)) return "it does not begin as a model file does";
  memcpy(&version, m->data + 8, 4);
  memcpy(&bytes, m->data + 16, 8);
  memcpy(&hash, m->data + 24, 8);
  if (version != FORMAT_VERSION) return "it has another version of the format; build the model anew";
  if (bytes != m->bytes) return "it has not the length that it was written with";
  const uint32_t count = entries_of(m);
  if (count > 4096 || HEADER_BYTES + (uint64_t)count * ENTRY_BYTES > bytes) return "its directory is damaged";
  if (hash_bytes(m->data + HEADER_BYTES, (size_t)count * ENTRY_BYTES) != hash) return "its directory is damaged";
  const struct Entry *entry = (const struct Entry *)(m->data + HEADER_BYTES);
  for (uint32_t i = 0; i < count; i++, entry++) {
    if (entry->offset % ALIGNMENT || entry->offset > bytes || entry->bytes > bytes - entry->offset)
      return "its directory is damaged";
    if (i && entry->number <= entry[-1].number) return "its directory is damaged";
  }
  return NULL;
}

static bool check_hashes(const struct Model *m) {
  const struct Entry *entry = (const struct Entry *)(m->data + HEADER_BYTES);
  for (uint32_t i = 0; i < entries_of(m); i++, entry++) {
    const bool hashed = entry->number < TABLES && entry->number != VECTOR_KEYS && entry->number != VECTOR_ROWS;
    if (hashed && hash_bytes(m->data + entry->offset, entry->bytes) != entry->hash) return false;
  }
  return true;
}

/* A table of `size`-byte records; `count` gets their number. NULL where there is none, or a part of a record. */
static const void *table(const struct Model *m, uint32_t number, size_t size, uint32_t *count) {
  const struct Entry *entry = find(m, number);
  *count = 0;
  if (!entry || entry->bytes % size || entry->bytes / size > 0x7fffffff) return NULL;
  *count = (uint32_t)(entry->bytes / size);
  return m->data + entry->offset;
}

/* An array with just this many floats, or halves. */
static const void *array(const struct Model *m, uint32_t number, uint64_t count, bool half) {
  const struct Entry *entry = find(m, number);
  return entry && entry->bytes == count * (half ? 2 : 4) ? m->data + entry->offset : NULL;
}

/* ---- Tables */

/* Whether `first` has count + 1 numbers that begin with 0, never go down and end with `end`. */
static bool partition(const uint32_t *first, uint32_t numbers, uint32_t count, uint32_t end) {
  if (!first || numbers != count + 1 || first[0] != 0 || first[count] != end) return false;
  for (uint32_t i = 0; i < count; i++)
    if (first[i] > first[i + 1]) return false;
  return true;
}

static bool ascending(const uint64_t *keys, uint32_t count) {
  for (uint32_t i = 1; i < count; i++)
    if (keys[i - 1] >= keys[i]) return false;
  return true;
}

static bool check_sets(struct Model *m) {
  uint32_t firsts, ranges, words;
  m->set_first = table(m, SET_FIRST, 4, &firsts);
  m->set_ranges = table(m, SET_RANGES, 8, &ranges);
  m->set_ascii = table(m, SET_ASCII, 16, &words);
  m->sets = words;
  if (!m->set_ranges || !m->set_ascii || !partition(m->set_first, firsts, words, ranges)) return false;
  const struct Info *info = m->info;
  const uint32_t used[] = {info->space, info->alpha, info->upper, info->digit, info->cased, info->case_ignorable, info->punct};
  for (size_t i = 0; i < sizeof used / sizeof *used; i++)
    if (used[i] >= m->sets) return false;
  return true;
}

enum { DEEPEST = 8 };
static const uint32_t OPERANDS[OPERATIONS] = {0, 1, 1, 2, 1, 0, 0, 3, 3, 0};

/* Whether a program stays within itself: jumps lead to its operations, and out of no look-around. */
static bool check_program(const struct Model *m, const uint32_t *code, uint32_t length) {
  uint32_t ends[DEEPEST + 1], depth = 0, begins[DEEPEST + 1];
  if (length == 0 || length > 1u << 22) return false;
  uint32_t last = 0;
  for (uint32_t pc = 0; pc < length; pc += 1 + OPERANDS[code[pc]]) {
    if (code[pc] >= OPERATIONS || length - pc < 1 + OPERANDS[code[pc]]) return false;
    last = pc;
    if (code[pc] == OP_SET || code[pc] == OP_LOOP)
      if (code[pc + 1] >= m->sets) return false;
  }
  if (code[last] != OP_MATCH && code[last] != OP_JUMP) return false;
  begins[0] = 0, ends[0] = length;
  for (uint32_t pc = 0; pc < length; pc += 1 + OPERANDS[code[pc]]) {
    while (depth && pc >= ends[depth]) depth--;
    if (code[pc] == OP_LOOK) {
      const uint32_t next = code[pc + 3];
      if (code[pc + 1] > 3 || depth == DEEPEST || next <= pc + 4 || next >= ends[depth]) return false;
      depth++, begins[depth] = pc + 4, ends[depth] = next;
    } else if (code[pc] == OP_JUMP || code[pc] == OP_SPLIT) {
      for (uint32_t i = 1; i <= OPERANDS[code[pc]]; i++)
        if (code[pc + i] < begins[depth] || code[pc + i] >= ends[depth]) return false;
    }
  }
  return true;
}

/* Whether all jumps lead to beginnings of operations: `begins` has a byte for each word of CODE. */
static bool check_jumps(const uint32_t *code, uint32_t length, unsigned char *begins) {
  memset(begins, 0, length);
  for (uint32_t pc = 0; pc < length; pc += 1 + OPERANDS[code[pc]]) begins[pc] = 1;
  for (uint32_t pc = 0; pc < length; pc += 1 + OPERANDS[code[pc]]) {
    if (code[pc] == OP_JUMP && !begins[code[pc + 1]]) return false;
    if (code[pc] == OP_SPLIT && !(begins[code[pc + 1]] && begins[code[pc + 2]])) return false;
    if (code[pc] == OP_LOOK && !begins[code[pc + 3]]) return false;
  }
  return true;
}

static bool check_patterns(struct Model *m) {
  uint32_t alternatives, firsts, dispatches, entries, words;
  m->alternatives = table(m, ALTERNATIVES, sizeof(struct Alternative), &alternatives);
  m->pattern_first = table(m, PATTERN_FIRST, 4, &firsts);
  m->dispatch_first = table(m, DISPATCH_FIRST, 4, &dispatches);
  m->dispatch = table(m, DISPATCH, 4, &entries);
  m->code = table(m, CODE, 4, &words);
  if (!m->alternatives || !m->dispatch || !m->code) return false;
  if (!partition(m->pattern_first, firsts, PATTERNS, alternatives)) return false;
  if (!partition(m->dispatch_first, dispatches, PATTERNS * 130, entries)) return false;
  for (uint32_t p = 0; p < PATTERNS; p++)
    for (uint32_t i = m->dispatch_first[130 * p]; i < m->dispatch_first[130 * (p + 1)]; i++)
      if (m->dispatch[i] < m->pattern_first[p] || m->dispatch[i] >= m->pattern_first[p + 1]) return false;
  unsigned char *begins = mmap(NULL, words + 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0);
  if (begins == MAP_FAILED) return false;
  bool good = true;
  for (uint32_t i = 0; i < alternatives && good; i++) {
    const struct Alternative *a = &m->alternatives[i];
    good = a->first < m->sets && a->body < m->sets && a->code <= words && a->length <= words - a->code &&
           check_program(m, m->code + a->code, a->length) && check_jumps(m->code + a->code, a->length, begins);
  }
  munmap(begins, words + 1);
  for (uint32_t p = 0; p < PATTERNS; p++) {
    m->from_start[p] = true;
    for (uint32_t i = m->pattern_first[p]; i < m->pattern_first[p + 1]; i++)
      if (!(m->alternatives[i].flags & FROM_START)) m->from_start[p] = false;
  }
  return good;
}

static bool check_words(struct Model *m) {
  uint32_t firsts, chars, ids, numbers;
  m->lower_keys = table(m, LOWER_KEYS, 4, &m->lowers);
  m->lower_first = table(m, LOWER_FIRST, 4, &firsts);
  m->lower_chars = table(m, LOWER_CHARS, 4, &chars);
  if (!m->lower_keys || !m->lower_chars || !partition(m->lower_first, firsts, m->lowers, chars)) return false;
  for (uint32_t i = 0; i < chars; i++)
    if (m->lower_chars[i] > 0x10ffff) return false;
  for (uint32_t i = 0; i < m->lowers; i++)
    if (m->lower_first[i + 1] - m->lower_first[i] > 4) return false;
  m->symbol_hashes = table(m, SYMBOL_HASHES, 8, &m->symbols);
  m->symbol_ids = table(m, SYMBOL_IDS, 8, &ids);
  if (!m->symbol_hashes || !m->symbol_ids || ids != m->symbols || !ascending(m->symbol_hashes, m->symbols)) return false;
  m->norm_keys = table(m, NORM_KEYS, 8, &m->norms);
  m->norm_values = table(m, NORM_VALUES, 8, &numbers);
  if (!m->norm_keys || !m->norm_values || numbers != m->norms || !ascending(m->norm_keys, m->norms)) return false;
  m->punctuation_ids = table(m, PUNCTUATION, 8, &m->punctuation);
  return m->punctuation_ids && ascending(m->punctuation_ids, m->punctuation);
}

static bool check_rules(struct Model *m) {
  uint32_t firsts, chars, tokens, token_firsts;
  m->rule_ids = table(m, RULE_IDS, 8, &m->rules);
  m->rule_first = table(m, RULE_FIRST, 4, &firsts);
  m->rule_chars = table(m, RULE_CHARS, 4, &chars);
  m->rule_tokens_first = table(m, RULE_TOKENS_FIRST, 4, &token_firsts);
  m->rule_tokens = table(m, RULE_TOKENS, sizeof(struct RuleToken), &tokens);
  if (!m->rule_ids || !m->rule_chars || !m->rule_tokens || !ascending(m->rule_ids, m->rules)) return false;
  if (!partition(m->rule_first, firsts, m->rules, chars)) return false;
  if (!partition(m->rule_tokens_first, token_firsts, m->rules, tokens)) return false;
  m->longest_rule = 0;
  for (uint32_t rule = 0; rule < m->rules; rule++) {
    const uint32_t length = m->rule_first[rule + 1] - m->rule_first[rule];
    if (length > m->longest_rule) m->longest_rule = length;
    uint64_t sum = 0;
    for (uint32_t i = m->rule_tokens_first[rule]; i < m->rule_tokens_first[rule + 1]; i++) {
      if (!m->rule_tokens[i].length) return false;
      sum += m->rule_tokens[i].length;
    }
    if (sum != length || !length) return false;
  }
  return m->longest_rule < 1u << 16;
}

static bool check_trie(struct Model *m) {
  uint32_t firsts, keys, nexts;
  m->trie_first = table(m, TRIE_FIRST, 4, &firsts);
  m->trie_keys = table(m, TRIE_KEYS, 8, &keys);
  m->trie_next = table(m, TRIE_NEXT, 4, &nexts);
  m->trie_end = table(m, TRIE_END, 4, &m->nodes);
  if (!m->trie_keys || !m->trie_next || !m->trie_end || m->nodes < 1 || nexts != keys) return false;
  if (!partition(m->trie_first, firsts, m->nodes, keys)) return false;
  for (uint32_t node = 0; node < m->nodes; node++) {
    const uint32_t first = m->trie_first[node], count = m->trie_first[node + 1] - first;
    if (!ascending(m->trie_keys + first, count)) return false;
    for (uint32_t i = first; i < first + count; i++)
      if (m->trie_next[i] <= node || m->trie_next[i] >= m->nodes) return false;
  }
  return true;
}

static bool check_moves(struct Model *m) {
  uint32_t firsts, bytes, moves;
  m->label_names = table(m, LABELS, 1, &bytes);
  m->labels_first = table(m, LABELS_FIRST, 4, &firsts);
  if (!m->label_names || !m->labels_first || !firsts) return false;
  m->labels = firsts - 1;
  if (!partition(m->labels_first, firsts, m->labels, bytes)) return false;
  m->outside = table(m, OUTSIDE, sizeof(struct Outside), &m->outsides);
  if (!m->outside || !m->outsides || m->outsides > 65536) return false;
  for (uint32_t i = 0; i < m->outsides; i++) {
    const struct Outside *o = &m->outside[i];
    if (o->move >= m->info->ner.moves || o->label > m->labels || (!o->label && o->begins)) return false;
    if (o->begins && (o->go_on >= m->info->ner.moves || o->end >= m->info->ner.moves)) return false;
  }
  m->parser_moves = table(m, PARSER_MOVES, sizeof(struct ParserMove), &moves);
  if (!m->parser_moves || moves != m->info->parser.moves) return false;
  for (uint32_t i = 0; i < moves; i++)
    if (m->parser_moves[i].kind > 4) return false;
  return true;
}

/* ---- Arrays */

static bool check_tok2vec(struct Model *m, uint32_t k, const struct Part *parts) {
  struct Tok2Vec *t = &m->tok2vec[k];
  t->info = m->info->tok2vec[k];
  const struct Tok2VecInfo *i = &t->info;
  if (!i->parts) return true;
  const uint32_t base = TOK2VEC + k * 0x1000;
  if (!i->width || i->width > 4096 || i->stride % 16 || i->stride < i->width || i->stride - i->width > 15) return false;
  if (i->depth > MOST_LAYERS - 1 || i->window > 16 || !i->pieces || i->pieces > 8) return false;
  if (i->activation > MISH || i->normalized > 1 || i->padded > 1 || (i->activation == MISH && i->pieces != 1)) return false;
  const uint64_t columns = 3 * (uint64_t)i->stride;
  t->bias = array(m, base + EMBED_BIAS, columns, false);
  t->gain = array(m, base + EMBED_GAIN, i->stride, false);
  t->shift = array(m, base + EMBED_SHIFT, i->stride, false);
  t->parts = parts;
  uint64_t numbers = 0, inputs = 0;
  for (uint32_t p = 0; p < i->parts; p++) {
    const struct Part *part = &parts[p];
    if (!part->rows || part->rows > 1u << 27 || !part->width || part->width > 4096 || part->width % 16) return false;
    if (part->attr >= BYTES && (part->rows != 256 || part->attr >= BYTES + 1024)) return false;
    numbers += (uint64_t)part->rows * part->width, inputs += part->width;
    const uint32_t a = part->attr;
    if (a < BYTES && a != IS_SPACE_ATTR && a != SPACY_ATTR && (a < ORTH || a > SUFFIX_ATTR)) return false;
    if (a == SPACY_ATTR) t->reads_spacy = true;
  }
  if (i->vector_attr) {
    if (i->vector_attr < ORTH || i->vector_attr > NORM || i->vector_width > 4096 || i->vector_width % 16) return false;
    t->vectors = array(m, base + VECTOR_TABLE, (uint64_t)i->vector_rows * i->vector_width, m->info->half);
    if (!i->vector_width || !t->vectors) return false;
    inputs += i->vector_width;
  }
  t->table = array(m, base + EMBED_TABLE, numbers, m->info->half);
  t->mixer = array(m, base + EMBED_MIXER, inputs * columns, false);
  if (i->inputs != inputs || !t->table || !t->mixer || !t->bias || !t->gain || !t->shift) return false;
  for (uint32_t n = 0; n < i->depth; n++) {
    struct Layer *layer = &t->layers[n];
    const uint32_t number = base + LAYER + 4 * n;
    const uint64_t outputs = (uint64_t)i->pieces * i->stride;
    layer->weights = array(m, number, (i->window == 1 ? 4 : 2 * i->window + 1) * i->stride * outputs, false);
    layer->bias = array(m, number + LAYER_BIAS, outputs, false);
    if (!layer->weights || !layer->bias) return false;
    if (!i->normalized) continue;
    layer->gain = array(m, number + LAYER_GAIN, i->stride, false);
    layer->shift = array(m, number + LAYER_SHIFT, i->stride, false);
    if (!layer->gain || !layer->shift) return false;
  }
  return true;
}

static bool check_search(const struct SearchInfo *s) {
  const uint64_t used = (uint64_t)s->hidden * s->pieces;
  return s->hidden && s->hidden <= 4096 && s->pieces && s->pieces <= 8 && s->columns % 16 == 0 && s->columns >= used &&
         s->columns - used < 16 && s->moves && s->moves <= 65536 && s->has_upper <= 1 &&
         (s->has_upper || s->hidden == s->moves);
}

static bool check_arrays(struct Model *m) {
  uint32_t parts;
  const struct Info *info = m->info;
  const struct Part *all = table(m, PARTS, sizeof(struct Part), &parts);
  if (!all || info->sentences > BY_SENTENCIZER || info->shared > 1 || info->half > 1) return false;
  if (!info->tok2vec[0].parts || (uint64_t)info->tok2vec[0].parts + info->tok2vec[1].parts != parts) return false;
  if (!check_tok2vec(m, 0, all) || !check_tok2vec(m, 1, all + info->tok2vec[0].parts)) return false;
  const struct Entry *keys = find(m, VECTOR_KEYS), *rows = find(m, VECTOR_ROWS);
  if (!keys || !rows || keys->bytes % 8 || rows->bytes % 4 || keys->bytes / 8 != rows->bytes / 4) return false;
  m->vector_count = keys->bytes / 8;
  m->vector_keys = (const uint64_t *)(m->data + keys->offset);
  m->vector_rows = (const int32_t *)(m->data + rows->offset);

  const struct SearchInfo *ner = &info->ner;
  if (!check_search(ner)) return false;
  const uint64_t stride = info->tok2vec[0].stride, columns = ner->columns;
  for (uint32_t feature = 0; feature < 3; feature++)
    if (!(m->ner_lower[feature] = array(m, NER + NER_LOWER + feature, stride * columns, false))) return false;
  m->ner_outside_bias = array(m, NER + NER_OUTSIDE_BIAS, columns, false);
  m->ner_inside_bias = array(m, NER + NER_INSIDE_BIAS, columns, false);
  if (!m->ner_outside_bias || !m->ner_inside_bias) return false;
  if (ner->has_upper) {
    m->ner_upper = array(m, NER + NER_UPPER, (uint64_t)ner->hidden * ner->moves, false);
    m->ner_upper_bias = array(m, NER + NER_UPPER_BIAS, ner->moves, false);
    m->ner_upper_outside = array(m, NER + NER_UPPER_OUTSIDE, (uint64_t)ner->hidden * m->outsides, false);
    m->ner_upper_outside_bias = array(m, NER + NER_UPPER_OUTSIDE_BIAS, m->outsides, false);
    if (!m->ner_upper || !m->ner_upper_bias || !m->ner_upper_outside || !m->ner_upper_outside_bias) return false;
  }
  if (info->sentences != BY_PARSER && info->sentences != BY_SENTER) return true;
  const struct Tok2VecInfo *other = &info->tok2vec[info->shared ? 0 : 1];
  if (!other->parts) return false;
  if (info->sentences == BY_SENTER) {
    m->senter_weights = array(m, SENTER + SENTER_WEIGHTS, 2 * (uint64_t)other->stride, false);
    m->senter_bias = array(m, SENTER + SENTER_BIAS, 2, false);
    return m->senter_weights && m->senter_bias;
  }
  const struct SearchInfo *parser = &info->parser;
  if (!check_search(parser)) return false;
  const uint64_t wide = 8 * (uint64_t)parser->columns;
  m->parser_lower = array(m, PARSER + PARSER_LOWER, other->stride * wide, false);
  m->parser_present = array(m, PARSER + PARSER_PRESENT, wide, false);
  m->parser_absent = array(m, PARSER + PARSER_ABSENT, wide, false);
  m->parser_bias = array(m, PARSER + PARSER_BIAS, parser->columns, false);
  if (!m->parser_lower || !m->parser_present || !m->parser_absent || !m->parser_bias) return false;
  if (!parser->has_upper) return true;
  m->parser_upper = array(m, PARSER + PARSER_UPPER, (uint64_t)parser->hidden * parser->moves, false);
  m->parser_upper_bias = array(m, PARSER + PARSER_UPPER_BIAS, parser->moves, false);
  return m->parser_upper && m->parser_upper_bias;
}

/* ---- */

static const char *check(struct Model *m) {
  uint32_t infos;
  if (!check_hashes(m)) return "one of its tables is damaged";
  m->info = table(m, INFO, sizeof(struct Info), &infos);
  if (!m->info || infos != 1) return "it says nothing of itself";
  if (!check_sets(m) || !check_patterns(m) || !check_words(m) || !check_rules(m) || !check_trie(m))
    return "the tables of its tokenizer do not fit together";
  if (!check_moves(m)) return "the tables of its search do not fit together";
  return check_arrays(m) ? NULL : "its weights have not the sizes that they must have";
}

/* All is fetched at once and in order, but for vectors, of which a text needs a row here and there: reading ahead would fetch
   the others, too. */
static void advise(const struct Model *m) {
  const size_t page = (size_t)sysconf(_SC_PAGESIZE);
  const struct Entry *entry = (const struct Entry *)(m->data + HEADER_BYTES);
  for (uint32_t i = 0; i < entries_of(m); i++, entry++) {
    const uint32_t n = entry->number;
    if (n == VECTOR_KEYS || n == VECTOR_ROWS || n == TOK2VEC + VECTOR_TABLE || n == TOK2VEC + 0x1000 + VECTOR_TABLE) continue;
    const size_t skip = entry->offset % page;
    madvise((char *)m->data + entry->offset - skip, entry->bytes + skip, MADV_WILLNEED);
  }
}

const char *model_open(struct Model *m, const char *path) {
  memset(m, 0, sizeof *m);
  const int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return "it cannot be opened";
  struct stat status;
  if (fstat(file, &status) || !S_ISREG(status.st_mode) || status.st_size < HEADER_BYTES) {
    close(file);
    return "it does not begin as a model file does";
  }
  m->bytes = (size_t)status.st_size;
  void *data = mmap(NULL, m->bytes, PROT_READ, MAP_PRIVATE, file, 0);
  close(file);
  if (data == MAP_FAILED) return "it cannot be mapped into memory";
  m->data = data;
  madvise(data, m->bytes, MADV_RANDOM);
  const char *wrong = check_container(m);
  if (!wrong) {
    advise(m);
    wrong = check(m);
  }
  if (wrong) model_close(m);
  return wrong;
}

void model_close(struct Model *m) {
  if (m->data) munmap((void *)m->data, m->bytes);
  m->data = NULL;
}
