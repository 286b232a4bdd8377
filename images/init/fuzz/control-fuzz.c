/* Fuzzes all that init does with a daemon's frames: control.c, and behind it execs, stdin, output, dials and file
 * requests, as they are. Only what reaches beyond PID 1's memory is replaced (control-world.c): no process is started or
 * signalled, no socket leads out. One input is the bytes of one connection; what commands, servers and the file worker
 * do meanwhile follows from a hash of it, so that an input is the same whenever it is run.
 *
 *   control-fuzz N SEED CORPUS   runs the corpus, then N inputs, half of them mutated from it
 *   control-fuzz N SEED CORPUS + also adds inputs to the corpus that are answered as none before */
#define _GNU_SOURCE
#include "../control.c"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "../courier.h"
#include "control-world.h"

enum { STREAM_BYTES = 768 * 1024, SMALL_BYTES = 16 * 1024, MAX_CORPUS = 256, CHUNK_BYTES = 2048, IDS = 6, SEEN_BITS = 1 << 16 };

static uint64_t state;

uint32_t world_random(void) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return (uint32_t)(state >> 32);
}

static void check(bool claim, const char *what) {
  if (claim) return;
  fprintf(stderr, "broken claim: %s\n", what);
  abort();
}

static int daemon_fd = -1;
static uint8_t heard[512 * 1024];
static size_t heard_bytes;
static uint32_t answers; /* a hash of the types of the frames that came */

static uint32_t lingering[IDS + 1]; /* of the last EXIT of each number that was heard */

static void hear(const struct frame *frame) {
  check(frame->type >= FRAME_HELLO && frame->type <= FRAME_SELF_REPORT, "init sends only what is its own to send");
  check(frame->type != FRAME_OUTPUT || (frame->length > 8 && frame->length <= MAX_DATA + 8), "output is not empty and within its bound");
  check(frame->type != FRAME_EXIT || frame->length == 64, "an EXIT has its size");
  if (frame->type == FRAME_EXIT && frame->id <= IDS) lingering[frame->id] = get_u32(frame->body + 56);
  if (frame->type == FRAME_EXIT_GONE && frame->id <= IDS) check(lingering[frame->id] > 0, "an EXIT that counts no descendants is the last word");
  answers = answers * 31 + frame->type;
}

static void check_windows(void) {
  EACH_EXEC(e) {
    const struct output *o = &e->output;
    check(e->in.taken <= e->in.received && e->in.received - e->in.taken <= STDIN_WINDOW_BYTES, "stdin stays in its window");
    check(o->credited <= o->sent && o->sent <= o->end && o->end - o->credited <= WINDOW_BYTES, "output stays in its window");
  }
}

static void listen_to_init(void) {
  for (;;) {
    ssize_t got = daemon_fd < 0 ? 0 : recv(daemon_fd, heard + heard_bytes, sizeof heard - heard_bytes, MSG_DONTWAIT);
    if (got <= 0) return;
    heard_bytes += (size_t)got;
    size_t at = 0;
    struct frame frame;
    int used;
    while ((used = frame_next(heard + at, heard_bytes - at, &frame)) > 0) {
      hear(&frame);
      at += (size_t)used;
    }
    check(used == FRAME_MORE, "init sends frames");
    memmove(heard, heard + at, heard_bytes - at);
    heard_bytes -= at;
  }
}

static void hang_up(void) {
  if (phase != DOWN) disconnect();
  close_one(&daemon_fd);
  heard_bytes = 0;
  memset(lingering, 0xff, sizeof lingering); /* an EXIT may be lost with the connection, and acknowledged all the same */
}

static void connect_to_daemon(void) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0) abort();
  fd = ends[0];
  daemon_fd = ends[1];
  phase = UP;
  telling_status();
}

/* One turn of main.c's loop, without waiting. */
static void turn(void) {
  exec_tick();
  retry_at = NEVER; /* only this file makes connections */
  control_tick();
  control_watch();
  exec_watch();
  courier_watch();
  dial_watch();
  loop_wake(0);
  loop_turn();
  if (world_random() % 4 != 0) listen_to_init();
  check_windows();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static bool is_open;
  if (!is_open) is_open = outbox_open() && exec_open() && dial_open() && courier_open() && (inbox = memory_take(INBOX_BYTES)) && (nonce = memory_take_private(NONCE_PAGE));
  state = 0xcbf29ce484222325u;
  for (size_t i = 0; i < size; i++) state = (state ^ data[i]) * 0x100000001b3u;
  state |= 1;
  answers = 0;
  connect_to_daemon();
  world_begin();
  for (size_t at = 0; at < size;) {
    size_t chunk = 1 + world_random() % (size > SMALL_BYTES ? 32 * CHUNK_BYTES : CHUNK_BYTES);
    if (chunk > size - at) chunk = size - at;
    ssize_t sent = send(daemon_fd, data + at, chunk, MSG_NOSIGNAL | MSG_DONTWAIT);
    at += sent > 0 ? (size_t)sent : errno == EAGAIN ? 0 : chunk;
    turn();
    world_moves();
    if (phase == DOWN || world_random() % 200 == 0) {
      hang_up();
      turn();
      connect_to_daemon();
    }
  }
  for (int i = 0; i < 4; i++) turn();
  hang_up();
  world_end();
  exec_tick();
  EACH_EXEC(e) check(false, "an exec that is over, gone and acknowledged is forgotten");
  static int first_free = -1;
  int now_free = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
  check(first_free < 0 || now_free <= first_free, "no descriptor is left open");
  if (first_free < 0) first_free = now_free;
  close_one(&now_free);
  return 0;
}

#ifndef LIBFUZZER
static struct {
  uint8_t *bytes;
  size_t size;
} corpus[MAX_CORPUS];
static size_t corpus_size;
static uint8_t seen[SEEN_BITS / 8];

static bool is_new(void) {
  uint32_t bit = answers % SEEN_BITS;
  bool was_seen = (seen[bit / 8] >> (bit % 8) & 1) != 0;
  seen[bit / 8] |= (uint8_t)(1u << (bit % 8));
  return !was_seen;
}

static void keep(const uint8_t *bytes, size_t size) {
  if (corpus_size == MAX_CORPUS) return;
  corpus[corpus_size].bytes = malloc(size + 1);
  corpus[corpus_size].size = size;
  memcpy(corpus[corpus_size++].bytes, bytes, size);
}

static void read_corpus(const char *path) {
  static uint8_t bytes[SMALL_BYTES];
  DIR *directory = opendir(path);
  if (directory == NULL) return;
  for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
    char name[4096];
    snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
    FILE *file = entry->d_name[0] == '.' ? NULL : fopen(name, "rb");
    if (file == NULL) continue;
    keep(bytes, fread(bytes, 1, sizeof bytes, file));
    fclose(file);
  }
  closedir(directory);
}

static void write_corpus(const char *path, unsigned long number, const uint8_t *bytes, size_t size) {
  char name[4096];
  snprintf(name, sizeof name, "%s/%06lu", path, number);
  FILE *file = fopen(name, "wb");
  if (file == NULL || fwrite(bytes, 1, size, file) != size) abort();
  fclose(file);
}

static size_t put_frame(uint8_t *out, uint8_t type, uint32_t id, bool large) {
  static const uint8_t bodies[] = {
      [FRAME_KILL] = 8, [FRAME_CREDIT] = 8, [FRAME_RESIZE] = 4, [FRAME_DIAL] = 2, [FRAME_DIAL_CREDIT] = 8, [FRAME_FILE] = 40, [FRAME_FILE_CREDIT] = 8, [FRAME_PING] = 8, [FRAME_CLOCK] = 1};
  uint8_t *body = out + HEADER_BYTES;
  uint32_t length = type < sizeof bodies ? bodies[type] : world_random() % 64;
  if (type == FRAME_STDIN || type == FRAME_DIAL_DATA || type == FRAME_FILE_DATA) length = world_random() % (large ? MAX_DATA + 1 : 700);
  memset(body, 0, length);
  if (type == FRAME_START) {
    length = 32 + 6;
    memset(body, 0, 32);
    body[0] = (uint8_t)(world_random() % 2);
    body[1] = (uint8_t)(world_random() % 4 == 0);
    put_u16(body + 6, 2);
    put_u32(body + 12, world_random() % 8 == 0 ? world_random() % 1000 : 0);
    memcpy(body + 32, "/\0sh\0", 6); /* cwd, then argv: "sh" and an empty one */
  } else if (type == FRAME_KILL) {
    body[0] = (uint8_t)(world_random() % 2);
    body[1] = (uint8_t)(1 + world_random() % 64);
  } else if (length >= 8 && (type == FRAME_CREDIT || type == FRAME_DIAL_CREDIT || type == FRAME_FILE_CREDIT)) {
    put_u64(body, world_random() % 3000);
  } else {
    for (uint32_t i = 0; i < length; i++) body[i] = (uint8_t)(world_random() % 8 == 0 ? world_random() : i % 3);
  }
  uint8_t flags = (uint8_t)(world_random() % 3 == 0 ? 1u << world_random() % 3 : 0);
  put_header(out, type, flags, id, length);
  return HEADER_BYTES + length;
}

static size_t make_stream(uint8_t *out) {
  size_t at = 0;
  bool large = world_random() % 256 == 0; /* enough to fill a window */
  uint32_t only = 1 + world_random() % IDS;
  size_t most = large ? STREAM_BYTES - HEADER_BYTES - MAX_DATA : SMALL_BYTES - 1024;
  for (uint32_t frames = world_random() % 60; frames > 0 && at < most; frames--) {
    uint8_t type = (uint8_t)(world_random() % 4 == 0 ? FRAME_START : FRAME_START + world_random() % 17);
    uint32_t id = large ? only : type < FRAME_PING ? 1 + world_random() % IDS : 0;
    static const uint8_t floods[] = {FRAME_STDIN, FRAME_DIAL_DATA, FRAME_STDIN, FRAME_FILE_DATA, FRAME_START, FRAME_DIAL, FRAME_FILE, FRAME_STDIN};
    if (large) type = floods[world_random() % sizeof floods];
    at += put_frame(out + at, type, id, large);
  }
  return at;
}

static size_t mutate(uint8_t *out, size_t size) {
  for (uint32_t changes = world_random() % 6; changes > 0 && size > 0; changes--) {
    size_t at = world_random() % size, other = world_random() % size, bytes = world_random() % 200;
    if (bytes > size - at) bytes = size - at;
    if (bytes > size - other) bytes = size - other;
    switch (world_random() % 4) {
      case 0: out[at] = (uint8_t)world_random(); break;
      case 1: memmove(out + at, out + other, bytes); break;
      case 2: out[at] ^= (uint8_t)(1u << world_random() % 8); break;
      default: size = world_random() % 8 == 0 ? at : size;
    }
  }
  return size;
}

int main(int argc, char **argv) {
  static uint8_t stream[STREAM_BYTES];
  if (argc < 4) return 2;
  unsigned long inputs = strtoul(argv[1], NULL, 10), seed = strtoul(argv[2], NULL, 10), added = 0;
  read_corpus(argv[3]);
  for (size_t i = 0; i < corpus_size; i++) {
    LLVMFuzzerTestOneInput(corpus[i].bytes, corpus[i].size);
    is_new();
  }
  size_t replayed = corpus_size;
  for (unsigned long i = 0; i < inputs; i++) {
    size_t size;
    state = (seed * 0x9e3779b97f4a7c15u + i) * 0xbf58476d1ce4e5b9u | 1;
    for (int warm = 0; warm < 4; warm++) world_random();
    if (corpus_size > 0 && world_random() % 2 == 0) {
      size_t pick = world_random() % corpus_size;
      size = corpus[pick].size;
      memcpy(stream, corpus[pick].bytes, size);
      size = mutate(stream, size);
    } else {
      size = make_stream(stream);
      if (world_random() % 3 == 0) size = mutate(stream, size);
    }
    LLVMFuzzerTestOneInput(stream, size);
    if (argc > 4 && corpus_size < MAX_CORPUS && is_new() && size < 2048) {
      keep(stream, size);
      write_corpus(argv[3], replayed + added++, stream, size);
    }
  }
  printf("%zu of the corpus, %lu inputs, seed %lu: clean\n", replayed, inputs, seed);
  return 0;
}
#endif
