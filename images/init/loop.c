/* Owns the poll set. Its bound is what the tables of execs, dials and helpers can ask for at most. */
#define _GNU_SOURCE
#include "loop.h"

#include <errno.h>
#include <poll.h>
#include <time.h>

#include "clock.h"
#include "protocol.h"
#include "say.h"

enum { MAX_WATCHES = MAX_EXECS * 4 + MAX_DIALS + 16 };

static struct pollfd set[MAX_WATCHES];
static struct {
  loop_handler handler;
  void *owner;
} watchers[MAX_WATCHES];
static nfds_t watches;
static uint64_t wake_at = NEVER;

void loop_watch(int fd, short events, loop_handler handler, void *owner) {
  if (fd < 0 || watches == MAX_WATCHES) return;
  set[watches] = (struct pollfd){.fd = fd, .events = events};
  watchers[watches].handler = handler;
  watchers[watches].owner = owner;
  watches++;
}

void loop_wake(uint64_t at_us) { wake_at = earlier(wake_at, at_us); }

void loop_turn(void) {
  struct timespec wait = {0}, *limit = NULL;
  if (wake_at != NEVER) {
    uint64_t now = now_us(), left = wake_at > now ? wake_at - now : 0;
    wait = (struct timespec){.tv_sec = (time_t)(left / 1000000u), .tv_nsec = (long)(left % 1000000u) * 1000};
    limit = &wait;
  }
  int ready = ppoll(set, watches, limit, NULL);
  if (ready < 0 && errno != EINTR) say("cannot poll", errno);
  for (nfds_t i = 0; i < watches && ready > 0; i++) {
    if (set[i].revents == 0) continue;
    ready--;
    watchers[i].handler(watchers[i].owner, set[i].revents);
  }
  watches = 0;
  wake_at = NEVER;
}
