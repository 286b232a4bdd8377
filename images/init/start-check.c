/* Owns the bounds of a START: what passes here is taken apart without looking again. */
#include "start-check.h"

#include <stddef.h>
#include <string.h>

#include "frame.h"

enum { START_BYTES = 32, HIGHEST_OOM_SCORE = 1000 };

bool start_is_sound(const uint8_t *body, uint32_t bytes) {
  if (bytes < START_BYTES || body[0] > 1 || body[1] > 1 || get_u16(body + 6) == 0 || get_u32(body + 24) > HIGHEST_OOM_SCORE)
    return false;
  size_t strings = 1u + get_u16(body + 6) + get_u16(body + 8);
  const uint8_t *at = body + START_BYTES, *end = body + bytes;
  for (; strings > 0 && at < end; strings--) {
    at = memchr(at, 0, (size_t)(end - at));
    if (at == NULL) return false;
    at++;
  }
  return strings == 0 && at == end;
}
