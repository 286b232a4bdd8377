/* Owns the calls around mmap. */
#define _GNU_SOURCE
#include "memory.h"

#include <errno.h>
#include <stddef.h>
#include <sys/mman.h>

#include "say.h"

uint8_t *memory_take(size_t bytes) {
  void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return memory == MAP_FAILED ? NULL : memory;
}

uint8_t *memory_take_private(size_t bytes) {
  uint8_t *memory = memory_take(bytes);
  /* Where it is not supported, children merely carry pages they never look at. */
  if (memory != NULL && madvise(memory, bytes, MADV_DONTFORK) != 0 && errno != EINVAL) say("cannot keep memory from children", errno);
  return memory;
}

void *memory_take_shared(size_t bytes) {
  void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  return memory == MAP_FAILED ? NULL : memory;
}

void memory_return(uint8_t *memory, size_t bytes) {
  if (memory != NULL && munmap(memory, bytes) != 0) say("cannot unmap", errno);
}

void memory_rest(uint8_t *memory, size_t bytes) {
  if (madvise(memory, bytes, MADV_DONTNEED) != 0) say("cannot give pages back", errno);
}
