#include "sha256.h"

#include <string.h>

static const uint32_t K[64] = {
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
  0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
  0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
  0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
  0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
  0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
  0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
  0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static inline uint32_t rotate(uint32_t x, int n) { return x >> n | x << (32 - n); }

static inline void do_round(uint32_t s[8], int k, uint32_t word) {
  uint32_t a = s[(8 - k) & 7];
  uint32_t b = s[(9 - k) & 7];
  uint32_t c = s[(10 - k) & 7];
  uint32_t *d = &s[(11 - k) & 7];
  uint32_t e = s[(12 - k) & 7];
  uint32_t f = s[(13 - k) & 7];
  uint32_t g = s[(14 - k) & 7];
  uint32_t *h = &s[(15 - k) & 7];
  uint32_t t = *h + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + (g ^ (e & (f ^ g))) + word;
  *d += t;
  *h = t + (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & b) | (c & (a | b)));
}

__attribute__((optimize("O2"))) static void add_block(uint32_t state[8], const uint8_t *p) {
  uint32_t w[64];
  uint32_t s[8];
  for (int i = 0; i < 16; i++, p += 4) {
    w[i] = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
  }
  for (int i = 16; i < 64; i++) {
    uint32_t a = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3;
    uint32_t b = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10;
    w[i] = w[i - 16] + a + w[i - 7] + b;
  }
  memcpy(s, state, sizeof s);
  for (int i = 0; i < 64; i += 8) {
    /* The eight words keep their place and the roles move, so that nothing is shifted. */
#pragma GCC unroll 8
    for (int k = 0; k < 8; k++) do_round(s, k, K[i + k] + w[i + k]);
  }
  for (int i = 0; i < 8; i++) state[i] += s[i];
}

void sha256_init(struct sha256 *hash) {
  static const uint32_t start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  memcpy(hash->state, start, sizeof start);
  hash->length = 0;
}

void sha256_add(struct sha256 *hash, const uint8_t *bytes, size_t length) {
  size_t have = hash->length % SHA256_BLOCK;
  hash->length += length;
  if (have > 0) {
    size_t size = length < SHA256_BLOCK - have ? length : SHA256_BLOCK - have;
    memcpy(hash->block + have, bytes, size);
    bytes += size;
    length -= size;
    if (have + size < SHA256_BLOCK) return;
    add_block(hash->state, hash->block);
  }
  for (; length >= SHA256_BLOCK; bytes += SHA256_BLOCK, length -= SHA256_BLOCK) add_block(hash->state, bytes);
  if (length > 0) memcpy(hash->block, bytes, length);
}

void sha256_end(struct sha256 *hash, uint8_t out[SHA256_BYTES]) {
  uint8_t pad[SHA256_BLOCK * 2] = {0x80};
  uint64_t bits = hash->length * 8;
  size_t have = hash->length % SHA256_BLOCK;
  size_t size = (have < 56 ? 56 : 120) - have;
  for (int i = 0; i < 8; i++) pad[size + (size_t)i] = (uint8_t)(bits >> (56 - 8 * i));
  sha256_add(hash, pad, size + 8);
  for (int i = 0; i < 8; i++) {
    for (int k = 0; k < 4; k++) out[i * 4 + k] = (uint8_t)(hash->state[i] >> (24 - 8 * k));
  }
}
