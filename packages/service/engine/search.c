/* Source: spacy/pipeline/_parser_internals/ner.pyx (what is valid when), _state.pxd (what a state looks at: the next token,
   the first and the last one of the open entity), spacy/ml/parser_model.pyx (scores). Outside an entity the next action
   depends on the next token alone. Inside there are two, to go on or to end with this token. */

#include "search.h"

#include <string.h>

#include "tok2vec.h"

struct Search {
  struct Engine *engine;
  const struct Outside *open; /* the action that began the entity, NULL outside */
  uint32_t first;
  float *state, *begun, *last, *hidden, *scores;
};

/* The products of one vector with the weights of a feature. */
static void product(struct Search *s, const float *vector, int feature, float *y) {
  const struct Model *m = &s->engine->model;
  const uint32_t stride = m->tok2vec[0].info.stride;
  s->engine->kernels->multiply(vector, stride, 1, stride, m->ner_lower[feature], m->info->ner.columns, y);
}

static void to_hidden(struct Search *s) {
  const struct SearchInfo *info = &s->engine->model.info->ner;
  s->engine->kernels->greatest(s->state, info->hidden, info->pieces, s->hidden);
}

/* The action outside an entity: the first of those with the greatest score. */
static const struct Outside *choose(struct Search *s, const float *coming, bool ends) {
  const struct Model *m = &s->engine->model;
  for (uint32_t i = 0; i < m->info->ner.columns; i++) s->state[i] = coming[i] + m->ner_outside_bias[i];
  to_hidden(s);
  if (m->info->ner.has_upper)
    s->engine->kernels->score(s->hidden, m->info->ner.hidden, m->ner_upper_outside, m->ner_upper_outside_bias, m->outsides,
                              s->scores);
  else
    for (uint32_t i = 0; i < m->outsides; i++) s->scores[i] = s->hidden[m->outside[i].move];
  const struct Outside *best = NULL;
  float most = 0;
  for (uint32_t i = 0; i < m->outsides; i++) {
    if (ends && m->outside[i].begins) continue;
    if (!best || s->scores[i] > most) best = &m->outside[i], most = s->scores[i];
  }
  return best;
}

static float score_of(const struct Search *s, uint32_t move) {
  const struct Model *m = &s->engine->model;
  if (!m->info->ner.has_upper) return s->hidden[move];
  float sum = m->ner_upper_bias[move];
  for (uint32_t i = 0; i < m->info->ner.hidden; i++) sum += s->hidden[i] * m->ner_upper[(size_t)i * m->info->ner.moves + move];
  return sum;
}

static bool goes_on(struct Search *s, const float *coming) {
  for (uint32_t i = 0; i < s->engine->model.info->ner.columns; i++) s->state[i] = coming[i] + s->begun[i] + s->last[i];
  to_hidden(s);
  return score_of(s, s->open->go_on) >= score_of(s, s->open->end); /* I is before L, and so wins when they are equal */
}

void append_entity(struct Engine *engine, struct Buffer *entities, uint32_t found, struct Entity entity) {
  struct Entity *all = entities->data;
  if ((found + 1) * sizeof *all > entities->bytes) all = reserve(engine, entities, 2 * (found + 64) * sizeof *all);
  all[found] = entity;
}

/* Searches from a place of the stream on, outside an entity. With `old`, an entity of those that were found before, from its
   first token on and until both searches are outside, since from there on they are one; `old` is then the first entity
   behind that, at most `olds`. */
static uint32_t search(struct Engine *engine, const struct Stream *stream, uint64_t at, uint32_t number, struct Buffer *entities,
                       uint32_t found, const struct Entity **old, const struct Entity *olds) {
  const struct Model *m = &engine->model;
  const uint32_t stride = m->tok2vec[0].info.stride, columns = m->info->ner.columns;
  const struct Token *tokens = engine->tokens.data;
  const struct Document *documents = stream->documents;
  const uint32_t hidden = m->info->ner.hidden;
  float *state = reserve(engine, &engine->state, (3 * columns + hidden + m->outsides) * sizeof *state);
  struct Search s = {engine, NULL, 0, state, state + columns, state + 2 * columns, state + 3 * columns, state + 3 * columns + hidden};
  float *coming = reserve(engine, &engine->coming, (size_t)BLOCK * columns * sizeof *coming);
  uint32_t numbers[BLOCK], rows, d = 0;
  const uint32_t from = old ? (*old)->first : 0;
  while (at < stream->end) {
    const float *vector = encode(engine, stream, &at, numbers, &rows);
    engine->kernels->multiply(vector, stride, rows, stride, m->ner_lower[0], columns, coming);
    for (uint32_t r = 0; r < rows; r++, vector += stride) {
      const uint32_t t = numbers[r];
      while (t >= documents[d].first + documents[d].count) d++;
      if (t < from) continue;
      if (old && !s.open && t > from) {
        while (*old < olds && (*old)->end <= t) ++*old;
        if (*old == olds || (*old)->first >= t) return found;
      }
      const bool ends = t + 1 == documents[d].first + documents[d].count || tokens[t + 1].starts;
      if (s.open) {
        const bool on = goes_on(&s, coming + (size_t)r * columns) && !ends;
        if (on) {
          product(&s, vector, 2, s.last);
          continue;
        }
      } else {
        if (tokens[t].space) continue; /* no entity begins with white space */
        const struct Outside *action = choose(&s, coming + (size_t)r * columns, ends);
        if (!action || !action->label) continue;
        s.open = action, s.first = t;
        if (action->begins) {
          product(&s, vector, 1, s.begun);
          for (uint32_t i = 0; i < columns; i++) s.begun[i] += m->ner_inside_bias[i];
          product(&s, vector, 2, s.last);
          continue;
        }
      }
      append_entity(engine, entities, found++, (struct Entity){number + d, s.first, t + 1, s.open->label - 1});
      s.open = NULL;
    }
  }
  if (old) *old = olds;
  return found;
}

uint32_t find_entities(struct Engine *engine, const struct Document *documents, uint32_t count) {
  const struct Stream stream = open_stream(engine, 0, documents, count);
  return search(engine, &stream, stream.begins[0], 0, &engine->entities, 0, NULL, NULL);
}

uint32_t find_again(struct Engine *engine, const struct Document *document, const struct Entity **old,
                    const struct Entity *olds, uint32_t found) {
  struct Stream stream = open_stream(engine, 0, document, 1);
  stream.block = SHORT_BLOCK;
  /* Pairs of rows are those of the first search, and so are their numbers. */
  const uint64_t at = stream.begins[0] + ((*old)->first - document->first) / 2 * 2;
  return search(engine, &stream, at, (*old)->document, &engine->searched, found, old, olds);
}
