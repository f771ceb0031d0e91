/* The model file: what `python -m burst_ner_model build` writes and the engine maps. Little-endian.

   A header, a directory of sections, the sections, each at a multiple of 64 bytes. Tables (numbers below ARRAYS) are
   checked by their hash and by their content when the file is opened; arrays of weights by their length alone, because
   reading them is what a cold start must not do.

   header     8 bytes "BURSTNER", u32 FORMAT_VERSION, u32 number of sections, u64 bytes of the file,
              u64 hash of the directory, zeros up to 64 bytes
   directory  32 bytes a section: u32 number, u32 zero, u64 offset, u64 bytes, u64 hash (0 for arrays)
   hash       MurmurHash64A with seed 1, as spaCy's StringStore; "id of a string" is spaCy's get_string_id

   A table that a model does not need is there with 0 bytes; an array that it does not need is left out. */

#ifndef BURST_NER_FORMAT_H
#define BURST_NER_FORMAT_H

#include <stdint.h>

enum { FORMAT_VERSION = 2, HEADER_BYTES = 64, ENTRY_BYTES = 32, ALIGNMENT = 64 };

/* The five patterns of a tokenizer, in this order. */
enum { PREFIX, SUFFIX, INFIX, TOKEN_MATCH, URL_MATCH, PATTERNS };

enum Section {
  INFO = 1,       /* struct Info */
  SET_FIRST,      /* u32[sets + 1]: where the ranges of each set of code points begin */
  SET_RANGES,     /* u32[2] each: first and last code point; ascending, apart from each other */
  SET_ASCII,      /* u64[2] a set: a bit for each code point below 128 */
  ALTERNATIVES,   /* struct Alternative each: what a pattern tries, in order, all patterns one after the other */
  PATTERN_FIRST,  /* u32[PATTERNS + 1]: where the alternatives of each pattern begin */
  DISPATCH_FIRST, /* u32[PATTERNS * 130 + 1]: by the next character: 0 to 127; 128 for all others; 129 at the end */
  DISPATCH,       /* u32 each: the alternatives (numbers of ALTERNATIVES, ascending) worth trying there */
  CODE,           /* u32 each: programs, see pattern.c; jumps count from the beginning of the program */
  LOWER_KEYS,     /* u32 each, ascending: code points (no ASCII, no U+03A3) that str.lower changes */
  LOWER_FIRST,    /* u32[keys + 1]: where what each becomes begins */
  LOWER_CHARS,    /* u32 each */
  RULE_IDS,       /* u64 each, ascending: ids of the tokenizer's special cases */
  RULE_FIRST,     /* u32[rules + 1]: where the text of each begins */
  RULE_CHARS,     /* u32 each */
  RULE_TOKENS_FIRST, /* u32[rules + 1] */
  RULE_TOKENS,    /* struct RuleToken each; the lengths of a rule's tokens add up to its text */
  TRIE_FIRST,     /* u32[nodes + 1]: where the edges of each node begin; node 0 is the root (at least one node) */
  TRIE_KEYS,      /* u64 each, ascending within a node: the id of the next token */
  TRIE_NEXT,      /* u32 each: the node that it leads to, greater than the node that it leaves */
  TRIE_END,       /* u32 a node: 1 where a special case that is matched over tokens ends, else 0 */
  SYMBOL_HASHES,  /* u64 each, ascending: hashes of the strings that have a small id of their own */
  SYMBOL_IDS,     /* u64 each */
  NORM_KEYS,      /* u64 each, ascending: ids of the words whose norm is not their lower-case form */
  NORM_VALUES,    /* u64 each */
  LABELS_FIRST,   /* u32[labels + 1]: where the name of each label of an entity begins */
  LABELS,         /* UTF-8 */
  OUTSIDE,        /* struct Outside each: what `ner` may do outside an entity, in the order of its moves */
  PARSER_MOVES,   /* struct ParserMove each, in the order of the moves */
  PUNCTUATION,    /* u64 each, ascending: ids of the strings that end a sentence, for SENTENCIZER */
  PARTS,          /* struct Part each: of tok2vec 0, then of tok2vec 1 */
  VECTOR_KEYS,    /* u64 each, ascending; not hashed (its hash is 0), since it is large: only its length is checked */
  VECTOR_ROWS,    /* i32 a key: its row in VECTOR_TABLE, or -1; not hashed */
  TABLES,         /* one more than the last table */

  ARRAYS = 0x1000,
  /* Of tok2vec k: TOK2VEC + k * 0x1000 + one of these. `stride` is `width` rounded up to 16; what is beyond `width` is 0.
     "packed (K, N)" is a matrix with K rows and N columns, N a multiple of 16, as [N / 16][K][16]. */
  TOK2VEC = 0x1000,
  EMBED_TABLE = 0,   /* [rows, width] of each part, one behind the other; f32 or f16 */
  EMBED_BIAS = 1,    /* [3 * stride], then gain [stride] and shift [stride] of the layer normalisation */
  EMBED_GAIN = 2,
  EMBED_SHIFT = 3,
  EMBED_MIXER = 4,   /* packed (inputs, 3 * stride): what makes one row of those of the parts and the static vector */
  VECTOR_TABLE = 5,  /* [vector rows, vector_width]: static vectors, already multiplied with their weights; f32 or f16 */
  LAYER = 0x10,      /* LAYER + 4 * i of layer i: weights packed ((2 * window + 1) * stride, pieces * stride). Where the
                        window is 1, instead four matrices packed (stride, pieces * stride), of which two rows are made
                        (Winograd's F(2, 3)): a, (a + b + c) / 2, (a - b + c) / 2 and c of the three that are above each
                        other in the plain one */
  LAYER_BIAS = 1,    /* LAYER + 4 * i + 1: [pieces * stride]; piece by piece */
  LAYER_GAIN = 2,    /* left out, as the shift, where the layers are not normalized */
  LAYER_SHIFT = 3,

  NER = 0x3000,
  NER_LOWER = 0,     /* + feature 0 (next token), 1 (first of the entity), 2 (last of the entity):
                        packed (stride, columns), columns = pieces * hidden rounded up to 16, piece by piece:
                        the last layer of the tok2vec multiplied with the first of the search */
  NER_OUTSIDE_BIAS = 3, /* [columns]: bias + present(next) + absent(first) + absent(last) */
  NER_INSIDE_BIAS = 4,  /* [columns]: bias + all three present */
  NER_UPPER = 5,     /* [hidden, moves]; left out where the search has no upper layer (then hidden = moves) */
  NER_UPPER_BIAS = 6,   /* [moves] */
  NER_UPPER_OUTSIDE = 7,      /* [hidden, number of OUTSIDE]: the columns of NER_UPPER that OUTSIDE names, in its order */
  NER_UPPER_OUTSIDE_BIAS = 8, /* [number of OUTSIDE] */

  PARSER = 0x4000,
  PARSER_LOWER = 0,  /* packed (stride, 8 * columns), feature by feature; columns as for `ner` */
  PARSER_PRESENT = 1, /* [8 * columns]: added where a feature has a token */
  PARSER_ABSENT = 2,  /* [8 * columns]: taken where it has none */
  PARSER_BIAS = 3,    /* [columns] */
  PARSER_UPPER = 4,   /* [hidden, moves], or left out as for `ner` */
  PARSER_UPPER_BIAS = 5,

  SENTER = 0x5000,
  SENTER_WEIGHTS = 0, /* [2, stride]: of "I", then of "S" */
  SENTER_BIAS = 1     /* [2] */
};

/* Programs in CODE: u32 words, one for the operation and those for its operands. A program is tried at one place; it ends
   with MATCH. Jumps (a, b, next) are numbers of words from the program's own beginning. Backtracking is Python's: the
   first alternative first, loops as long as they can. */
enum Operation {
  OP_MATCH,  /* done */
  OP_CHAR,   /* c: this code point */
  OP_SET,    /* set: one of these */
  OP_SPLIT,  /* a, b: go on at a; if that fails, at b */
  OP_JUMP,   /* a */
  OP_START,  /* ^ or \A: at the beginning of the string */
  OP_END,    /* $: at the end, or before a newline that ends the string */
  OP_LOOK,   /* kind, width, next: the program behind it, up to its own MATCH, matches here (kind 0), does not (1), matches
                from `width` characters before (2), does not (3: true as well where there are fewer); then go on at next.
                At most 8 within each other */
  OP_LOOP,   /* set, least, most (0xFFFFFFFF: no bound): as many of these as there are, then fewer */
  OP_VERY_END, /* \Z */
  OPERATIONS
};

/* Who says where sentences begin. */
enum { NO_SENTENCES, BY_PARSER, BY_SENTER, BY_SENTENCIZER };
/* What follows the product of a layer. */
enum { MAXOUT, MISH };
/* Attributes, numbered as by spaCy. BYTES + i: the i-th byte that Doc.to_utf8_array gives (no hash: the row is
   the byte itself, 255 where there is none). */
enum { IS_SPACE_ATTR = 6, ORTH = 65, LOWER = 66, NORM = 67, SHAPE = 68, PREFIX_ATTR = 69, SUFFIX_ATTR = 70, SPACY_ATTR = 81, BYTES = 1024 };

struct Tok2VecInfo {
  uint32_t width, stride;
  uint32_t parts;         /* of PARTS; 0: there is no such tok2vec */
  uint32_t inputs;        /* of EMBED_MIXER: the widths of the parts, then vector_width */
  uint32_t depth, window, pieces; /* of the encoder; the embedding has 3 pieces */
  uint32_t activation;    /* MAXOUT or MISH; both with a residual connection */
  uint32_t normalized;    /* 1: layer normalisation behind each layer's activation */
  uint32_t padded;        /* 1: as MaxoutWindowEncoder, rows of zeros around a text go through the layers with it;
                             0: as MishWindowEncoder, each layer sees zeros there */
  uint32_t vector_attr;   /* 0: no static vectors; else ORTH, LOWER or NORM */
  uint32_t vector_width, vector_rows; /* the width a multiple of 16 */
};

struct SearchInfo { uint32_t hidden, pieces, columns, moves, has_upper; };

struct Info {
  uint32_t sentences;     /* NO_SENTENCES … */
  uint32_t shared;        /* 1: the parser or senter reads tok2vec 0, as `ner` does; 0: tok2vec 1 */
  uint32_t half;          /* 1: EMBED_TABLE and VECTOR_TABLE are f16 */
  /* numbers of sets */
  uint32_t space, alpha, upper, digit; /* str.isspace … of one character */
  uint32_t cased, case_ignorable;      /* as for the final sigma of str.lower */
  uint32_t punct;                      /* spaCy's is_punct of one character */
  uint32_t root_label;                 /* of ParserMove: the label of a token without a head */
  struct Tok2VecInfo tok2vec[2];
  struct SearchInfo ner, parser;       /* the parser's is all 0 unless BY_PARSER */
};

struct Alternative {
  uint32_t code, length;  /* its program in CODE */
  uint32_t first;         /* set: the characters that a match may begin with (all, where a match may be empty) */
  uint32_t flags;         /* FROM_START, TO_END */
  uint32_t most;          /* the longest match, 0xFFFFFFFF without a bound */
  uint32_t body;          /* set: the characters that a match may consist of */
};
enum { FROM_START = 1, TO_END = 2 }; /* it begins with ^ or \A; each match ends with $ */

struct RuleToken { uint32_t length, zero; uint64_t norm; }; /* norm: an id, 0 for the word's own */
struct Outside { uint32_t move, label, begins, go_on, end; }; /* label: 1 + its number, 0 to stay outside; begins: an entity
                                                                of several tokens, which go_on (I) and end (L) follow */
struct ParserMove { uint32_t kind, label, new_label, wanted; }; /* kind: SHIFT REDUCE LEFT RIGHT BREAK as 0 to 4. Labels are
   numbers of distinct strings. `label` "a||b" becomes new_label "a" and looks for a head labelled `wanted` "b";
   elsewhere new_label = label, wanted = 0xFFFFFFFF */
struct Part { uint32_t attr, seed, rows, width; }; /* width: a multiple of 16 */

#endif
