/* Owns the socket, the nonce and the receive buffer. Commands do not notice when the daemon is away. */
#define _GNU_SOURCE
#include "control.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"
#include "courier.h"
#include "descriptors.h"
#include "dial.h"
#include "exec.h"
#include "frame.h"
#include "loop.h"
#include "memory.h"
#include "outbox.h"
#include "report.h"
#include "say.h"
#include "telling.h"

enum {
  INBOX_BYTES = 128 * 1024 + MAX_START_BODY,
  REST_BYTES = 256 * 1024, /* more than one read brings: pages that are used all the time are not given back */
  NONCE_PAGE = 4096,
  FIRST_GAP_US = 10 * 1000,
  LAST_GAP_US = 1000 * 1000,
  WELCOME_US = 5000 * 1000
};

static enum { DOWN, GREETING, UP } phase;
static int fd = -1;
static uint8_t *nonce, *inbox;
static size_t have, peak;
static uint64_t retry_at, gap = FIRST_GAP_US, welcome_until;

bool control_is_up(void) { return phase == UP; }

struct pages control_pages(void) { return (struct pages){inbox, INBOX_BYTES}; }

bool control_open(void) {
  int file = open("/run/cloister/nonce", O_RDONLY | O_CLOEXEC | O_NOCTTY);
  nonce = memory_take_private(NONCE_PAGE);
  inbox = memory_take(INBOX_BYTES);
  bool ok = nonce != NULL && inbox != NULL && file >= 0 && read(file, nonce, NONCE_BYTES) == NONCE_BYTES;
  if (!ok) say("cannot read /run/cloister/nonce", errno);
  close_one(&file);
  return ok;
}

enum { SEND_BUFFER_BYTES = 512 * 1024 };

static void disconnect(void) {
  close_one(&fd);
  phase = DOWN;
  retry_at = now_us() + gap;
  gap = earlier(gap * 2, LAST_GAP_US);
  memset(inbox, 0, have);
  have = 0;
  outbox_reset();
  telling_disconnected();
  courier_disconnected();
  dial_disconnected();
  report_disconnected();
  limit_clock_run(true); /* limits hold while the daemon is away */
}

static void connect_now(void) {
  struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/run/cloister/control.sock"};
  fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  /* Output goes on while the daemon is busy; a smaller buffer than asked for is slower, nothing else. */
  if (fd >= 0) (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &(int){SEND_BUFFER_BYTES}, sizeof(int));
  if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
    close_one(&fd);
    retry_at = now_us() + gap;
    gap = earlier(gap * 2, LAST_GAP_US);
    return;
  }
  phase = GREETING;
  welcome_until = now_us() + WELCOME_US;
  uint8_t *body = outbox_put(FRAME_HELLO, 0, 0, 4 + NONCE_BYTES);
  put_u32(body, PROTOCOL_VERSION);
  memcpy(body + 4, nonce, NONCE_BYTES);
}

static bool welcome(const struct frame *frame) {
  if (phase != GREETING || frame->length != NONCE_BYTES) return false;
  memcpy(nonce, frame->body, NONCE_BYTES);
  /* The inbox is seen by children until their exec; the nonce is not for them. */
  explicit_bzero(inbox + (frame->body - inbox), NONCE_BYTES);
  phase = UP;
  gap = FIRST_GAP_US;
  telling_status();
  return true;
}

static bool set_clock(const struct frame *frame) {
  if (frame->length != 1 || frame->body[0] > 1) return false;
  limit_clock_run(frame->body[0] == 1);
  return true;
}

static bool pong(const struct frame *frame) {
  if (frame->length != 8) return false;
  outbox_put_u64(FRAME_PONG, 0, 0, get_u64(frame->body));
  return true;
}

static bool dispatch(const struct frame *frame) {
  if (frame->type == FRAME_WELCOME) return welcome(frame);
  if (phase != UP) return false;
  switch (frame->type) {
    case FRAME_START: return exec_start(frame);
    case FRAME_STDIN: return exec_stdin(frame);
    case FRAME_KILL: return exec_kill(frame);
    case FRAME_CREDIT: return exec_credit(frame);
    case FRAME_RESIZE: return exec_resize(frame);
    case FRAME_EXIT_ACK: return exec_ack(frame);
    case FRAME_DIAL:
    case FRAME_DIAL_DATA:
    case FRAME_DIAL_CREDIT:
    case FRAME_DIAL_CLOSE: return dial_frame(frame);
    case FRAME_FILE:
    case FRAME_FILE_DATA:
    case FRAME_FILE_CREDIT:
    case FRAME_FILE_CANCEL: return courier_frame(frame);
    case FRAME_PING: return pong(frame);
    case FRAME_REPORT: report_ask(); return frame->length == 0;
    case FRAME_CLOCK: return set_clock(frame);
    default: return false;
  }
}

/* Handles what is complete, as long as its replies have room. */
static void parse(void) {
  size_t at = 0;
  while (phase != DOWN && outbox_takes_reply()) {
    struct frame frame;
    int used = frame_next(inbox + at, have - at, &frame);
    if (used == FRAME_MORE) break;
    if (used == FRAME_BAD || !dispatch(&frame)) {
      say("the daemon broke the protocol", 0);
      disconnect();
      return;
    }
    at += (size_t)used;
  }
  if (at == 0) return;
  memmove(inbox, inbox + at, have - at);
  have -= at;
  if (have == 0 && peak > REST_BYTES) {
    memory_rest(inbox, INBOX_BYTES);
    peak = 0;
  }
}

static void on_control(void *owner, short events) {
  (void)owner;
  if (phase == DOWN || (events & (POLLIN | POLLHUP | POLLERR)) == 0 || have == INBOX_BYTES) return;
  ssize_t got = recv(fd, inbox + have, INBOX_BYTES - have, MSG_DONTWAIT);
  if (got > 0) {
    have += (size_t)got;
    if (have > peak) peak = have;
    parse();
  } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
    disconnect();
  }
}

void control_tick(void) {
  uint64_t now = now_us();
  if (phase == GREETING && now >= welcome_until) disconnect();
  if (phase == DOWN && now >= retry_at) connect_now();
  if (phase == DOWN) return;
  if (have > 0) parse();
  if (phase == UP) {
    telling_pump();
    courier_pump();
    dial_pump();
    report_pump();
  }
  if (phase != DOWN && !outbox_flush(fd)) disconnect();
}

void control_watch(void) {
  if (phase == DOWN) {
    loop_wake(retry_at);
    return;
  }
  if (phase == GREETING) loop_wake(welcome_until);
  if (outbox_was_short()) loop_wake(0);
  short events = (short)((outbox_takes_reply() ? POLLIN : 0) | (outbox_empty() ? 0 : POLLOUT));
  loop_watch(fd, events, on_control, NULL);
}
