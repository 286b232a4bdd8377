#include "file-names.h"

#include <string.h>

enum { OVERHEAD = 3, TABLES = 2 * sizeof(uint32_t) };

void names_begin(struct names *names, uint8_t *memory, uint32_t size) {
  *names = (struct names){.memory = memory, .size = size & ~3u, .width = 1};
}

bool names_add(struct names *names, const char *name, size_t length, uint8_t type) {
  size_t need = names->bytes + OVERHEAD + length + sizeof(uint32_t) + TABLES * ((size_t)names->count + 1);
  if (length == 0 || length > UINT8_MAX || need > names->size) return false;
  uint8_t *at = names->memory + names->bytes;
  names->count++;
  memcpy(names->memory + names->size - names->count * sizeof(uint32_t), &names->bytes, sizeof(uint32_t));
  at[0] = (uint8_t)length;
  at[1] = type;
  memcpy(at + 2, name, length);
  at[2 + length] = '\0';
  names->bytes += OVERHEAD + (uint32_t)length;
  return true;
}

uint32_t names_seal(struct names *names) {
  uint32_t start = (names->bytes + 3u) & ~3u;
  size_t table = names->count * sizeof(uint32_t);
  names->order = (uint32_t *)(void *)(names->memory + start);
  names->spare = names->order + names->count;
  memmove(names->order, names->memory + names->size - table, table);
  return start + (uint32_t)(2 * table);
}

static bool is_before(const struct names *names, uint32_t a, uint32_t b) {
  const uint8_t *x = names->memory + a;
  const uint8_t *y = names->memory + b;
  size_t size = x[0] < y[0] ? x[0] : y[0];
  int order = memcmp(x + 2, y + 2, size);
  return order != 0 ? order < 0 : x[0] < y[0];
}

static uint32_t bound(const struct names *names, uint32_t at) { return at < names->count ? at : names->count; }

static void next_run(struct names *names, uint32_t low) {
  names->low = low;
  names->left = low;
  names->right = bound(names, low + names->width);
  names->out = low;
}

static void next_width(struct names *names) {
  uint32_t *sorted = names->spare;
  names->spare = names->order;
  names->order = sorted;
  names->width *= 2;
  next_run(names, 0);
}

bool names_sort_step(struct names *names, uint32_t budget) {
  if (names->out == 0 && names->width == 1) next_run(names, 0);
  while (names->width < names->count) {
    uint32_t middle = bound(names, names->low + names->width);
    uint32_t end = bound(names, names->low + 2 * names->width);
    while (names->out < end) {
      if (budget-- == 0) return false;
      bool is_left = names->left < middle &&
                     (names->right >= end || !is_before(names, names->order[names->right], names->order[names->left]));
      names->spare[names->out++] = names->order[is_left ? names->left++ : names->right++];
    }
    if (end < names->count) next_run(names, end);
    else next_width(names);
  }
  return true;
}

const char *names_at(const struct names *names, uint32_t index) {
  return (const char *)names->memory + names->order[index] + 2;
}

uint8_t names_type(const struct names *names, uint32_t index) { return names->memory[names->order[index] + 1]; }
