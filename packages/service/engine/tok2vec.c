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

static void add_vector(struct Engine *engine, const struct Tok2Vec *t, const struct Token *token, float *sum) {
  const struct Model *model = &engine->model;
  uint64_t place;
  if (!find_key(model->vector_keys, model->vector_count, attribute(engine, t->info.vector_attr, token), &place)) return;
  const int32_t row = model->vector_rows[place];
  if (row < 0 || (uint32_t)row >= t->info.vector_rows) return;
  const uint32_t width = t->info.vector_width, columns = 3 * t->info.stride;
  const bool half = model->info->half;
  float *vector = sum + columns;
  memset(vector, 0, width * sizeof *vector);
  engine->kernels->add(vector, (const char *)t->vectors + (size_t)row * width * (half ? 2 : 4), width, half);
  for (uint32_t i = 0; i < width; i++)
    engine->kernels->add_scaled(sum, vector[i], t->mixer + (size_t)i * columns, columns);
}

/* The row of a word: sums of rows of tables that were multiplied with the mixer when the model was built. */
static void embed(struct Engine *engine, const struct Tok2Vec *t, const struct Token *token, float *row) {
  const uint32_t columns = 3 * t->info.stride;
  const bool half = engine->model.info->half;
  const size_t bytes = (size_t)columns * (half ? 2 : 4);
  float *sum = reserve(engine, &engine->scores, (columns + t->info.vector_width) * sizeof *sum);
  memset(sum, 0, columns * sizeof *sum);
  size_t utf8 = 0;
  if (t->parts[0].attr >= BYTES || t->parts[t->info.parts - 1].attr >= BYTES)
    utf8 = to_utf8(engine, engine->text + token->start, token->end - token->start);
  for (uint32_t p = 0; p < t->info.parts; p++) {
    const struct Part *part = &t->parts[p];
    if (part->attr >= BYTES) {
      const uint32_t at = part->first_row + byte_of(utf8, engine->bytes.data, part->attr - BYTES);
      engine->kernels->add(sum, (const char *)t->table + at * bytes, columns, half);
      continue;
    }
    uint32_t rows[4];
    hash_rows(attribute(engine, part->attr, token), part->seed, rows);
    for (int i = 0; i < 4; i++) {
      const uint32_t at = part->first_row + rows[i] % part->rows;
      engine->kernels->add(sum, (const char *)t->table + at * bytes, columns, half);
    }
  }
  if (t->info.vector_attr) add_vector(engine, t, token, sum);
  const struct Activation activation = {t->bias, t->gain, t->shift, 3, t->info.width, t->info.stride, false, true};
  engine->kernels->activate(sum, 1, &activation, row);
}

/* The row of a word, kept from text to text. */
static void word_row(struct Engine *engine, uint32_t k, const struct Token *token, float *row) {
  const struct Tok2Vec *t = &engine->model.tok2vec[k];
  const uint32_t stride = t->info.stride;
  uint64_t check = token->check;
  if (t->reads_spacy && token->followed) check = ~check;
  const uint32_t place = (uint32_t)((check ^ token->norm) % (KEPT_ROWS / 2)) * 2;
  struct Owner *owner = engine->kept[k].owners + place;
  float *kept = engine->kept[k].rows + (size_t)place * stride;
  for (int i = 0; i < 2; i++, owner++, kept += stride)
    if (owner->check == check && owner->orth == token->orth && owner->norm == token->norm) {
      memcpy(row, kept, stride * sizeof *row);
      return;
    }
  embed(engine, t, token, row);
  owner -= 2, kept -= 2 * stride;
  owner[1] = owner[0];
  memcpy(kept + stride, kept, stride * sizeof *kept);
  memcpy(kept, row, stride * sizeof *kept);
  owner[0] = (struct Owner){token->orth, token->norm, check};
}

/* ---- Streams */

struct Stream open_stream(struct Engine *engine, uint32_t k, const struct Document *documents, uint32_t count) {
  const struct Tok2VecInfo *info = &engine->model.tok2vec[k].info;
  struct Stream stream = {k, documents, count, info->window * info->depth, NULL, 0};
  stream.begins = reserve(engine, &engine->places, count * sizeof *stream.begins);
  uint64_t at = 0;
  for (uint32_t d = 0; d < count; d++) {
    stream.begins[d] = at + stream.pad;
    at += stream.pad + documents[d].count;
  }
  stream.end = at;
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

enum { CHUNK = 48 };

/* One layer: row r of the new ones is row r + window of the old ones and what the rows around that make. In place. */
static void convolve(struct Engine *engine, const struct Tok2Vec *t, const struct Layer *layer, float *rows, uint32_t left) {
  const struct Tok2VecInfo *info = &t->info;
  const uint32_t stride = info->stride, outputs = info->pieces * stride;
  const struct Activation activation = {layer->bias, layer->gain, layer->shift, info->pieces, info->width, stride,
                                        info->activation == MISH, info->normalized};
  float *products = reserve(engine, &engine->products, (size_t)CHUNK * (outputs + stride) * sizeof *products);
  float *y = products + (size_t)CHUNK * outputs;
  for (uint32_t r = 0; r < left; r += CHUNK) {
    const uint32_t n = left - r < CHUNK ? left - r : CHUNK;
    float *from = rows + (size_t)r * stride;
    engine->kernels->multiply(from, stride, n, (2 * info->window + 1) * stride, layer->weights, outputs, products);
    engine->kernels->activate(products, n, &activation, y);
    const float *old = from + (size_t)info->window * stride;
    for (size_t i = 0; i < (size_t)n * stride; i++) from[i] = old[i] + y[i];
  }
}

const float *encode(struct Engine *engine, const struct Stream *stream, uint64_t *at, uint32_t *tokens, uint32_t *count) {
  look_at_clock(engine);
  const uint64_t from = *at;
  const uint32_t n = stream->end - from < BLOCK ? (uint32_t)(stream->end - from) : BLOCK;
  *at += n;
  const struct Tok2Vec *t = &engine->model.tok2vec[stream->k];
  const uint32_t stride = t->info.stride, around = t->info.window * t->info.depth;
  uint32_t rows = n + 2 * around;
  float *row = reserve(engine, &engine->rows, ((size_t)rows * stride + rows) * sizeof *row);
  uint32_t *numbers = (uint32_t *)(row + (size_t)rows * stride); /* of the tokens; NO_SUCH where there is none */
  uint32_t d = document_at(stream, from > around ? from - around : 0);
  for (uint32_t r = 0; r < rows; r++) {
    /* Places before the stream wrap round to far behind it: no token is there either. */
    const uint64_t place = from + r - around;
    while (d < stream->count && place < UINT64_MAX / 2 && place >= stream->begins[d] + stream->documents[d].count) d++;
    const bool has = d < stream->count && place >= stream->begins[d] && place < UINT64_MAX / 2;
    numbers[r] = has ? stream->documents[d].first + (uint32_t)(place - stream->begins[d]) : NO_SUCH;
    float *to = row + (size_t)r * stride;
    if (has) word_row(engine, stream->k, (struct Token *)engine->tokens.data + numbers[r], to);
    else memset(to, 0, stride * sizeof *to);
  }
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
