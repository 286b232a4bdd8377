/* Stands in for every module that starts, signals or counts processes, and for the clock. kill, socket and connect are
 * renamed for all sources of this target by the Makefile: nothing leaves this process. */
#define _GNU_SOURCE
#include "control-world.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../clock.h"
#include "../courier.h"
#include "../descriptors.h"
#include "../ending.h"
#include "../helper.h"
#include "../memory.h"
#include "../pty.h"
#include "../reap.h"
#include "../record.h"
#include "../report.h"
#include "../room.h"
#include "../say.h"
#include "../slay.h"
#include "../spawn.h"

enum { SERVERS = 16, FIRST_PID = 1000000 };

/* The far ends of what an exec holds, by its place in the table. */
static struct far {
  int in, out, err, report;
} fars[MAX_EXECS];
static int servers[SERVERS];
static int worker_end = -1;
static uint64_t clock_us = 1000000;
static int32_t last_pid = FIRST_PID;

uint64_t now_us(void) { return clock_us; }
uint64_t limit_us(void) { return clock_us; }
void limit_clock_run(bool run) { (void)run; }
uint64_t limit_due(uint64_t deadline) { return deadline; }

void say(const char *what, int error) {
  (void)what;
  (void)error;
}

int kill(pid_t pid, int number) {
  (void)pid;
  (void)number;
  return 0;
}

int socket(int domain, int type, int protocol) {
  int ends[2];
  (void)domain;
  (void)protocol;
  if (socketpair(AF_UNIX, type, 0, ends) != 0) return -1;
  int *free_place = &servers[world_random() % SERVERS];
  close_one(free_place);
  *free_place = ends[1];
  return ends[0];
}

int connect(int fd, const struct sockaddr *address, socklen_t bytes) {
  static const int answers[] = {0, 0, EINPROGRESS, ECONNREFUSED};
  (void)fd;
  (void)address;
  (void)bytes;
  errno = answers[world_random() % 4];
  return errno == 0 ? 0 : -1;
}

/* From the heap, where a sanitizer sees its bounds. */
uint8_t *memory_take(size_t bytes) { return calloc(1, bytes); }
uint8_t *memory_take_private(size_t bytes) { return calloc(1, bytes); }
void *memory_take_shared(size_t bytes) { return calloc(1, bytes); }
void memory_return(uint8_t *memory, size_t bytes) {
  (void)bytes;
  free(memory);
}
void memory_rest(uint8_t *memory, size_t bytes) { memset(memory, 0, bytes); }

static void open_pipe(int *near_end, int *far_end, bool near_reads) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) abort();
  *near_end = ends[near_reads ? 0 : 1];
  *far_end = ends[near_reads ? 1 : 0];
}

static void close_far(struct far *far) {
  close_one(&far->in);
  close_one(&far->out);
  close_one(&far->err);
  close_one(&far->report);
}

bool spawn_open(void) { return true; }
bool spawn_adopts(void) { return true; }
pid_t spawn_leader(const struct exec *e) { return e->leader; }

int spawn(struct exec *e, const uint8_t *body, struct pages pages) {
  static const int errors[] = {EAGAIN, ENOMEM, EMFILE};
  struct far *far = &fars[e - execs];
  (void)pages;
  close_far(far); /* of the last one in this place, which nobody held any more */
  e->stage = STAGE_FORK;
  if (world_random() % 8 == 0) return errors[world_random() % 3];
  if (e->in.wanted || body[0] == 1) open_pipe(&e->in.fd, &far->in, false);
  open_pipe(&e->out.fd, &far->out, true);
  open_pipe(&e->err.fd, &far->err, true);
  open_pipe(&e->report, &far->report, true);
  e->supervisor = ++last_pid;
  return 0;
}

void slay(struct exec *e, uint8_t reason, uint8_t signal, uint32_t grace_ms) {
  (void)signal;
  if (e->reason == REASON_SELF && !e->ended) e->reason = reason;
  e->slay.phase = SLAY_TERM;
  e->wait_until = clock_us + grace_ms * 1000u;
}
void slay_strays(void) {}
bool slay_has_strays(void) { return false; }
bool slay_is_killing(void) { return world_random() % 2 == 0; }
void slay_largest(void) {}
uint32_t slay_count(const struct exec *e) {
  (void)e;
  return world_random() % 3;
}
void slay_signal_tree(const struct exec *e, int signal) {
  (void)e;
  (void)signal;
}
uint64_t slay_due(void) { return NEVER; }
void slay_tick(void) {}
void reap_children(void) {}

pid_t helper_pid(int helper) {
  (void)helper;
  return ++last_pid;
}
void report_ask(void) {}
void report_pump(void) {}
void report_disconnected(void) {}
int pty_resize(int fd, uint16_t columns, uint16_t rows) {
  (void)fd;
  return columns == 0 || rows == 0 ? EINVAL : 0;
}

static void feed(int fd, size_t most) {
  static const uint8_t bytes[4096] = "output";
  if (fd >= 0 && write(fd, bytes, 1 + world_random() % most) < 0 && errno != EAGAIN && errno != EPIPE) abort();
}

static void drain(int fd) {
  uint8_t bytes[8192];
  while (fd >= 0 && read(fd, bytes, sizeof bytes) > 0) continue;
}

static void tell(int fd, uint32_t kind, int32_t status, uint32_t gone) {
  struct record record = {.kind = kind, .value = kind == RECORD_FAILED ? world_random() % 8 : (uint32_t)++last_pid, .status = status, .gone = gone};
  if (fd >= 0 && write(fd, &record, sizeof record) < 0 && errno != EAGAIN && errno != EPIPE) abort();
}

static void command_moves(struct exec *e) {
  struct far *far = &fars[e - execs];
  switch (world_random() % 12) {
    case 0: tell(far->report, RECORD_STARTED, 0, 0); break;
    case 1: tell(far->report, RECORD_ENDED, (int32_t)(world_random() % 0x10000), world_random() % 2); break;
    case 2: tell(far->report, RECORD_GONE, 0, 1); break;
    case 3: tell(far->report, RECORD_FAILED, ENOENT, 0); break;
    case 4: close_one(&far->in); break;
    case 5: close_one(&far->out); break;
    case 6: {
      struct rusage used;
      memset(&used, 0, sizeof used);
      if (e->supervisor != 0) exec_reaped(e->supervisor, (int)(world_random() % 0x10000), &used);
      break;
    }
    case 7: drain(far->in); break;
    case 8: feed(far->err, 4000); break;
    default: feed(far->out, 4000);
  }
}

static void worker_moves(void) {
  uint8_t frame[HEADER_BYTES + 64];
  static const uint8_t types[] = {FRAME_FILE_END, FRAME_FILE_DATA_UP, FRAME_FILE_CREDIT_UP, FRAME_FILE_END};
  uint32_t length = world_random() % 64;
  if (worker_end < 0) return;
  drain(worker_end);
  if (world_random() % 16 == 0) { /* it dies, and another one comes */
    close_one(&worker_end);
    world_begin();
    return;
  }
  memset(frame, 0, sizeof frame);
  /* Numbers rise from input to input; most of these were given out lately. */
  static uint32_t about;
  about += world_random() % 8 == 0;
  put_header(frame, types[world_random() % 4], 0, about, length);
  if (world_random() % 16 == 0) frame[world_random() % HEADER_BYTES] = (uint8_t)world_random();
  if (send(worker_end, frame, HEADER_BYTES + length, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) close_one(&worker_end);
}

void world_begin(void) {
  static bool is_begun;
  int ends[2];
  if (!is_begun) {
    memset(fars, 0xff, sizeof fars);
    memset(servers, 0xff, sizeof servers);
    (void)!signal(SIGPIPE, SIG_IGN);
    is_begun = true;
  }
  if (worker_end >= 0) return;
  courier_detach();
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0) abort();
  worker_end = ends[1];
  courier_attach(ends[0]);
}

void world_moves(void) {
  clock_us += world_random() % 200000;
  EACH_EXEC(e) command_moves(e);
  int *server = &servers[world_random() % SERVERS];
  if (world_random() % 8 == 0) close_one(server);
  else if (*server >= 0 && world_random() % 2 == 0) drain(*server);
  else feed(*server, 3000);
  worker_moves();
}

void world_end(void) {
  EACH_EXEC(e) {
    close_far(&fars[e - execs]);
    struct rusage used;
    memset(&used, 0, sizeof used);
    if (e->supervisor != 0) exec_reaped(e->supervisor, 0, &used);
    if (room_is_waiting(e)) ending_not_started(e, 0, 0); /* its supervisor's last word may have been that it has no room */
    e->acked = true;
    e->gone = true;
  }
  courier_detach();
  close_one(&worker_end);
  for (int i = 0; i < SERVERS; i++) close_one(&servers[i]);
  for (struct far *far = fars; far < fars + MAX_EXECS; far++) close_far(far);
}
