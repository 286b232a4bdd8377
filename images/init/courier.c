/* Owns the table of file requests and the buffers both ways. */
#define _GNU_SOURCE
#include "courier.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "descriptors.h"
#include "helper.h"
#include "loop.h"
#include "memory.h"
#include "outbox.h"
#include "say.h"

#include <signal.h>

enum {
  FILE_END_BYTES = 8,
  /* Every request's window and its FILE frame; a daemon that keeps to the windows never fills it. */
  DOWN_BYTES = MAX_FILE_REQUESTS * (FILE_WINDOW_BYTES + MAX_BODY + 16 * 1024),
  UP_BYTES = 2 * (HEADER_BYTES + MAX_BODY),
  REST_BYTES = 64 * 1024,
  COMPACT_BYTES = 512 * 1024 /* sent, at the front: so that a long transfer stays in the first pages */
};

static struct request {
  uint32_t id, worker_id; /* worker_id 0: free */
  bool forgotten;         /* nobody waits for its end */
  bool failed;            /* the worker ended under it */
} requests[MAX_FILE_REQUESTS];

static int worker = -1;
static uint32_t last_worker_id;
static uint8_t *down, *up;
static size_t down_head, down_tail, down_peak, up_have;

bool courier_open(void) {
  down = memory_take_private(DOWN_BYTES);
  up = memory_take_private(UP_BYTES);
  return down != NULL && up != NULL;
}

static void drop_down(void) {
  down_head = down_tail = 0;
}

static bool is_idle(void) {
  for (const struct request *r = requests; r < requests + MAX_FILE_REQUESTS; r++) {
    if (r->worker_id != 0) return false;
  }
  return true;
}

/* Pages are given back between requests and not while one goes on, which would need them again at once. */
static void rest_down(void) {
  if (down_peak <= REST_BYTES || down_head < down_tail || !is_idle()) return;
  memory_rest(down, DOWN_BYTES);
  down_peak = 0;
}

void courier_attach(int worker_fd) {
  worker = worker_fd;
  drop_down();
  up_have = 0;
}

void courier_detach(void) {
  close_one(&worker);
  drop_down();
  up_have = 0;
  for (struct request *r = requests; r < requests + MAX_FILE_REQUESTS; r++) {
    if (r->forgotten) r->worker_id = 0;
    else r->failed = r->worker_id != 0;
  }
}

/* A worker that breaks the protocol is no worker of ours any more; its end brings the next one. */
static void reject_worker(void) {
  close_one(&worker);
  pid_t pid = helper_pid(HELPER_WORKER);
  if (pid > 0 && kill(pid, SIGKILL) != 0 && errno != ESRCH) say("cannot kill the file worker", errno);
}

static void flush(void) {
  while (worker >= 0 && down_head < down_tail) {
    ssize_t sent = send(worker, down + down_head, down_tail - down_head, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno == EAGAIN) return;
    if (sent < 0) {
      reject_worker();
      return;
    }
    down_head += (size_t)sent;
  }
  if (down_head == down_tail) drop_down();
}

static bool pass_down(const struct frame *frame, uint32_t worker_id) {
  size_t bytes = HEADER_BYTES + frame->length;
  bool is_mostly_sent = down_head >= COMPACT_BYTES && down_tail - down_head <= down_head;
  if (is_mostly_sent || DOWN_BYTES - down_tail < bytes) {
    memmove(down, down + down_head, down_tail - down_head);
    down_tail -= down_head;
    down_head = 0;
  }
  if (DOWN_BYTES - down_tail < bytes) return false;
  put_header(down + down_tail, frame->type, frame->flags, worker_id, frame->length);
  if (frame->length > 0) memcpy(down + down_tail + HEADER_BYTES, frame->body, frame->length);
  down_tail += bytes;
  if (down_tail > down_peak) down_peak = down_tail;
  return true;
}

static void put_end(uint32_t id, uint32_t error) {
  uint8_t *body = outbox_put(FRAME_FILE_END, 0, id, FILE_END_BYTES);
  memset(body, 0, FILE_END_BYTES);
  put_u32(body, error);
}

static bool begin(const struct frame *frame) {
  struct request *r = requests;
  if (worker < 0) {
    put_end(frame->id, EIO);
    return true;
  }
  while (r < requests + MAX_FILE_REQUESTS && r->worker_id != 0) r++;
  if (r == requests + MAX_FILE_REQUESTS) {
    put_end(frame->id, EAGAIN);
    return true;
  }
  if (++last_worker_id == 0) last_worker_id = 1;
  *r = (struct request){.id = frame->id, .worker_id = last_worker_id};
  return pass_down(frame, r->worker_id);
}

bool courier_frame(const struct frame *frame) {
  if (frame->id == 0) return false;
  struct request *r = requests;
  while (r < requests + MAX_FILE_REQUESTS && (r->worker_id == 0 || r->forgotten || r->id != frame->id)) r++;
  bool known = r < requests + MAX_FILE_REQUESTS;
  if (frame->type == FRAME_FILE) return !known && begin(frame);
  /* What is unknown ended while the frame was on its way. */
  return !known || r->failed || worker < 0 || pass_down(frame, r->worker_id);
}

void courier_disconnected(void) {
  for (struct request *r = requests; r < requests + MAX_FILE_REQUESTS; r++) {
    if (r->worker_id == 0 || r->forgotten) continue;
    const struct frame cancel = {.type = FRAME_FILE_CANCEL, .length = 0};
    r->forgotten = true;
    if (r->failed) r->worker_id = 0;
    else if (worker >= 0 && !pass_down(&cancel, r->worker_id)) reject_worker();
  }
}

static void on_worker(void *owner, short events) {
  (void)owner;
  if (worker < 0) return;
  if ((events & POLLOUT) != 0) flush();
  if (worker < 0 || (events & (POLLIN | POLLHUP | POLLERR)) == 0 || up_have == UP_BYTES) return;
  ssize_t got = recv(worker, up + up_have, UP_BYTES - up_have, MSG_DONTWAIT);
  if (got > 0) up_have += (size_t)got;
  else if (got == 0 || (errno != EAGAIN && errno != EINTR)) reject_worker();
}

void courier_watch(void) {
  short events = (short)((up_have < UP_BYTES ? POLLIN : 0) | (down_head < down_tail ? POLLOUT : 0));
  if (events != 0) loop_watch(worker, events, on_worker, NULL);
}

static bool pass_up(const struct frame *frame) {
  struct request *r = requests;
  while (r < requests + MAX_FILE_REQUESTS && (r->worker_id == 0 || r->worker_id != frame->id)) r++;
  if (r == requests + MAX_FILE_REQUESTS) return false;
  if (frame->type != FRAME_FILE_END && frame->type != FRAME_FILE_DATA_UP && frame->type != FRAME_FILE_CREDIT_UP) return false;
  if (!r->forgotten) {
    uint8_t *body = outbox_put(frame->type, frame->flags, r->id, frame->length);
    if (frame->length > 0) memcpy(body, frame->body, frame->length);
  }
  if (frame->type == FRAME_FILE_END) {
    r->worker_id = 0;
    rest_down();
  }
  return true;
}

/* What came in one turn goes on in one piece: a small write wakes the worker once. */
void courier_pump(void) {
  flush();
  for (struct request *r = requests; r < requests + MAX_FILE_REQUESTS; r++) {
    if (r->worker_id == 0 || !r->failed || r->forgotten || !outbox_takes_reply()) continue;
    put_end(r->id, EIO);
    r->worker_id = 0;
    r->failed = false;
  }
  size_t at = 0;
  while (at < up_have) {
    struct frame frame;
    int used = frame_next(up + at, up_have - at, &frame);
    if (used == FRAME_MORE || (used > 0 && !outbox_takes_bulk(frame.length))) break;
    if (used == FRAME_BAD || !pass_up(&frame)) {
      reject_worker();
      up_have = 0;
      return;
    }
    at += (size_t)used;
  }
  memmove(up, up + at, up_have - at);
  up_have -= at;
}
