/* Calls every row of the filter table once and writes what the kernel answered: "<row>\t<answer>" where the answer is
 * `ok`, `e<errno>`, `s<signal>` or `x` (the call ended the process). Each row runs in a process of its own.
 * rows.h is written by the test from seccomp-table.tsv. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum entry { NATIVE, INT80, X32 };
struct row { int id; enum entry entry; long number; uint64_t args[6]; };

/* Pointer arguments of the table: a page of zeros that can be written. */
#define BUF ((uint64_t)(uintptr_t)page)
static char page[4096];

#define ABSENT (-4096L)

#define X32_BIT 0x40000000L

static long native(long number, const uint64_t *a) {
#if defined(__x86_64__)
  register uint64_t r10 __asm__("r10") = a[3];
  register uint64_t r8 __asm__("r8") = a[4];
  register uint64_t r9 __asm__("r9") = a[5];
  long result;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a[0]), "S"(a[1]), "d"(a[2]), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
#elif defined(__aarch64__)
  register uint64_t x0 __asm__("x0") = a[0];
  register uint64_t x1 __asm__("x1") = a[1];
  register uint64_t x2 __asm__("x2") = a[2];
  register uint64_t x3 __asm__("x3") = a[3];
  register uint64_t x4 __asm__("x4") = a[4];
  register uint64_t x5 __asm__("x5") = a[5];
  register uint64_t x8 __asm__("x8") = (uint64_t)number;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5), "r"(x8) : "memory");
  return (long)x0;
#endif
}

static long int80(long number, const uint64_t *a) {
#if defined(__x86_64__)
  long result;
  __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(a[0]), "c"(a[1]), "d"(a[2]) : "r8", "r9", "r10", "r11", "memory");
  return result;
#else
  (void)number, (void)a;
  return ABSENT;
#endif
}

struct answer { int is_set; long value; };

static void call(const struct row *row, volatile struct answer *answer) {
  pid_t self = getpid();
  long value = row->entry == INT80 ? int80(row->number, row->args)
             : native(row->entry == X32 ? row->number | X32_BIT : row->number, row->args);
  /* fork, vfork and clone answer twice; the second time is not ours to report. */
  uint64_t none[6] = {0};
  if (native(SYS_getpid, none) != self) native(SYS_exit, none);
  answer->value = value;
  answer->is_set = 1;
  native(SYS_exit_group, none);
}

int main(int count, char **words) {
  const struct row rows[] = {
#include "rows.h"
  };
  if (count != 2) return 2;
  FILE *out = fopen(words[1], "w");
  volatile struct answer *answer =
      mmap(NULL, sizeof *answer, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (out == NULL || answer == MAP_FAILED) return 3;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    if (rows[i].number == ABSENT) continue;
    answer->is_set = 0;
    int status;
    pid_t child = fork();
    if (child < 0) return 4;
    if (child == 0) {
      alarm(2);
      call(&rows[i], answer);
    }
    if (waitpid(child, &status, 0) != child) return 5;
    while (waitpid(-1, NULL, WNOHANG) > 0) {}
    if (WIFSIGNALED(status)) fprintf(out, "%d\ts%d\n", rows[i].id, WTERMSIG(status));
    else if (!answer->is_set) fprintf(out, "%d\tx\n", rows[i].id);
    else if (answer->value < 0 && answer->value > -4096) fprintf(out, "%d\te%ld\n", rows[i].id, -answer->value);
    else fprintf(out, "%d\tok\n", rows[i].id);
  }
  return fclose(out) == 0 ? 0 : 6;
}
