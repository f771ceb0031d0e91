/* Source: spacy/ml/models/tok2vec.py (MultiHashEmbed, CharacterEmbed, MaxoutWindowEncoder, MishWindowEncoder),
   spacy/ml/staticvectors.py, thinc/layers/hashembed.py. */

#include "tok2vec.h"

#include <string.h>

#include "word.h"

/* ---- Words */

static uint64_t rotated(uint64_t x, int by) { return x << by | x >> (64 - by); }

static uint64_t mixed(uint64_t h) {
  h = (h ^ h >> 33) * 0xff51afd7ed558ccdu;
  h = (h ^ h >> 33) * 0xc4ceb9fe1a85ec53u;
  return h ^ h >> 33;
}

/* The four rows of an id in a table of hashes: thinc's use of MurmurHash3_x86_128. */
static void hash_rows(uint64_t id, uint32_t seed, uint32_t *rows) {
  uint64_t h1 = rotated(id * 0x87c37b91114253d5u, 31) * 0x4cf5ad432745937fu ^ seed ^ 8, h2 = seed ^ 8;
  h1 += h2, h2 += h1;
  h1 = mixed(h1), h2 = mixed(h2);
  h1 += h2, h2 += h1;
  rows[0] = (uint32_t)h1, rows[1] = (uint32_t)(h1 >> 32), rows[2] = (uint32_t)h2, rows[3] = (uint32_t)(h2 >> 32);
}

static uint64_t attribute(struct Engine *engine, uint32_t attr, const struct Token *token) {
  const uint32_t *word = engine->text + token->start, length = token->end - token->start;
  switch (attr) {
    case ORTH: return token->orth;
    case NORM: return token->norm;
    case LOWER: return lower_id(engine, word, length);
    case SHAPE: return shape_id(engine, word, length);
    case PREFIX_ATTR: return string_id(engine, word, 1);
    case SUFFIX_ATTR: return length > 3 ? string_id(engine, word + length - 3, 3) : string_id(engine, word, length);
    case IS_SPACE_ATTR: return token->space;
    default: return token->followed; /* SPACY_ATTR */
  }
}

/* Doc.to_utf8_array: bytes from both ends in turns, 255 where there is none. */
static uint32_t byte_of(size_t length, const unsigned char *bytes, uint32_t i) {
  if (i >= length) return 255;
  return i % 2 ? bytes[length - 1 - i / 2] : bytes[i / 2];
}

/* A row of numbers, f32 or f16, added to f32. */
static void add_row(struct Engine *engine, float *sum, const void *table, uint64_t row, uint32_t width) {
  const bool half = engine->model.info->half;
  engine->kernels->add(sum, (const char *)table + row * width * (half ? 2 : 4), width, half);
}

/* What the mixer makes the row of a word of: a row for each part, which is a sum where it is of hashes, and the static
   vector. `input` is [inputs]. */
static void look_up(struct Engine *engine, const struct Tok2Vec *t, const struct Token *token, float *input) {
  const struct Model *model = &engine->model;
  memset(input, 0, t->info.inputs * sizeof *input);
  size_t utf8 = 0;
  if (t->parts[0].attr >= BYTES || t->parts[t->info.parts - 1].attr >= BYTES)
    utf8 = to_utf8(engine, engine->text + token->start, token->end - token->start);
  const char *table = t->table;
  for (const struct Part *part = t->parts; part < t->parts + t->info.parts; part++) {
    if (part->attr >= BYTES) {
      add_row(engine, input, table, byte_of(utf8, engine->bytes.data, part->attr - BYTES), part->width);
    } else {
      uint32_t rows[4];
      hash_rows(attribute(engine, part->attr, token), part->seed, rows);
      for (int i = 0; i < 4; i++) add_row(engine, input, table, rows[i] % part->rows, part->width);
    }
    table += (size_t)part->rows * part->width * (model->info->half ? 2 : 4);
    input += part->width;
  }
  uint64_t place;
  if (!t->info.vector_attr) return;
  if (!find_key(model->vector_keys, model->vector_count, attribute(engine, t->info.vector_attr, token), &place)) return;
  const int32_t row = model->vector_rows[place];
  if (row >= 0 && (uint32_t)row < t->info.vector_rows) add_row(engine, input, t->vectors, (uint32_t)row, t->info.vector_width);
}

/* Words whose rows are not kept, and where those are to go. */
enum { FRESH = 12 };
struct Fresh {
  uint32_t count;
  const struct Token *tokens[FRESH];
  float *rows[FRESH];
};

static uint64_t check_with(const struct Tok2Vec *t, const struct Token *token) {
  return t->reads_spacy && token->followed ? ~token->check : token->check;
}

/* The two places of a word among the rows that are kept. */
static uint32_t place_of(uint64_t check, const struct Token *token) {
  return (uint32_t)((check ^ token->norm) % (KEPT_ROWS / 2)) * 2;
}

static void embed(struct Engine *engine, uint32_t k, struct Fresh *fresh) {
  const struct Tok2Vec *t = &engine->model.tok2vec[k];
  const uint32_t inputs = t->info.inputs, stride = t->info.stride, columns = 3 * stride, n = fresh->count;
  const struct Activation activation = {t->bias, t->gain, t->shift, 3, t->info.width, stride, false, true};
  float *input = reserve(engine, &engine->inputs, (size_t)FRESH * (inputs + columns + stride) * sizeof *input);
  float *products = input + (size_t)FRESH * inputs, *row = products + (size_t)FRESH * columns;
  for (uint32_t i = 0; i < n; i++) look_up(engine, t, fresh->tokens[i], input + (size_t)i * inputs);
  engine->kernels->multiply(input, inputs, n, inputs, t->mixer, columns, products);
  engine->kernels->activate(products, n, &activation, row);
  for (uint32_t i = 0; i < n; i++, row += stride) {
    const struct Token *token = fresh->tokens[i];
    const uint64_t check = check_with(t, token);
    const uint32_t place = place_of(check, token);
    struct Owner *owner = engine->kept[k].owners + place;
    float *kept = engine->kept[k].rows + (size_t)place * stride;
    memcpy(fresh->rows[i], row, stride * sizeof *row);
    owner[1] = owner[0];
    memcpy(kept + stride, kept, stride * sizeof *kept);
    memcpy(kept, row, stride * sizeof *kept);
    owner[0] = (struct Owner){token->orth, token->norm, check};
  }
  fresh->count = 0;
}

/* The row of a word, kept from text to text; of one that is not, the row comes with the next `embed`. */
static void word_row(struct Engine *engine, uint32_t k, const struct Token *token, float *row, struct Fresh *fresh) {
  const struct Tok2Vec *t = &engine->model.tok2vec[k];
  const uint64_t check = check_with(t, token);
  const uint32_t place = place_of(check, token);
  const struct Owner *owner = engine->kept[k].owners + place;
  for (uint32_t i = 0; i < 2; i++, owner++)
    if (owner->check == check && owner->orth == token->orth && owner->norm == token->norm) {
      memcpy(row, engine->kept[k].rows + (size_t)(place + i) * t->info.stride, t->info.stride * sizeof *row);
      return;
    }
  fresh->tokens[fresh->count] = token, fresh->rows[fresh->count++] = row;
  if (fresh->count == FRESH) embed(engine, k, fresh);
}

/* ---- Streams */

struct Stream open_stream(struct Engine *engine, uint32_t k, const struct Document *documents, uint32_t count) {
  const struct Tok2VecInfo *info = &engine->model.tok2vec[k].info;
  struct Stream stream = {k, documents, count, info->window * info->depth, BLOCK, NULL, 0};
  stream.begins = reserve(engine, &engine->places, count * sizeof *stream.begins);
  uint64_t at = 0;
  for (uint32_t d = 0; d < count; d++) {
    stream.begins[d] = at + stream.pad;
    stream.end = stream.begins[d] + documents[d].count;
    at = stream.end + stream.end % 2; /* a text has the same pairs of rows alone and among others */
  }
  return stream;
}

/* The document whose tokens, or the places before them, a place belongs to. */
static uint32_t document_at(const struct Stream *stream, uint64_t place) {
  uint32_t low = 0, high = stream->count;
  while (low < high) {
    const uint32_t middle = low + (high - low) / 2;
    if (stream->begins[middle] + stream->documents[middle].count <= place) low = middle + 1;
    else high = middle;
  }
  return low;
}

enum { CHUNK = 24 };

/* One layer: row r of the new ones is row r + window of the old ones and what the rows around that make. In place. One row
   behind `left` + 2 * window is read, and changes nothing. */
static void convolve(struct Engine *engine, const struct Tok2Vec *t, const struct Layer *layer, float *rows, uint32_t left) {
  const struct Tok2VecInfo *info = &t->info;
  const uint32_t stride = info->stride, outputs = info->pieces * stride;
  const struct Activation activation = {layer->bias, layer->gain, layer->shift, info->pieces, info->width, stride,
                                        info->activation == MISH, info->normalized};
  const struct Kernels *kernels = engine->kernels;
  float *products = reserve(engine, &engine->products, (size_t)CHUNK * (3 * outputs + 3 * stride) * sizeof *products);
  float *parts = products + (size_t)CHUNK * outputs, *around = parts + 2 * (size_t)CHUNK * outputs;
  float *y = around + 2 * (size_t)CHUNK * stride;
  for (uint32_t r = 0; r < left; r += CHUNK) {
    const uint32_t n = left - r < CHUNK ? left - r : CHUNK, pairs = (n + 1) / 2;
    float *from = rows + (size_t)r * stride;
    if (info->window == 1) {
      kernels->to_pairs(from, pairs, stride, around);
      for (uint32_t i = 0; i < 4; i++)
        kernels->multiply(around + (size_t)i * pairs * stride, stride, pairs, stride,
                          layer->weights + (size_t)i * stride * outputs, outputs, parts + (size_t)i * pairs * outputs);
      kernels->from_pairs(parts, pairs, outputs, products);
    } else {
      kernels->multiply(from, stride, n, (2 * info->window + 1) * stride, layer->weights, outputs, products);
    }
    kernels->activate(products, n, &activation, y);
    const float *old = from + (size_t)info->window * stride;
    for (size_t i = 0; i < (size_t)n * stride; i++) from[i] = old[i] + y[i];
  }
}

const float *encode(struct Engine *engine, const struct Stream *stream, uint64_t *at, uint32_t *tokens, uint32_t *count) {
  look_at_clock(engine);
  const uint64_t from = *at;
  const uint32_t n = stream->end - from < stream->block ? (uint32_t)(stream->end - from) : stream->block;
  *at += n;
  const struct Tok2Vec *t = &engine->model.tok2vec[stream->k];
  const uint32_t stride = t->info.stride, around = t->info.window * t->info.depth;
  uint32_t rows = n + 2 * around;
  float *row = reserve(engine, &engine->rows, ((size_t)(rows + 1) * stride + rows) * sizeof *row);
  uint32_t *numbers = (uint32_t *)(row + (size_t)(rows + 1) * stride); /* of the tokens; NO_SUCH where there is none */
  uint32_t d = document_at(stream, from > around ? from - around : 0);
  struct Fresh fresh = {0};
  for (uint32_t r = 0; r < rows; r++) {
    /* Places before the stream wrap round to far behind it: no token is there either. */
    const uint64_t place = from + r - around;
    while (d < stream->count && place < UINT64_MAX / 2 && place >= stream->begins[d] + stream->documents[d].count) d++;
    const bool has = d < stream->count && place >= stream->begins[d] && place < UINT64_MAX / 2;
    numbers[r] = has ? stream->documents[d].first + (uint32_t)(place - stream->begins[d]) : NO_SUCH;
    float *to = row + (size_t)r * stride;
    if (has) word_row(engine, stream->k, (struct Token *)engine->tokens.data + numbers[r], to, &fresh);
    else memset(to, 0, stride * sizeof *to);
  }
  if (fresh.count) embed(engine, stream->k, &fresh);
  memset(row + (size_t)rows * stride, 0, stride * sizeof *row);
  for (uint32_t i = 0; i < t->info.depth; i++) {
    rows -= 2 * t->info.window;
    convolve(engine, t, &t->layers[i], row, rows);
    if (t->info.padded) continue;
    for (uint32_t r = 0; r < rows; r++)
      if (numbers[r + (i + 1) * t->info.window] == NO_SUCH) memset(row + (size_t)r * stride, 0, stride * sizeof *row);
  }
  *count = 0;
  for (uint32_t r = 0; r < n; r++) {
    if (numbers[r + around] == NO_SUCH) continue;
    if (*count != r) memcpy(row + (size_t)*count * stride, row + (size_t)r * stride, stride * sizeof *row);
    tokens[(*count)++] = numbers[r + around];
  }
  return row;
}
