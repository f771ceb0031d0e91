/* Compiled with the processor's baseline, and for x86-64 a second time with AVX2 and FMA and KERNELS=kernels_avx2. On
   arm64 the baseline has NEON. Vectors of eight floats are the compiler's: it cuts them where registers are shorter. */

#include "kernels.h"

#include <math.h>
#include <string.h>

#ifndef KERNELS
#define KERNELS kernels_portable
#endif

typedef float Vector __attribute__((vector_size(32), aligned(4)));
typedef _Float16 Half __attribute__((vector_size(16), aligned(2)));

static inline Vector load(const float *from) {
  Vector v;
  memcpy(&v, from, sizeof v);
  return v;
}

static inline void store(float *to, Vector v) { memcpy(to, &v, sizeof v); }

static inline Vector all(float x) { return (Vector){x, x, x, x, x, x, x, x}; }

static inline Vector greater(Vector a, Vector b) {
  Vector v;
  for (int i = 0; i < 8; i++) v[i] = a[i] > b[i] ? a[i] : b[i];
  return v;
}

static inline float total(Vector v) { return ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7])); }

/* Six rows by sixteen columns: twelve sums stay in registers, and each loaded number is used at least twice. */
static void multiply(const float *a, size_t lda, uint32_t rows, uint32_t inner, const float *w, uint32_t outputs, float *y) {
  for (uint32_t column = 0; column < outputs; column += 16) {
    const float *panel = w + (size_t)column * inner;
    for (uint32_t row = 0; row < rows; row += 6) {
      const uint32_t left = rows - row < 6 ? rows - row : 6;
      const float *from[6];
      for (uint32_t i = 0; i < 6; i++) from[i] = a + (row + (i < left ? i : left - 1)) * lda; /* the last one again */
      Vector s0[6] = {0}, s1[6] = {0};
      for (uint32_t k = 0; k < inner; k++) {
        const Vector w0 = load(panel + 16 * (size_t)k), w1 = load(panel + 16 * (size_t)k + 8);
#pragma GCC unroll 6
        for (int i = 0; i < 6; i++) {
          const Vector x = all(from[i][k]);
          s0[i] += x * w0;
          s1[i] += x * w1;
        }
      }
      for (uint32_t i = 0; i < left; i++) {
        float *to = y + (size_t)(row + i) * outputs + column;
        store(to, s0[i]);
        store(to + 8, s1[i]);
      }
    }
  }
}

static void to_pairs(const float *rows, uint32_t pairs, uint32_t n, float *y) {
  const size_t apart = (size_t)pairs * n;
  for (uint32_t pair = 0; pair < pairs; pair++, rows += 2 * (size_t)n)
    for (uint32_t i = 0; i < n; i += 8, y += 8) {
      const Vector a = load(rows + i), b = load(rows + n + i), c = load(rows + 2 * n + i), d = load(rows + 3 * n + i);
      store(y, a - c);
      store(y + apart, b + c);
      store(y + 2 * apart, c - b);
      store(y + 3 * apart, b - d);
    }
}

static void from_pairs(const float *products, uint32_t pairs, uint32_t n, float *y) {
  const size_t apart = (size_t)pairs * n;
  for (uint32_t pair = 0; pair < pairs; pair++, y += 2 * (size_t)n)
    for (uint32_t i = 0; i < n; i += 8, products += 8) {
      const Vector b = load(products + apart), c = load(products + 2 * apart);
      store(y + i, load(products) + b + c);
      store(y + n + i, b - c - load(products + 3 * apart));
    }
}

/* x * tanh(log(1 + exp(x))); thinc takes x itself from 20 on. */
static float mish(float x) {
  return x >= 20 ? x : x * tanhf(log1pf(expf(x)));
}

static void normalize(float *y, const struct Activation *a) {
  const float n = (float)a->width, beyond = (float)(a->stride - a->width);
  Vector sum = {0}, squares = {0};
  for (uint32_t i = 0; i < a->stride; i += 8) sum += load(y + i);
  const float mean = total(sum) / n;
  for (uint32_t i = 0; i < a->stride; i += 8) {
    const Vector apart = load(y + i) - all(mean);
    squares += apart * apart;
  }
  const float variance = (total(squares) - beyond * mean * mean) / n + 1e-8f;
  const float scale = 1 / sqrtf(variance);
  for (uint32_t i = 0; i < a->stride; i += 8)
    store(y + i, (load(y + i) - all(mean)) * all(scale) * load(a->gain + i) + load(a->shift + i));
}

static void activate(const float *products, uint32_t rows, const struct Activation *a, float *y) {
  for (uint32_t row = 0; row < rows; row++, y += a->stride) {
    for (uint32_t i = 0; i < a->stride; i += 8) {
      Vector most = load(products + i) + load(a->bias + i);
      for (uint32_t p = 1; p < a->pieces; p++)
        most = greater(load(products + p * a->stride + i) + load(a->bias + p * a->stride + i), most);
      store(y + i, most);
    }
    if (a->mish)
      for (uint32_t i = 0; i < a->width; i++) y[i] = mish(y[i]);
    if (a->normalized) normalize(y, a);
    products += (size_t)a->pieces * a->stride;
  }
}

static void add(float *sum, const void *row, uint32_t n, bool half) {
  if (half) {
    const _Float16 *from = row;
    for (uint32_t i = 0; i < n; i += 8) {
      Half h;
      memcpy(&h, from + i, sizeof h);
      store(sum + i, load(sum + i) + __builtin_convertvector(h, Vector));
    }
  } else {
    const float *from = row;
    for (uint32_t i = 0; i < n; i += 8) store(sum + i, load(sum + i) + load(from + i));
  }
}

static void greatest(const float *state, uint32_t hidden, uint32_t pieces, float *y) {
  memcpy(y, state, hidden * sizeof *y);
  for (uint32_t p = 1; p < pieces; p++) {
    const float *piece = state + (size_t)p * hidden;
    for (uint32_t i = 0; i < hidden; i++) y[i] = piece[i] > y[i] ? piece[i] : y[i];
  }
}

/* Columns [at, at + 8 * n) of the scores: their sums stay in registers. */
static inline void score_columns(const float *hidden, uint32_t count, const float *upper, const float *bias, uint32_t moves,
                                 float *scores, uint32_t at, int n) {
  Vector sums[4];
  for (int v = 0; v < n; v++) sums[v] = load(bias + at + 8 * v);
  for (uint32_t i = 0; i < count; i++) {
    const Vector x = all(hidden[i]);
    for (int v = 0; v < n; v++) sums[v] += x * load(upper + (size_t)i * moves + at + 8 * v);
  }
  for (int v = 0; v < n; v++) store(scores + at + 8 * v, sums[v]);
}

static void score(const float *hidden, uint32_t n, const float *upper, const float *bias, uint32_t moves, float *scores) {
  uint32_t at = 0;
  if (moves < 8) {
    memcpy(scores, bias, moves * sizeof *scores);
    for (uint32_t i = 0; i < n; i++)
      for (uint32_t k = 0; k < moves; k++) scores[k] += hidden[i] * upper[(size_t)i * moves + k];
    return;
  }
  for (; at + 32 <= moves; at += 32) score_columns(hidden, n, upper, bias, moves, scores, at, 4);
  for (; at + 8 <= moves; at += 8) score_columns(hidden, n, upper, bias, moves, scores, at, 1);
  /* The last ones once more with those before them. */
  if (at < moves) score_columns(hidden, n, upper, bias, moves, scores, moves - 8, 1);
}

const struct Kernels KERNELS = {multiply, activate, to_pairs, from_pairs, add, greatest, score};
