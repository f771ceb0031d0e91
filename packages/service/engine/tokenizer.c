/* Source: spacy/tokenizer.pyx. A text is cut into runs of white space and of other characters; pieces are taken off the
   ends of a run by its rules; what remains is cut by the infixes; then special cases that stretch over several tokens
   are looked for. */

#include "tokenizer.h"

#include <stdlib.h>
#include <string.h>

#include "pattern.h"
#include "word.h"

/* ---- Special cases */

/* The special case that a string is, or NO_SUCH. */
static uint32_t find_rule(struct Engine *engine, const uint32_t *chars, uint32_t length) {
  const struct Model *model = &engine->model;
  uint64_t place;
  if (!length || length > model->longest_rule) return NO_SUCH;
  if (!find_key(model->rule_ids, model->rules, string_id(engine, chars, length), &place)) return NO_SUCH;
  const uint32_t first = model->rule_first[place];
  if (model->rule_first[place + 1] - first != length) return NO_SUCH;
  return memcmp(model->rule_chars + first, chars, length * sizeof *chars) ? NO_SUCH : (uint32_t)place;
}

static bool is_rule(struct Engine *engine, const uint32_t *chars, uint32_t length) {
  return find_rule(engine, chars, length) != NO_SUCH;
}

/* ---- Runs */

struct List {
  struct Buffer *buffer;
  uint32_t count;
};

static void append(struct Engine *engine, struct List *list, uint32_t start, uint32_t end, uint64_t norm) {
  struct Piece *pieces = list->buffer->data;
  if ((list->count + 1) * sizeof *pieces > list->buffer->bytes)
    pieces = reserve(engine, list->buffer, 2 * (list->count + 16) * sizeof *pieces);
  pieces[list->count++] = (struct Piece){start, end, norm};
}

/* The length of what a pattern finds. */
static uint32_t find(struct Engine *engine, int pattern, const uint32_t *text, uint32_t length) {
  uint32_t start, end;
  return length && pattern_search(engine, pattern, text, length, 0, NO_SUCH, &start, &end) ? end - start : 0;
}

/* Cuts run[a … b) at its infixes; as by re.finditer, behind an empty match comes one that is not empty, or begins later. */
static void cut_infixes(struct Engine *engine, const uint32_t *run, uint32_t a, uint32_t b, struct List *out) {
  const uint32_t *text = run + a, length = b - a;
  uint32_t begin = 0, from = 0, empty_at = NO_SUCH, start, end;
  while (from <= length && pattern_search(engine, INFIX, text, length, from, empty_at, &start, &end)) {
    from = end, empty_at = start == end ? end : NO_SUCH;
    if (start == 0) continue;
    if (start != begin) append(engine, out, a + begin, a + start, 0);
    if (start != end) append(engine, out, a + start, a + end, 0);
    begin = end;
  }
  if (begin < length) append(engine, out, a + begin, b, 0);
}

/* What is left of a run when its ends are off. */
static void cut_middle(struct Engine *engine, const uint32_t *run, uint32_t a, uint32_t b, struct List *out) {
  const struct Model *model = &engine->model;
  const uint32_t *text = run + a, length = b - a, rule = find_rule(engine, text, length);
  if (rule != NO_SUCH) {
    for (uint32_t i = model->rule_tokens_first[rule]; i < model->rule_tokens_first[rule + 1]; i++) {
      append(engine, out, a, a + model->rule_tokens[i].length, model->rule_tokens[i].norm);
      a += model->rule_tokens[i].length;
    }
  } else if (pattern_match(engine, TOKEN_MATCH, text, length) || pattern_match(engine, URL_MATCH, text, length)) {
    append(engine, out, a, b, 0);
  } else {
    cut_infixes(engine, run, a, b, out);
  }
}

/* The pieces of a run, in engine->pieces; returns their number. */
static uint32_t cut(struct Engine *engine, const uint32_t *run, uint32_t length) {
  struct List out = {&engine->pieces, 0}, suffixes = {&engine->suffixes, 0};
  uint32_t a = 0, b = length, last = 0;
  while (b > a && b - a != last) {
    const uint32_t *text = run + a, left = b - a;
    if (pattern_match(engine, TOKEN_MATCH, text, left) || is_rule(engine, text, left)) break;
    last = left;
    const uint32_t prefix = find(engine, PREFIX, text, left);
    if (prefix && prefix < left && is_rule(engine, text + prefix, left - prefix)) {
      append(engine, &out, a, a + prefix, 0);
      a += prefix;
      break;
    }
    const uint32_t suffix = find(engine, SUFFIX, text + prefix, left - prefix);
    if (suffix && suffix < left && is_rule(engine, text, left - suffix)) {
      append(engine, &suffixes, b - suffix, b, 0);
      b -= suffix;
      break;
    }
    if (prefix) append(engine, &out, a, a + prefix, 0), a += prefix;
    if (suffix) append(engine, &suffixes, b - suffix, b, 0), b -= suffix;
  }
  if (b > a) cut_middle(engine, run, a, b, &out);
  while (suffixes.count) {
    const struct Piece *piece = (struct Piece *)suffixes.buffer->data + --suffixes.count;
    append(engine, &out, piece->start, piece->end, piece->norm);
  }
  return out.count;
}

/* ---- Tokens */

static struct Token *room(struct Engine *engine, uint32_t count) {
  struct Token *tokens = engine->tokens.data;
  if (((size_t)count + 1) * sizeof *tokens > engine->tokens.bytes)
    tokens = reserve(engine, &engine->tokens, 2 * ((size_t)count + 128) * sizeof *tokens);
  return tokens + count;
}

static struct Token make(struct Engine *engine, const uint32_t *chars, uint32_t start, uint32_t end, uint64_t norm) {
  const uint32_t *word = chars + start, length = end - start;
  struct Token token = {.start = start, .end = end, .norm = norm};
  token.orth = string_id(engine, word, length);
  if (!norm) token.norm = norm_of(engine, token.orth, word, length);
  token.check = check_of(engine, word, length);
  token.space = all_in(&engine->model, engine->model.info->space, word, length);
  return token;
}

/* Appends the tokens of the run chars[start … end); short runs are kept from text to text. */
static uint32_t add_run(struct Engine *engine, const uint32_t *chars, uint32_t start, uint32_t end, uint32_t count) {
  const uint32_t *run = chars + start, length = end - start;
  struct KeptRun *kept = NULL;
  uint64_t check = 0;
  if (length <= LONGEST_KEPT) {
    check = check_of(engine, run, length);
    kept = &engine->runs[check % KEPT_RUNS];
    if (kept->check == check && kept->length == length) {
      for (uint32_t i = 0; i < kept->pieces; i++)
        *room(engine, count++) = (struct Token){
            .start = start + kept->piece[i].start, .end = start + kept->piece[i].end, .orth = kept->piece[i].orth,
            .norm = kept->piece[i].norm, .check = kept->piece[i].check, .space = kept->piece[i].space};
      return count;
    }
  }
  const uint32_t pieces = cut(engine, run, length);
  for (uint32_t i = 0; i < pieces; i++) {
    const struct Piece piece = ((struct Piece *)engine->pieces.data)[i];
    const struct Token token = make(engine, chars, start + piece.start, start + piece.end, piece.norm);
    *room(engine, count++) = token;
  }
  if (kept && pieces <= RUN_PIECES) {
    kept->check = check, kept->length = length, kept->pieces = pieces;
    const struct Token *token = (struct Token *)engine->tokens.data + count - pieces;
    for (uint32_t i = 0; i < pieces; i++, token++) {
      kept->piece[i].start = (uint16_t)(token->start - start), kept->piece[i].end = (uint16_t)(token->end - start);
      kept->piece[i].orth = token->orth, kept->piece[i].norm = token->norm;
      kept->piece[i].check = token->check, kept->piece[i].space = token->space;
    }
  }
  return count;
}

/* ---- Special cases over several tokens */

struct Span { uint32_t first, end; };

static int longer_first(const void *a, const void *b) {
  const struct Span *x = a, *y = b;
  const uint32_t p = x->end - x->first, q = y->end - y->first;
  if (p != q) return p > q ? -1 : 1;
  return x->first < y->first ? -1 : x->first > y->first;
}

static int earlier_first(const void *a, const void *b) {
  const struct Span *x = a, *y = b;
  return x->first < y->first ? -1 : x->first > y->first;
}

/* All places where the tokens from `first` on spell a special case; in engine->spans. */
static uint32_t find_spans(struct Engine *engine, uint32_t first, uint32_t count) {
  const struct Model *model = &engine->model;
  const struct Token *tokens = engine->tokens.data;
  uint32_t found = 0;
  for (uint32_t i = first; i < count; i++) {
    uint32_t node = 0;
    for (uint32_t j = i; j < count; j++) {
      const uint32_t edge = model->trie_first[node];
      uint64_t place;
      if (!find_key(model->trie_keys + edge, model->trie_first[node + 1] - edge, tokens[j].orth, &place)) break;
      node = model->trie_next[edge + place];
      if (!model->trie_end[node]) continue;
      struct Span *spans = engine->spans.data;
      if ((found + 1) * sizeof *spans > engine->spans.bytes)
        spans = reserve(engine, &engine->spans, 2 * (found + 16) * sizeof *spans);
      spans[found++] = (struct Span){i, j + 1};
    }
  }
  return found;
}

/* Of spans that overlap, the longest, then the first; those that lose block others all the same, as in spaCy. */
static uint32_t choose_spans(struct Engine *engine, uint32_t found, uint32_t first, uint32_t count) {
  struct Span *spans = engine->spans.data;
  unsigned char *seen = reserve(engine, &engine->seen, count - first);
  memset(seen, 0, count - first);
  qsort(spans, found, sizeof *spans, longer_first);
  uint32_t chosen = 0;
  for (uint32_t i = 0; i < found; i++) {
    const struct Span span = spans[i];
    if (!seen[span.first - first] && !seen[span.end - 1 - first]) spans[chosen++] = span;
    memset(seen + span.first - first, 1, span.end - span.first);
  }
  qsort(spans, chosen, sizeof *spans, earlier_first);
  return chosen;
}

static uint32_t apply_rules(struct Engine *engine, const uint32_t *chars, uint32_t first, uint32_t count) {
  const struct Model *model = &engine->model;
  uint32_t found = find_spans(engine, first, count);
  if (!found) return count;
  found = choose_spans(engine, found, first, count);
  /* The new tokens are made behind the old ones, then moved into their place. */
  uint32_t to = count, from = first;
  for (uint32_t i = 0; i < found; i++) {
    const struct Span span = ((struct Span *)engine->spans.data)[i];
    const struct Token *tokens = engine->tokens.data;
    const uint32_t start = tokens[span.first].start, end = tokens[span.end - 1].end;
    const uint32_t rule = find_rule(engine, chars + start, end - start);
    if (rule == NO_SUCH) continue;
    for (; from < span.first; from++) {
      struct Token *next = room(engine, to);
      *next = ((struct Token *)engine->tokens.data)[from], to++;
    }
    uint32_t at = start;
    for (uint32_t k = model->rule_tokens_first[rule]; k < model->rule_tokens_first[rule + 1]; k++) {
      const struct RuleToken piece = model->rule_tokens[k];
      const struct Token token = make(engine, chars, at, at + piece.length, piece.norm);
      *room(engine, to++) = token;
      at += piece.length;
    }
    from = span.end;
  }
  for (; from < count; from++) {
    struct Token *next = room(engine, to);
    *next = ((struct Token *)engine->tokens.data)[from], to++;
  }
  struct Token *tokens = engine->tokens.data;
  memmove(tokens + first, tokens + count, (to - count) * sizeof *tokens);
  return first + to - count;
}

uint32_t tokenize(struct Engine *engine, const uint32_t *chars, uint32_t base, uint32_t length, uint32_t count) {
  const struct Model *model = &engine->model;
  const uint32_t first = count, stop = base + length, space = model->info->space;
  for (uint32_t start = base; start < stop;) {
    const bool white = in_set(model, space, chars[start]);
    uint32_t end = start + 1;
    while (end < stop && in_set(model, space, chars[end]) == white) end++;
    /* A single space after a token is no token. */
    if (white && chars[start] == ' ' && count > first) start++;
    if (start < end) count = add_run(engine, chars, start, end, count);
    start = end;
    if ((engine->steps += 64) >= 1u << 20) look_at_clock(engine);
  }
  count = apply_rules(engine, chars, first, count);
  struct Token *tokens = engine->tokens.data;
  for (uint32_t i = first; i < count; i++) {
    const uint32_t next = i + 1 < count ? tokens[i + 1].start : stop;
    tokens[i].followed = next > tokens[i].end;
  }
  return count;
}
