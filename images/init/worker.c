#define _GNU_SOURCE
#include "worker.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file-job.h"
#include "file-reply.h"
#include "frame.h"

enum { INPUT_BYTES = 2 * (HEADER_BYTES + MAX_BODY), REQUEST_BYTES = 32, IDENTITY_BYTES = 24 };

static struct file_job jobs[MAX_FILE_REQUESTS];
static uint8_t input[INPUT_BYTES];
static size_t input_head;
static size_t input_tail;
static size_t next_job;

static _Noreturn void leave(int status) {
  for (size_t i = 0; i < MAX_FILE_REQUESTS; i++) {
    const struct file_op *op = jobs[i].is_used ? file_op_of(jobs[i].op) : NULL;
    if (op != NULL && op->close != NULL) op->close(&jobs[i]);
  }
  _exit(status);
}

static struct file_job *find(uint32_t id) {
  for (size_t i = 0; i < MAX_FILE_REQUESTS; i++) {
    if (jobs[i].is_used && jobs[i].id == id) return &jobs[i];
  }
  return NULL;
}

static struct file_job *take_slot(void) {
  for (size_t i = 0; i < MAX_FILE_REQUESTS; i++) {
    if (!jobs[i].is_used) return &jobs[i];
  }
  return NULL;
}

static int check_args(const struct file_op *op, uint8_t kind, uint8_t flags, const struct file_args *args,
                      size_t path2_bytes) {
  if ((flags & ~op->flags) != 0) return -EINVAL;
  if (!op->has_path2 && path2_bytes > 0) return -EINVAL;
  if (args->offset > INT64_MAX) return -EINVAL;
  switch (kind) {
    case FILE_WRITE: return args->extra_bytes == 0 || args->extra_bytes == SHA256_BYTES ? 0 : -EINVAL;
    case FILE_READ: return args->extra_bytes == 0 || args->extra_bytes == IDENTITY_BYTES ? 0 : -EINVAL;
    case FILE_SYMLINK: return args->extra_bytes > MAX_PATH_BYTES ? -ENAMETOOLONG : 0;
    case FILE_LIST:
    case FILE_GREP: return args->extra_bytes > MAX_EXTRA ? -EINVAL : 0;
    default: return args->extra_bytes == 0 ? 0 : -EINVAL;
  }
}

/* Copies what outlives the frame; the rest of `args` points to statics that last until start() returns. */
static int parse_request(struct file_job *job, const uint8_t *body, struct file_args *args, int *what) {
  static char path2[MAX_PATH_BYTES + 1];
  static uint8_t extra[MAX_EXTRA + 1];
  size_t path_bytes = get_u16(body + 2);
  size_t path2_bytes = get_u16(body + 4);
  const struct file_op *op = file_op_of(job->op);
  *args = (struct file_args){.mode = get_u32(body + 8), .depth = get_u32(body + 12), .offset = get_u64(body + 16),
                             .length = get_u64(body + 24), .path2 = path2, .extra = extra,
                             .extra_bytes = get_u16(body + 6)};
  body += REQUEST_BYTES;
  if (op == NULL) return -EINVAL;
  int error = check_args(op, job->op, job->flags, args, path2_bytes);
  if (error == 0) error = path_check((const char *)body, path_bytes);
  if (error < 0) return error;
  error = path_check((const char *)body + path_bytes, path2_bytes);
  *what = error < 0;
  if (error < 0) return error;
  memcpy(job->path, body, path_bytes);
  job->path[path_bytes] = '\0';
  memcpy(path2, body + path_bytes, path2_bytes);
  path2[path2_bytes] = '\0';
  memcpy(extra, body + path_bytes + path2_bytes, args->extra_bytes);
  extra[args->extra_bytes] = '\0';
  return 0;
}

static void on_request(const struct frame *frame) {
  const uint8_t *body = frame->body;
  if (frame->length < REQUEST_BYTES || find(frame->id) != NULL) leave(1);
  if (REQUEST_BYTES + (uint32_t)get_u16(body + 2) + get_u16(body + 4) + get_u16(body + 6) != frame->length) leave(1);
  struct file_job *job = take_slot();
  if (job == NULL) {
    reply_end(frame->id, EMFILE, 0, NULL, 0);
    return;
  }
  struct file_args args;
  int what = 0;
  job->id = frame->id;
  job->op = body[0];
  job->flags = body[1];
  job->sent = 0;
  job->credited = 0;
  job->is_ready = false;
  job->wait_fd = -1;
  job->wait_from = 0;
  int error = parse_request(job, body, &args, &what);
  if (error < 0) {
    reply_end(job->id, -error, what, NULL, 0);
    return;
  }
  job->is_used = true;
  file_op_of(job->op)->start(job, &args);
}

static void on_credit(struct file_job *job, const struct frame *frame) {
  if (frame->length != 8) leave(1);
  uint64_t offset = get_u64(frame->body);
  if (offset > job->sent) leave(1);
  if (offset <= job->credited) return;
  job->credited = offset;
  job->is_ready = true;
}

static void on_cancel(struct file_job *job) {
  const struct file_op *op = file_op_of(job->op);
  if (op->cancel != NULL) op->cancel(job);
  else job_end(job, -ECANCELED, 0, NULL, 0);
}

static void on_frame(const struct frame *frame) {
  if (frame->type == FRAME_FILE) {
    on_request(frame);
    return;
  }
  struct file_job *job = find(frame->id);
  if (frame->type == FRAME_FILE_DATA) {
    if (frame->length > MAX_DATA) leave(1);
    const struct file_op *op = job == NULL ? NULL : file_op_of(job->op);
    if (op != NULL && op->data != NULL) op->data(job, frame->body, frame->length, (frame->flags & FLAG_EOF) != 0);
  } else if (frame->type == FRAME_FILE_CREDIT) {
    if (job != NULL) on_credit(job, frame);
  } else if (frame->type == FRAME_FILE_CANCEL) {
    if (job != NULL) on_cancel(job);
  } else {
    leave(1);
  }
}

/* Every frame may be answered with one END, so none is taken while there is no room for it. */
static void take_frames(void) {
  struct frame frame;
  while (reply_has_room()) {
    size_t have = input_tail - input_head;
    if (have >= HEADER_BYTES && input[input_head + 4] == FRAME_START) leave(1);
    int size = frame_next(input + input_head, have, &frame);
    if (size == FRAME_BAD) leave(1);
    if (size == FRAME_MORE) return;
    on_frame(&frame);
    input_head += (size_t)size;
  }
}

static void receive(int socket_fd) {
  memmove(input, input + input_head, input_tail - input_head);
  input_tail -= input_head;
  input_head = 0;
  if (input_tail == INPUT_BYTES) return; /* whole frames that wait for room to be answered */
  ssize_t size = recv(socket_fd, input + input_tail, INPUT_BYTES - input_tail, MSG_DONTWAIT);
  if (size == 0) leave(0);
  if (size < 0 && errno != EAGAIN && errno != EINTR) leave(errno == ECONNRESET ? 0 : 1);
  if (size > 0) input_tail += (size_t)size;
}

static struct file_job *ready_job(void) {
  for (size_t i = 0; i < MAX_FILE_REQUESTS; i++) {
    struct file_job *job = &jobs[(next_job + i) % MAX_FILE_REQUESTS];
    if (job->is_used && job->is_ready) return job;
  }
  return NULL;
}

/* One step of one job, each in its turn. */
static void step_one(void) {
  struct file_job *job = ready_job();
  if (job == NULL) return;
  next_job = (size_t)(job - jobs + 1) % MAX_FILE_REQUESTS;
  file_op_of(job->op)->step(job);
}

/* Without room it is the socket that the worker waits for. */
static bool has_work(void) {
  struct frame frame;
  if (!reply_has_room()) return false;
  return ready_job() != NULL || frame_next(input + input_head, input_tail - input_head, &frame) != FRAME_MORE;
}

/* What jobs wait for beside the socket: fills `fds` and returns the milliseconds until one of them is to be looked at. */
static int wait_for(struct pollfd fds[MAX_FILE_REQUESTS]) {
  int wait_ms = -1;
  for (size_t i = 0; i < MAX_FILE_REQUESTS; i++) {
    const struct file_job *job = &jobs[i];
    fds[i] = (struct pollfd){.fd = -1, .events = POLLIN};
    if (!job->is_used || job->is_ready || job->wait_fd < 0) continue;
    uint64_t now = step_begin();
    if (now >= job->wait_from) {
      fds[i].fd = job->wait_fd;
      continue;
    }
    int left_ms = (int)((job->wait_from - now) / 1000000u) + 1;
    if (wait_ms < 0 || left_ms < wait_ms) wait_ms = left_ms;
  }
  return wait_ms;
}

void worker_main(int socket_fd, int workspace_fd) {
  /* A write past RLIMIT_FSIZE is then EFBIG. */
  if (signal(SIGXFSZ, SIG_IGN) == SIG_ERR || signal(SIGPIPE, SIG_IGN) == SIG_ERR) leave(1);
  umask(0);
  resolve_init(workspace_fd);
  for (;;) {
    struct pollfd fds[1 + MAX_FILE_REQUESTS];
    bool can_receive = input_tail - input_head < INPUT_BYTES;
    fds[0] = (struct pollfd){.fd = socket_fd, .events = can_receive ? POLLIN : 0};
    if (reply_is_pending()) fds[0].events |= POLLOUT;
    int wait_ms = wait_for(fds + 1);
    int count = poll(fds, 1 + MAX_FILE_REQUESTS, has_work() ? 0 : wait_ms);
    if (count < 0 && errno != EINTR) leave(1);
    for (size_t i = 0; count > 0 && i < MAX_FILE_REQUESTS; i++) {
      if (fds[1 + i].revents != 0) jobs[i].is_ready = true;
    }
    if (count > 0 && (fds[0].revents & (POLLIN | POLLHUP | POLLERR)) != 0) receive(socket_fd);
    take_frames();
    if (reply_has_room()) step_one();
    if (reply_flush(socket_fd) < 0) leave(0);
  }
}
