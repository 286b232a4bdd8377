/* Frames as bytes: little-endian fields, header encode and decode, the parser that both ends of a socket
 * share. Knows nothing of descriptors, execs or files. */
#ifndef CLOISTER_FRAME_H
#define CLOISTER_FRAME_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "protocol.h"

static inline uint16_t get_u16(const uint8_t *p) { return (uint16_t)(p[0] | (uint16_t)p[1] << 8); }

static inline uint32_t get_u32(const uint8_t *p) {
  return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline uint64_t get_u64(const uint8_t *p) { return (uint64_t)get_u32(p) | (uint64_t)get_u32(p + 4) << 32; }

static inline void put_u16(uint8_t *p, uint16_t value) {
  p[0] = (uint8_t)value;
  p[1] = (uint8_t)(value >> 8);
}

static inline void put_u32(uint8_t *p, uint32_t value) {
  put_u16(p, (uint16_t)value);
  put_u16(p + 2, (uint16_t)(value >> 16));
}

static inline void put_u64(uint8_t *p, uint64_t value) {
  put_u32(p, (uint32_t)value);
  put_u32(p + 4, (uint32_t)(value >> 32));
}

struct frame {
  uint8_t type;
  uint8_t flags;
  uint32_t id;
  uint32_t length;     /* bytes of body */
  const uint8_t *body; /* inside the buffer that was parsed */
};

static inline void put_header(uint8_t out[HEADER_BYTES], uint8_t type, uint8_t flags, uint32_t id, uint32_t length) {
  put_u32(out, length);
  out[4] = type;
  out[5] = flags;
  put_u16(out + 6, 0);
  put_u32(out + 8, id);
}

/* The largest body a type may have, whoever sends it. */
static inline uint32_t frame_bound(uint8_t type) { return type == FRAME_START ? MAX_START_BODY : MAX_BODY; }

enum { FRAME_MORE = 0, FRAME_BAD = -1 };

/* Takes one frame off the front of `bytes`: its total size, FRAME_MORE if it is not complete yet, or FRAME_BAD if
 * it never can be. Judges a header as soon as it is there, so a hostile length is never waited for. */
static inline int frame_next(const uint8_t *bytes, size_t have, struct frame *out) {
  if (have < HEADER_BYTES) return FRAME_MORE;
  out->length = get_u32(bytes);
  out->type = bytes[4];
  out->flags = bytes[5];
  out->id = get_u32(bytes + 8);
  out->body = bytes + HEADER_BYTES;
  if (get_u16(bytes + 6) != 0 || out->length > frame_bound(out->type)) return FRAME_BAD;
  if (have - HEADER_BYTES < out->length) return FRAME_MORE;
  return (int)(HEADER_BYTES + out->length);
}

#endif
