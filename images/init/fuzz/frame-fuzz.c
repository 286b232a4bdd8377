/* Fuzzes what stands between the daemon's bytes and init: the frame parser and the check of a START. With libFuzzer:
 * clang -fsanitize=fuzzer,address -DLIBFUZZER fuzz/frame-fuzz.c. Without: main() mutates valid streams itself, from a
 * seed, so that a failure can be had again. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../frame.h"
#include "../start-check.h"

enum { STREAM_BYTES = 4096, DEFAULT_INPUTS = 1000000 };

static void check(int claim, const char *what) {
  if (claim) return;
  fprintf(stderr, "broken claim: %s\n", what);
  abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  /* A copy of the exact size, so that a sanitizer sees the first byte read beyond it. */
  uint8_t *bytes = malloc(size == 0 ? 1 : size);
  if (bytes == NULL) return 0;
  if (size > 0) memcpy(bytes, data, size);
  size_t at = 0;
  struct frame frame;
  int used;
  while ((used = frame_next(bytes + at, size - at, &frame)) > 0) {
    check((size_t)used <= size - at, "a frame ends inside its bytes");
    check((size_t)used == HEADER_BYTES + frame.length, "a frame is its header and its body");
    check(frame.length <= frame_bound(frame.type), "no body is above its bound");
    check(frame.body == bytes + at + HEADER_BYTES, "a body follows its header");
    /* The same bytes cut short are never more than incomplete. */
    struct frame cut;
    check(frame_next(bytes + at, (size_t)used - 1, &cut) == FRAME_MORE, "a frame that is cut is incomplete");
    if (frame.type == FRAME_START && start_is_sound(frame.body, frame.length)) {
      size_t strings = 0;
      for (uint32_t i = 32; i < frame.length; i++) strings += frame.body[i] == 0;
      check(strings == 1u + get_u16(frame.body + 6) + get_u16(frame.body + 8), "a sound START has the strings it counts");
      check(frame.body[frame.length - 1] == 0, "a sound START ends its last string");
      check(get_u16(frame.body + 6) > 0, "a sound START has a program");
    }
    at += (size_t)used;
  }
  check(used == FRAME_MORE || used == FRAME_BAD, "there are three answers");
  free(bytes);
  return 0;
}

#ifndef LIBFUZZER
static uint64_t state;

static uint32_t next(void) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return (uint32_t)(state >> 32);
}

static size_t make_stream(uint8_t *out) {
  size_t at = 0;
  for (uint32_t frames = next() % 5; frames > 0; frames--) {
    uint8_t type = (uint8_t)(next() % 4 == 0 ? next() : FRAME_START);
    uint32_t argc = next() % 4, envc = next() % 4, length = next() % 200;
    if (at + HEADER_BYTES + 32 + length > STREAM_BYTES) break;
    if (type == FRAME_START) length += 32;
    put_header(out + at, type, (uint8_t)(next() % 8), next(), length);
    uint8_t *body = out + at + HEADER_BYTES;
    for (uint32_t i = 0; i < length; i++) body[i] = (uint8_t)(next() % 16 == 0 ? 0 : 'a' + next() % 26);
    if (type == FRAME_START) {
      memset(body, 0, 32);
      put_u16(body + 6, (uint16_t)argc);
      put_u16(body + 8, (uint16_t)envc);
      if (next() % 2 == 0) {
        memset(body + 32, 'x', length - 32);
        for (uint32_t i = 0; i < argc + envc && 33 + i < length; i++) body[32 + i] = 0;
        if (length > 32) body[length - 1] = 0;
      }
    }
    at += HEADER_BYTES + length;
  }
  for (uint32_t flips = next() % 4; flips > 0 && at > 0; flips--) out[next() % at] = (uint8_t)next();
  return at > 0 && next() % 3 == 0 ? next() % at : at;
}

int main(int argc, char **argv) {
  static uint8_t stream[STREAM_BYTES];
  unsigned long inputs = argc > 1 ? strtoul(argv[1], NULL, 10) : DEFAULT_INPUTS;
  unsigned long seed = argc > 2 ? strtoul(argv[2], NULL, 10) : 1;
  state = seed * 0x9e3779b97f4a7c15u + 1;
  for (unsigned long i = 0; i < inputs; i++) LLVMFuzzerTestOneInput(stream, make_stream(stream));
  printf("%lu inputs, seed %lu: clean\n", inputs, seed);
  return 0;
}
#endif
