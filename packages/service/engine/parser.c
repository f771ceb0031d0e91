/* spaCy's dependency parser, for where sentences begin. Source: spacy/pipeline/_parser_internals/arc_eager.pyx (moves),
   _state.pxd (features, arcs), nonproj.pyx (decorated labels), spacy/tokens/doc.pyx (set_children_from_heads). */

#include <string.h>

#include "sentences.h"

enum { SHIFT, REDUCE, LEFT, RIGHT, BREAK };
enum { FEATURES = 8, SLOTS = 16, SLOT_ROWS = 64, NONE = -1 };

/* ---- What each token gives to each feature: computed for blocks of tokens, of which those used last are kept, since all
   of a long text would be four kilobytes a token. */

struct Features {
  struct Engine *engine;
  const float *vectors;
  uint32_t rows, wide, used;
  struct { uint32_t block, stamp; } slots[SLOTS];
  int8_t *slot_of; /* by block */
};

static const float *features_of(struct Features *f, uint32_t row) {
  const struct Model *m = &f->engine->model;
  const uint32_t block = row / SLOT_ROWS, stride = m->tok2vec[m->info->shared ? 0 : 1].info.stride;
  float *data = f->engine->slots.data;
  int slot = f->slot_of[block];
  if (slot < 0) {
    slot = 0;
    for (int i = 1; i < SLOTS; i++)
      if (f->slots[i].stamp < f->slots[slot].stamp) slot = i;
    if (f->slots[slot].stamp) f->slot_of[f->slots[slot].block] = -1;
    const uint32_t first = block * SLOT_ROWS, n = f->rows - first < SLOT_ROWS ? f->rows - first : SLOT_ROWS;
    float *to = data + (size_t)slot * SLOT_ROWS * f->wide;
    f->engine->kernels->multiply(f->vectors + (size_t)first * stride, stride, n, stride, m->parser_lower, f->wide, to);
    for (uint32_t r = 0; r < n; r++)
      for (uint32_t i = 0; i < f->wide; i++) to[(size_t)r * f->wide + i] += m->parser_present[i];
    f->slot_of[block] = (int8_t)slot, f->slots[slot].block = block;
    look_at_clock(f->engine);
  }
  f->slots[slot].stamp = ++f->used;
  return data + ((size_t)slot * SLOT_ROWS + row % SLOT_ROWS) * f->wide;
}

/* ---- The state */

struct Arc { int32_t child, before; };

struct State {
  struct Engine *engine;
  int32_t length, next;                      /* tokens; the next one that no move has touched */
  int32_t *stack, *again, depth, returned;   /* `again`: tokens that went back before `next`, the first one last */
  int32_t *heads, *moves;                    /* NONE without a head */
  int32_t *left, *right;                     /* the last arc to a child on that side, in engine->arcs */
  uint32_t arcs;
  unsigned char *stuck, *starts;             /* may not be shifted again; begins a sentence by a BREAK */
};

static int32_t buffer_at(const struct State *s, int32_t i) {
  if (i < s->returned) return s->again[s->returned - 1 - i];
  const int32_t token = s->next + i - s->returned;
  return token < s->length ? token : NONE;
}

static int32_t stack_at(const struct State *s, int32_t i) { return i < s->depth ? s->stack[s->depth - 1 - i] : NONE; }

static int32_t last_child(const struct State *s, const int32_t *side, int32_t head) {
  if (head < 0 || side[head] < 0) return NONE;
  return ((struct Arc *)s->engine->arcs.data)[side[head]].child;
}

static void add_arc(struct State *s, int32_t head, int32_t child, int32_t move) {
  struct Arc *arcs = s->engine->arcs.data;
  if ((s->arcs + 1) * sizeof *arcs > s->engine->arcs.bytes)
    arcs = reserve(s->engine, &s->engine->arcs, 2 * (s->arcs + 64) * sizeof *arcs);
  const int32_t old = s->heads[child];
  if (old >= 0) {
    int32_t *side = old > child ? &s->left[old] : &s->right[old];
    /* spaCy takes an arc off its head only where it is the last one. */
    if (*side >= 0 && arcs[*side].child == child) *side = arcs[*side].before;
  }
  int32_t *side = head > child ? &s->left[head] : &s->right[head];
  arcs[s->arcs] = (struct Arc){child, *side};
  *side = (int32_t)s->arcs++;
  s->heads[child] = head, s->moves[child] = move;
}

static void push(struct State *s) {
  s->stack[s->depth++] = s->returned ? s->again[--s->returned] : s->next++;
}

static void apply(struct State *s, int32_t move, uint32_t kind) {
  const int32_t b0 = buffer_at(s, 0), s0 = stack_at(s, 0);
  switch (kind) {
    case SHIFT:
      push(s);
      break;
    case REDUCE:
      if (s->heads[s0] < 0 && s->depth > 1) s->stuck[s0] = 1, s->again[s->returned++] = s0;
      s->depth--;
      break;
    case LEFT:
      add_arc(s, b0, s0, move);
      s->stuck[b0] = 0, s->depth--;
      break;
    case RIGHT:
      add_arc(s, s0, b0, move);
      push(s);
      break;
    default:
      s->starts[buffer_at(s, 1)] = 1;
  }
}

/* The valid move with the greatest score, the first of equal ones; NONE where there is none. */
static int32_t choose(const struct State *s, const float *scores) {
  const struct Model *m = &s->engine->model;
  const int32_t buffered = s->length - s->next + s->returned, b0 = buffer_at(s, 0), b1 = buffer_at(s, 1);
  const bool stacked = s->depth > 0, b0_starts = b0 >= 0 && s->starts[b0];
  const bool valid[] = {
      buffered > 0 && (!stacked || (buffered >= 2 && !b0_starts && !s->stuck[b0])),
      stacked,
      stacked && buffered > 0 && !b0_starts,
      stacked && buffered > 0 && !b0_starts,
      buffered >= 2 && b1 == b0 + 1 && !s->starts[b1],
  };
  int32_t best = NONE;
  for (uint32_t i = 0; i < m->info->parser.moves; i++)
    if (valid[m->parser_moves[i].kind] && (best == NONE || scores[i] > scores[best])) best = (int32_t)i;
  return best;
}

/* ---- Trees */

/* The left and the right edge of each token's subtree, as set_children_from_heads finds them. */
static void edges(const int32_t *head, int32_t n, int32_t *l, int32_t *r, unsigned char *starts) {
  for (int32_t i = 0; i < n; i++) l[i] = r[i] = i;
  for (int round = 0; round < 12; round++) {
    for (int32_t k = 0; k < 2 * n; k++) {
      const int32_t i = k < n ? k : 2 * n - 1 - k, h = head[i];
      if (l[i] < l[h]) l[h] = l[i];
      if (r[i] > r[h]) r[h] = r[i];
    }
    memset(starts, 0, (size_t)n);
    for (int32_t i = 0; i < n; i++)
      if (head[i] == i) starts[l[i]] = 1;
    bool within = true;
    for (int32_t i = 0, start = 0; i < n; i++)
      if ((i > 0 && starts[i]) || i == n - 1) {
        for (int32_t j = start; j < i; j++)
          if (head[j] < start || head[j] > i) within = false;
        start = i;
      }
    if (within) return;
  }
}

/* The head that a decorated label looks for: breadth first, from left to right, below the token's head. */
static int32_t wanted_head(struct State *s, const int32_t *l, const int32_t *r, const uint32_t *label, int32_t token,
                           uint32_t wanted, const struct Token *tokens) {
  int32_t *queue = reserve(s->engine, &s->engine->queue, (size_t)s->length * sizeof *queue), first = 0, last = 0;
  queue[last++] = s->heads[token];
  while (first < last) {
    const int32_t q = queue[first++];
    s->engine->steps += (uint32_t)(r[q] - l[q]);
    for (int32_t c = l[q]; c <= r[q]; c++) {
      if (c == q || s->heads[c] != q || c == token || tokens[c].space) continue;
      if (label[c] == wanted) return c;
      if (last < s->length) queue[last++] = c;
    }
    if (s->engine->steps >= 1u << 20) look_at_clock(s->engine);
  }
  return s->heads[token];
}

static void set_starts(struct State *s, struct Token *tokens) {
  const struct Model *m = &s->engine->model;
  const int32_t n = s->length;
  int32_t *l = s->left, *r = s->right; /* arcs are no longer needed */
  uint32_t *label = (uint32_t *)s->stack;
  for (int32_t i = 0; i < n; i++) {
    if (s->heads[i] < 0) s->heads[i] = i;
    label[i] = s->heads[i] == i ? m->info->root_label : m->parser_moves[s->moves[i]].label;
  }
  edges(s->heads, n, l, r, s->starts);
  bool moved = false;
  for (int32_t i = 0; i < n; i++) {
    if (s->heads[i] == i || m->parser_moves[s->moves[i]].wanted == NO_SUCH) continue;
    s->heads[i] = wanted_head(s, l, r, label, i, m->parser_moves[s->moves[i]].wanted, tokens);
    label[i] = m->parser_moves[s->moves[i]].new_label;
    moved = true;
  }
  if (moved) edges(s->heads, n, l, r, s->starts);
  for (int32_t i = 0; i < n; i++)
    if (s->heads[i] == i) tokens[l[i]].starts = true;
}

static void parse_document(struct Features *f, const struct Document *document, uint32_t row) {
  struct Engine *engine = f->engine;
  const struct Model *m = &engine->model;
  const struct SearchInfo *info = &m->info->parser;
  const int32_t n = (int32_t)document->count;
  const size_t ints = 6 * (size_t)n;
  int32_t *memory = reserve(engine, &engine->parse, ints * 4 + 2 * (size_t)n);
  struct State s = {engine, n, 0, memory, memory + n, 0, 0, memory + 2 * n, memory + 3 * n, memory + 4 * n, memory + 5 * n, 0,
                    (unsigned char *)(memory + ints), (unsigned char *)(memory + ints) + n};
  memset(s.heads, 0xff, 4 * (size_t)n * sizeof *s.heads); /* heads, moves, left, right: NONE */
  memset(s.stuck, 0, 2 * (size_t)n);
  s.starts[0] = 1;
  float *state = reserve(engine, &engine->state, (info->columns + info->hidden + info->moves) * sizeof *state);
  float *hidden = state + info->columns, *scores = hidden + info->hidden;
  while (s.depth || s.next < n || s.returned) {
    const int32_t b0 = buffer_at(&s, 0), s0 = stack_at(&s, 0);
    const int32_t ids[FEATURES] = {b0, buffer_at(&s, 1), s0, stack_at(&s, 1), stack_at(&s, 2), last_child(&s, s.left, b0),
                                   last_child(&s, s.left, s0), last_child(&s, s.right, s0)};
    memcpy(state, m->parser_bias, info->columns * sizeof *state);
    for (uint32_t i = 0; i < FEATURES; i++) {
      const float *from = ids[i] < 0 ? m->parser_absent : features_of(f, row + (uint32_t)ids[i]);
      engine->kernels->add(state, from + (size_t)i * info->columns, info->columns, false);
    }
    engine->kernels->greatest(state, info->hidden, info->pieces, hidden);
    if (info->has_upper)
      engine->kernels->score(hidden, info->hidden, m->parser_upper, m->parser_upper_bias, info->moves, scores);
    const int32_t move = choose(&s, info->has_upper ? scores : hidden);
    if (move == NONE) break;
    apply(&s, move, m->parser_moves[move].kind);
    if (++engine->steps >= 1u << 20) look_at_clock(engine);
  }
  set_starts(&s, (struct Token *)engine->tokens.data + document->first);
}

void parse(struct Engine *engine, const struct Document *documents, uint32_t count, const float *vectors, uint32_t rows) {
  const uint32_t blocks = (rows + SLOT_ROWS - 1) / SLOT_ROWS, wide = FEATURES * engine->model.info->parser.columns;
  struct Features f = {.engine = engine, .vectors = vectors, .rows = rows, .wide = wide};
  reserve(engine, &engine->slots, (size_t)(blocks < SLOTS ? blocks : SLOTS) * SLOT_ROWS * wide * sizeof(float));
  f.slot_of = reserve(engine, &engine->slot_of, blocks);
  memset(f.slot_of, -1, blocks);
  for (uint32_t d = 0, row = 0; d < count; row += documents[d++].count) parse_document(&f, &documents[d], row);
}
