#include "word.h"

#include <string.h>

size_t to_utf8(struct Engine *engine, const uint32_t *chars, uint32_t length) {
  unsigned char *bytes = reserve(engine, &engine->bytes, 4 * (size_t)length + 1), *to = bytes;
  for (uint32_t i = 0; i < length; i++) {
    const uint32_t c = chars[i];
    if (c < 0x80) *to++ = (unsigned char)c;
    else if (c < 0x800) *to++ = (unsigned char)(0xc0 | c >> 6), *to++ = (unsigned char)(0x80 | (c & 63));
    else {
      if (c < 0x10000) *to++ = (unsigned char)(0xe0 | c >> 12);
      else *to++ = (unsigned char)(0xf0 | c >> 18), *to++ = (unsigned char)(0x80 | (c >> 12 & 63));
      *to++ = (unsigned char)(0x80 | (c >> 6 & 63)), *to++ = (unsigned char)(0x80 | (c & 63));
    }
  }
  return (size_t)(to - bytes);
}

uint64_t string_id(struct Engine *engine, const uint32_t *chars, uint32_t length) {
  const struct Model *model = &engine->model;
  if (!length) return 0;
  const size_t bytes = to_utf8(engine, chars, length);
  const uint64_t hash = hash_bytes(engine->bytes.data, bytes);
  uint64_t place;
  return find_key(model->symbol_hashes, model->symbols, hash, &place) ? model->symbol_ids[place] : hash;
}

bool all_in(const struct Model *model, uint32_t set, const uint32_t *chars, uint32_t length) {
  for (uint32_t i = 0; i < length; i++)
    if (!in_set(model, set, chars[i])) return false;
  return true;
}

uint64_t check_of(const struct Engine *engine, const uint32_t *chars, uint32_t length) {
  uint64_t h = engine->secret ^ length;
  for (uint32_t i = 0; i < length; i++) {
    h = (h ^ chars[i]) * engine->secret;
    h ^= h >> 29;
  }
  return h;
}

/* Whether the first character on one side that is not case-ignorable is cased: Python's rule of the final sigma. */
static bool cased_beside(const struct Model *model, const uint32_t *at, const uint32_t *end, int step) {
  while (at != end && in_set(model, model->info->case_ignorable, *at)) at += step;
  return at != end && in_set(model, model->info->cased, *at);
}

enum { SIGMA = 0x3a3, SMALL_SIGMA = 0x3c3, FINAL_SIGMA = 0x3c2 };

uint64_t lower_id(struct Engine *engine, const uint32_t *chars, uint32_t length) {
  const struct Model *model = &engine->model;
  uint32_t *lower = reserve(engine, &engine->chars, 4 * (size_t)length * sizeof *lower), *to = lower;
  for (uint32_t i = 0; i < length; i++) {
    const uint32_t c = chars[i];
    if (c < 128) {
      *to++ = c >= 'A' && c <= 'Z' ? c + 32 : c;
    } else if (c == SIGMA) {
      const bool before = i && cased_beside(model, chars + i - 1, chars - 1, -1);
      const bool after = cased_beside(model, chars + i + 1, chars + length, 1);
      *to++ = before && !after ? FINAL_SIGMA : SMALL_SIGMA;
    } else {
      uint32_t low = 0, high = model->lowers;
      while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (model->lower_keys[middle] < c) low = middle + 1;
        else high = middle;
      }
      if (low < model->lowers && model->lower_keys[low] == c)
        for (uint32_t k = model->lower_first[low]; k < model->lower_first[low + 1]; k++) *to++ = model->lower_chars[k];
      else *to++ = c;
    }
  }
  return string_id(engine, lower, (uint32_t)(to - lower));
}

uint64_t norm_of(struct Engine *engine, uint64_t orth, const uint32_t *chars, uint32_t length) {
  uint64_t place;
  if (find_key(engine->model.norm_keys, engine->model.norms, orth, &place)) return engine->model.norm_values[place];
  return lower_id(engine, chars, length);
}

uint64_t shape_id(struct Engine *engine, const uint32_t *chars, uint32_t length) {
  static const uint32_t LONG[] = {'L', 'O', 'N', 'G'};
  const struct Model *model = &engine->model;
  if (length >= 100) return string_id(engine, LONG, 4);
  uint32_t shape[100], count = 0, last = 0, same = 0;
  for (uint32_t i = 0; i < length; i++) {
    uint32_t c = chars[i];
    if (in_set(model, model->info->alpha, c)) c = in_set(model, model->info->upper, c) ? 'X' : 'x';
    else if (in_set(model, model->info->digit, c)) c = 'd';
    if (count && c == last) same++;
    else same = 0, last = c;
    if (same < 4) shape[count++] = c;
  }
  return string_id(engine, shape, count);
}
