/* The loops that take the time, compiled once for each kind of processor from kernels.c. */

#ifndef BURST_NER_KERNELS_H
#define BURST_NER_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What follows the product of a layer with its weights. */
struct Activation {
  const float *bias, *gain, *shift; /* [pieces * stride], [stride], [stride] */
  uint32_t pieces, width, stride;
  bool mish, normalized;
};

struct Kernels {
  /* y [rows, outputs] = a [rows, inner] · w, packed as format.h says. Row r of `a` begins at r * lda. */
  void (*multiply)(const float *a, size_t lda, uint32_t rows, uint32_t inner, const float *w, uint32_t outputs, float *y);
  /* y [rows, stride] = maxout or mish of products [rows, pieces * stride], then layer normalisation. */
  void (*activate)(const float *products, uint32_t rows, const struct Activation *activation, float *y);
  /* Two neighbouring rows of a convolution of three, by four products instead of six: Winograd's F(2, 3). `to_pairs` makes
     what is multiplied, y [4, pairs, n], of rows [2 * pairs + 2, n]; `from_pairs` the rows, y [2 * pairs, n], of the
     products [4, pairs, n]. n a multiple of 8. */
  void (*to_pairs)(const float *rows, uint32_t pairs, uint32_t n, float *y);
  void (*from_pairs)(const float *products, uint32_t pairs, uint32_t n, float *y);
  /* sum += row; n a multiple of 16. `half`: the row is f16. */
  void (*add)(float *sum, const void *row, uint32_t n, bool half);
  /* The greatest piece of each hidden unit; state [pieces * hidden]. */
  void (*greatest)(const float *state, uint32_t hidden, uint32_t pieces, float *y);
  /* scores [moves] = bias + hidden · upper [hidden, moves] */
  void (*score)(const float *hidden, uint32_t n, const float *upper, const float *bias, uint32_t moves, float *scores);
};

extern const struct Kernels kernels_portable;
#if defined(__x86_64__)
extern const struct Kernels kernels_avx2;
#endif

#endif
